"""Every page of the built site, once, in headless Chromium with nothing but the site to talk to."""

from pathlib import Path

import pytest
from site_fixtures import Visit, tool, watch

#: without fetching style sheets, which axe looks for in the wrong place
QUICK = "preload: false, resultTypes: ['violations']"
WITHOUT_CONTRAST = f"axe.run({{{QUICK}, rules: {{'color-contrast': {{enabled: false}}}}}})"
#: Contrast depends on an element's kind and classes and on those around it: one of each on the whole site is marked and
#: judged. The other spans of code become plain text, of which there is enough to keep axe busy for minutes.
ONE_OF_EACH = """(keys) => {
  const seen = new Set(keys), fresh = [];
  const name = (e) => (e ? e.tagName + "." + [...e.classList].sort().join(".") : "");
  for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some((child) => child.nodeType === 3 && child.data.trim()) || !e.offsetParent) continue;
    const key = [e, e.parentElement, e.parentElement?.parentElement].map(name).join("<");
    if (!seen.has(key)) { seen.add(key); e.dataset.one = ""; fresh.push(key); }
  }
  for (const e of document.querySelectorAll(".bd-article :is(pre, code, dt) span")) {
    if (!e.matches("[data-one]") && !e.querySelector("[data-one]")) e.replaceWith(e.textContent);
  }
  return fresh;
}"""
CONTRAST = f"axe.run({{include: [['[data-one]']]}}, {{{QUICK}, runOnly: ['color-contrast']}})"
SERIOUS = """(await %s).violations.filter((fault) => ["serious", "critical"].includes(fault.impact))
  .map((fault) => fault.id + ": " + fault.nodes.slice(0, 3).map((node) => node.html.slice(0, 150)).join(" | "))"""
#: what of a page's pictures and formulas was not drawn
NOT_DRAWN = """() => [
  ...[...document.images].filter((i) => i.complete && !i.naturalWidth).map((i) => "image " + i.src),
  ...[...document.images]
    .filter((i) => Math.abs((i.width * i.naturalHeight) / (i.height * i.naturalWidth) - 1) > 0.02)
    .map((i) => "distorted: " + i.alt),
  ...[...document.images].filter((i) => !i.hasAttribute("alt")).map((i) => "no alt text: " + i.src),
  ...[...document.querySelectorAll("main svg[role=img]:not(.svg-inline--fa)")]
    .filter((s) => s.getBoundingClientRect().height < 40).map((s) => "picture " + s.getAttribute("class")),
  ...[...document.querySelectorAll(".bd-article .math:not(:has(mjx-container))")].map((m) => "formula " + m.innerText),
  ...[...document.querySelectorAll(".drawn g text")]
    .filter((t) => t.getBBox().width > t.parentElement.querySelector("rect").getBBox().width - 4)
    .map((t) => "too long for its box: " + t.textContent),
  ...[...document.querySelectorAll("mjx-merror")].map((m) => "wrong formula " + m.textContent),
]"""

#: tables without a caption; that of a table that a cell makes stands in the cell's metadata
NO_CAPTION = """() => [...document.querySelectorAll(".bd-article table:not(.indextable, .modindextable)")]
  .filter((t) => !t.caption?.textContent.trim())
  .map((t) => t.innerText.slice(0, 80))"""
#: on a phone: pictures so small that their words cannot be read
TOO_SMALL = """() => [
  ...[...document.querySelectorAll(".cell_output img")]
    .filter((i) => i.getBoundingClientRect().width < 0.8 * (parseFloat(i.style.width) || i.naturalWidth))
    .map((i) => "figure " + i.alt.slice(0, 60)),
  ...[...document.querySelectorAll("main svg[role=img]:not(.svg-inline--fa)")].flatMap((s) => [
    ...s.querySelectorAll("text")]
    .filter((t) => parseFloat(getComputedStyle(t).fontSize) * s.getScreenCTM().a < 9)
    .slice(0, 1).map((t) => s.getAttribute("class") + ": " + t.textContent)),
]"""
#: on a phone: pictures that go on sideways and do not say so, or say so and fit
NO_HINT = """() => [...document.querySelectorAll(".cell_output figure")].filter((figure) =>
    (figure.scrollWidth > figure.clientWidth)
    !== (parseFloat(getComputedStyle(figure.querySelector("figcaption"), "::before").fontSize) > 0))
  .map((figure) => figure.innerText.slice(0, 60))"""
#: on a phone: captions of tables that are not wholly on the screen
CUT_OFF = """() => [...document.querySelectorAll(".bd-article caption")]
  .filter((c) => c.getBoundingClientRect().right > innerWidth || c.getBoundingClientRect().left < 0)
  .map((c) => c.innerText.slice(0, 60))"""
#: links of a self-check that do not lead to a section of the same page in which a cell stands
SELF_CHECK = """() => [...document.querySelectorAll("#check-yourself .admonition a.reference.internal[href^='#']")]
  .map((a) => [a, document.getElementById(decodeURIComponent(a.getAttribute("href").slice(1)))])
  .filter(([a, place]) => !place?.querySelector(".cell"))
  .map(([a]) => a.textContent)"""


def pages(site: Path) -> list[str]:
    """The pages that a reader can open, without listings of source; index.html only leads on.

    Two labs stand for all, whose pages one template makes.
    """
    found = [path.relative_to(site).as_posix() for path in sorted(site.rglob("*.html"))]
    labs = [page for page in found if page.startswith("book/labs/")][2:]
    left_out = (*labs, "index.html")
    return [page for page in found if not page.startswith(("_static/", "_modules/")) and page not in left_out]


def test_a_request_to_elsewhere_would_be_seen(open_page):
    visit = open_page("book/preface.html")
    assert not visit.faults
    visit.page.evaluate("() => fetch('http://example.org/').catch(() => null)")
    assert "asks for http://example.org/" in visit.faults


@pytest.fixture(scope="module")
def seen(browser, address, site):
    """What was seen on each page: its title and description, and by test the things that are wrong."""
    import axe_playwright_python

    axe = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    looked, known = {}, []
    for name in pages(site):
        visit = Visit(context.new_page())
        watch(visit, address)
        page = visit.page
        page.goto(f"{address}/{name}", wait_until="load")
        page.evaluate("() => window.MathJax?.startup?.promise")
        page.add_style_tag(content="* { transition: none !important; animation: none !important }")
        note = {"title": page.title(), "faults": visit.faults, "not drawn": page.evaluate(NOT_DRAWN)}
        note |= {"no caption": page.evaluate(NO_CAPTION), "self-check": page.evaluate(SELF_CHECK)}
        note["checks"] = page.locator("#check-yourself .admonition a.reference.internal[href^='#']").count()
        description = page.locator('meta[name="description"]')
        note["description"] = description.first.get_attribute("content") if description.count() else ""
        page.set_viewport_size({"width": 360, "height": 780})
        note["width"] = page.evaluate("document.documentElement.scrollWidth")
        note["too small"], note["cut off"] = page.evaluate(TOO_SMALL), page.evaluate(CUT_OFF)
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        note["no hint"] = page.evaluate(NO_HINT)
        page.set_viewport_size({"width": 1280, "height": 900})
        fresh = page.evaluate(ONE_OF_EACH, known)
        known += fresh
        page.evaluate(axe)
        note["axe"] = page.evaluate(f"async () => {SERIOUS % WITHOUT_CONTRAST}")
        for theme in ("light", "dark") if fresh else ():
            page.emulate_media(color_scheme=theme)
            note["axe"] += [f"{theme} {line}" for line in page.evaluate(f"async () => {SERIOUS % CONTRAST}")]
        looked[name] = note
        page.close()
    context.close()
    return looked


def wrong(seen, what):
    return [f"{name}: {fault}" for name, note in seen.items() for fault in note[what]]


def test_there_are_pages(seen):
    assert len(seen) > 30 and "notebooks/02_mathematics.html" in seen


def test_no_console_error_no_failed_request_and_nothing_from_elsewhere(seen):
    assert not wrong(seen, "faults")


def test_formulas_pictures_and_alt_texts_are_there(seen):
    assert not wrong(seen, "not drawn")


def test_no_serious_accessibility_fault_in_either_theme(seen):
    assert not wrong(seen, "axe")


def test_no_page_is_wider_than_a_phone(seen):
    assert not [f"{name}: {note['width']}" for name, note in seen.items() if note["width"] > 360]


def test_words_in_pictures_can_be_read_on_a_phone(seen):
    assert not wrong(seen, "too small")


def test_a_picture_that_goes_on_sideways_says_so(seen):
    assert not wrong(seen, "no hint")


def test_every_table_has_a_caption(seen):
    assert not wrong(seen, "no caption")


def test_a_caption_is_wholly_seen_on_a_phone(seen):
    assert not wrong(seen, "cut off")


def test_every_wrong_answer_of_a_self_check_leads_to_a_cell(seen):
    assert not wrong(seen, "self-check")
    assert not [name for name, note in seen.items() if name.startswith("notebooks/") and note["checks"] < 6]


def test_every_page_has_a_title_of_its_own_and_a_description(seen):
    titles = [note["title"] for note in seen.values()]
    assert len(set(titles)) == len(titles)
    made = ("genindex.html", "search.html", "py-modindex.html")
    assert not [name for name, note in seen.items() if name not in made and len(note["description"]) < 60]


def test_index_leads_to_the_preface(open_page):
    visit = open_page("index.html")
    visit.page.wait_for_url("**/book/preface.html")
    assert not visit.faults


@pytest.mark.parametrize(("word", "page"), [("temperature", "02_mathematics"), ("install", "book/install")])
def test_search_finds_first_what_is_looked_for(open_page, word, page):
    visit = open_page(f"search.html?q={word}")
    visit.page.locator("#search-results li a").nth(5).wait_for()  # hits come one by one
    assert any(page in hit.get_attribute("href") for hit in visit.page.locator("#search-results li > a").all()[:3])
    assert not visit.faults


def test_a_lesson_is_light(open_page):
    page = open_page("notebooks/02_mathematics.html").page
    weight = page.evaluate(
        "[...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')]"
        ".reduce((sum, one) => sum + one.decodedBodySize, 0)"
    )
    assert 5e5 < weight < 2.5e6


def test_chinese_is_marked_and_terms_lead_to_the_glossary(open_page):
    page = open_page("notebooks/02_mathematics.html").page
    assert page.locator("blockquote [lang=zh]").count()
    term = page.locator("a:has(> .term)", has_text="temperature").first
    assert "glossary.html#term-temperature" in term.get_attribute("href")


def test_the_search_field_is_found_by_keyboard(open_page):
    page = open_page("book/preface.html").page
    page.keyboard.press("Control+k")
    page.keyboard.type("temperature")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=temperature*")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_follows_the_readers_system(open_page, theme):
    page = open_page("book/preface.html", theme=theme).page
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    lightness = sum(map(int, ground.removeprefix("rgb(").rstrip(")").split(",")[:3]))
    assert (lightness < 200) == (theme == "dark")


def test_a_lesson_can_be_downloaded(open_page):
    page = open_page("notebooks/02_mathematics.html").page
    link = page.locator('a[href$="02_mathematics.ipynb"]').first
    answer = page.request.get(page.url.rsplit("/", 1)[0] + "/" + link.get_attribute("href"))
    assert answer.ok and answer.json()["nbformat"] == 4


def test_nothing_is_loaded_from_elsewhere(site):
    assert tool("build_book").faults(site) == []
