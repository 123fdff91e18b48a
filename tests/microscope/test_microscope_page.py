"""The page in a browser, with untrained models: what it does, and what it must not do."""

import functools
import http.server
import json
import re
import shutil
import threading
import time
from typing import ClassVar

import pytest
from site_fixtures import Visit, watch

from tests.microscope import node
from tests.microscope.models import microscope
from tests.test_experiments import load
from tinykd.deploy import runtime
from tinykd.text import words

PLACE = "book/microscope.html"
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:"
)


class Server(http.server.SimpleHTTPRequestHandler):
    """A server that forbids scripts to be made of strings, on the page and in its worker, and notes what is asked."""

    asked: ClassVar[list[str]] = []

    def end_headers(self):
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def do_GET(self):
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def served(site, made, tmp_path_factory):
    """The address of the site with the untrained models set in."""
    node.packages()
    copy = tmp_path_factory.mktemp("served") / "html"
    shutil.copytree(site, copy)
    assert microscope.set_in(copy, made)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Server, directory=str(copy)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def visit(browser, served):
    """``visit(width=360, theme="dark", script="")`` opens the page and waits until it has answered."""
    contexts = []

    def opened(width=1280, theme="light", context=None, script="") -> Visit:
        if context is None:
            context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
            contexts.append(context)
        context.add_init_script(script)
        found = Visit(context.new_page())
        watch(found, served)
        found.page.goto(f"{served}/{PLACE}")
        ready(found.page)
        return found

    yield opened
    for context in contexts:
        context.close()


def ready(page):
    page.wait_for_selector("html[data-microscope=ready]", state="attached", timeout=60_000)


def evaluate(page, expression):
    """Evaluate in the page; Playwright's own way makes a script of a string, which the policy forbids."""
    session = page.context.new_cdp_session(page)
    return session.send("Runtime.evaluate", {"expression": expression, "awaitPromise": True, "returnByValue": True})[
        "result"
    ].get("value")


def until(page, selector, text):
    page.wait_for_selector(f"{selector}:has-text({json.dumps(text)})", timeout=60_000)


def hold(page, variant):
    """Keep back the graph of a variant; ``hold(…)()`` waits until it is asked for, and returns the requests."""
    held = []
    page.route(f"**/{variant}/onnx/*.onnx", lambda route: held.append(route))

    def asked():
        while not held:
            page.wait_for_timeout(50)
        return held

    return asked


#: notes when the reader types, and when something else is told; later answers can be made to take long
WATCHED = """
Object.assign(window, { typed: [], told: [], workers: [], slow: 0 });
window.Worker = class extends Worker {
  constructor(...how) { super(...how); workers.push(this); }
  postMessage(question) { setTimeout(() => super.postMessage(question), slow); }
};
window.watch = (id) => {
  addEventListener("input", () => typed.push(performance.now()), true);
  const watcher = new MutationObserver(() => told.push([performance.now(), document.getElementById(id).textContent]));
  watcher.observe(document.getElementById(id), {childList: true, characterData: true, subtree: true});
};
"""


def test_names_are_those_of_the_runtime(visit, made):
    found = visit()
    box = found.page.locator("#ms-text")
    loaded = runtime.load(made / "pruned-int8", threads=1)
    for text in ("Orkla's J. Ilves won 2-1 in the U.S.", "<b>Nobody</b> & 東京 😀 Malmö", "word " * 300):
        box.fill(text)
        expected = next(loaded.predict([text]))["entities"]
        until(found.page, "#ms-soft-rows", words(text)[0].text)
        names = found.page.locator("#ms-names .ms-name")
        shown = [names.nth(i).inner_text() for i in range(names.count())]
        assert [one.replace("\n", "") for one in shown] == [entity["text"] + entity["type"] for entity in expected]
    assert not found.faults


def test_the_teacher_beside_the_student(visit):
    found = visit()
    page = found.page
    page.locator("#ms-text").fill("Mara left Nice.")
    until(page, "#ms-kl", "has not read")
    page.locator("#ms-teacher").click()
    until(page, "#ms-kl", "over 4 words")
    assert not page.locator("#ms-teacher").is_visible()

    def sums():
        return [float(value) for value in re.findall(r": (\d+\.\d+)", page.locator("#ms-kl").inner_text())]

    total, mean, loss = sums()
    rows = page.locator("#ms-soft-rows tr")
    assert rows.count() == 4
    assert sum(float(rows.nth(i).locator("td").last.inner_text()) for i in range(4)) == pytest.approx(total, abs=0.005)
    assert mean == pytest.approx(total / 4, abs=1e-3) and loss == pytest.approx(mean, abs=1e-3)
    page.locator("#ms-temperature").press("End")
    until(page, "#ms-temperature-said", "8.0")
    total, mean, loss = sums()[0], sums()[1], sums()[-1]
    assert loss == pytest.approx(64 * mean, rel=0.02)
    assert not found.faults


def test_the_threshold_sends_all_or_none(visit):
    found = visit()
    page = found.page
    slider = page.locator("#ms-threshold")
    slider.press("Home")
    until(page, "#ms-bill", "0 of ")
    assert page.locator("#ms-sentences .ms-up").count() == 0 and "0.00 for the teacher" in page.inner_text("#ms-bill")
    slider.press("End")
    until(page, "#ms-bill", "and 1.00 for the teacher")
    count = page.locator("#ms-sentences li").count()
    assert count > 10 and page.locator("#ms-sentences .ms-up").count() == count
    assert "100.0 % of" in page.inner_text("#ms-bill")
    assert not found.faults


def test_another_variant_by_keyboard(visit):
    found = visit()
    page = found.page
    page.locator("#ms-variant-pruned-int8").focus()
    page.keyboard.press("ArrowUp")
    until(page, "#ms-numbers", "pruned student, 32 bits")
    assert page.locator("#ms-variant-pruned-fp32").is_checked()
    until(page, "#ms-differ-said", "2 variants that have read it")
    assert not found.faults


def test_a_broken_sentence_comes_into_the_box(visit, made):
    found = visit()
    facts = json.loads((made / microscope.FACTS).read_text(encoding="utf-8"))
    broken = [sentence["text"] for sentence in facts["sentences"] if sentence["broken"]]
    buttons = found.page.locator("#ms-broken button")
    assert buttons.count() == len(broken) > 0
    for told in found.page.locator("#ms-broken .ms-told").all_inner_texts():
        assert re.match(
            r"Right: .+ (PER|ORG|LOC|MISC)\. The student: |No name, but the student takes it for one: ", told
        )
    buttons.first.press("Enter")
    assert found.page.locator("#ms-text").input_value() == broken[0]
    until(found.page, "#ms-differ-said", "variants")
    assert not found.faults


def test_a_second_visit_fetches_no_model(browser, visit):
    context = browser.new_context()
    try:
        fetched = []
        for _ in range(2):
            Server.asked.clear()
            found = visit(context=context)
            fetched.append([path for path in Server.asked if "/models/" in path or path.endswith(".wasm")])
        first, second = fetched
        assert first and not second
        assert not found.faults
    finally:
        context.close()


def test_an_altered_model_is_refused(browser, served):
    context = browser.new_context()
    page = context.new_page()
    page.route("**/pruned-int8/onnx/*.onnx", lambda route: route.fulfill(body=b"not the model"))
    try:
        page.goto(f"{served}/{PLACE}")
        until(page, "#ms-notice", "cut short or altered")
    finally:
        context.close()


def test_the_live_region_speaks_once_the_reader_rests(visit):
    found = visit(script=WATCHED)
    page, box = found.page, found.page.locator("#ms-text")
    box.fill("I")
    until(page, "#ms-differ-said", "Only one variant has read")
    evaluate(page, "slow = 500; watch('ms-told')")  # no answer is there before the next key
    box.press_sequentially("nes Alva left for Malta today", delay=120)
    evaluate(page, "slow = 0")
    until(page, "#ms-soft-rows", "today")
    page.wait_for_timeout(2000)
    typed, told = evaluate(page, "[typed, told]")
    assert typed[-1] - typed[0] > 2000
    assert not [text for moment, text in told if any(moment - 990 < key < moment for key in typed)]
    names = page.locator("#ms-names .ms-name").count()
    assert (
        told
        and told[-1][1].startswith(f"{names or 'No'} name")
        and re.fullmatch(r"(No|\d+) names?(: .+)?\.", told[-1][1])
    )
    assert not found.faults


def test_the_last_choice_wins_whichever_load_ends_first(visit):
    found = visit()
    page = found.page
    teacher = hold(page, "teacher-int8")
    page.locator("#ms-variant-teacher-int8").check()
    teacher()
    page.locator("#ms-variant-pruned-fp32").check()
    until(page, "#ms-numbers", "pruned student, 32 bits")
    teacher()[0].continue_()
    until(page, "#ms-loading-said", "Loaded: teacher")
    until(page, "#ms-differ-said", "3 variants that have read it")
    assert page.locator("#ms-variant-pruned-fp32").is_checked()
    assert "pruned student, 32 bits" in page.inner_text("#ms-numbers")
    assert not found.faults


def test_after_a_failed_load_the_variant_before_it_answers(visit):
    page = visit().page
    page.route("**/teacher-int8/onnx/*.onnx", lambda route: route.fulfill(status=503))
    page.locator("#ms-variant-teacher-int8").click()
    until(page, "#ms-notice", "503")
    assert page.locator("#ms-variant-pruned-int8").is_checked()
    assert page.locator("#ms-progress").is_hidden() and "teacher" not in page.inner_text("#ms-loading-said")
    page.locator("#ms-text").fill("Mara left Nice.")
    until(page, "#ms-soft-rows", "Mara")
    assert "pruned student, 8 bits" in page.inner_text("#ms-numbers")
    page.unroute("**/teacher-int8/onnx/*.onnx")
    page.locator("#ms-variant-teacher-int8").check()
    until(page, "#ms-numbers", "teacher, 8 bits")
    assert page.locator("#ms-notice").is_hidden() and page.locator("#ms-notice").get_attribute("role") == "status"


def test_one_bar_for_all_that_is_on_its_way(visit, made):
    found = visit(script=WATCHED)
    page = found.page
    sizes = {
        variant["key"]: variant["bytes"]
        for variant in json.loads((made / microscope.FACTS).read_text("utf-8"))["variants"]
    }
    teacher, student = hold(page, "teacher-int8"), hold(page, "student-int8")
    evaluate(page, "watch('ms-loading-said')")
    page.locator("#ms-teacher").click()
    teacher()
    page.locator("#ms-load-teacher-int8").click()  # a second press
    page.locator("#ms-load-student-int8").click()
    student()
    assert re.fullmatch(
        r"Loading teacher, 8 bits \(.* MB\) and student, 8 bits \(.* MB\)", page.inner_text("#ms-loading-said")
    )
    bar = page.locator("#ms-progress")
    assert float(bar.get_attribute("max")) == sizes["teacher-int8"] + sizes["student-int8"]
    student()[0].continue_()
    until(page, "#ms-loading-said", "Loaded: student, 8 bits. Loading teacher, 8 bits")
    assert bar.is_visible() and float(bar.get_attribute("max")) == sizes["teacher-int8"]
    assert len(teacher()) == 1
    teacher()[0].continue_()
    until(page, "#ms-loading-said", "Loaded: teacher, 8 bits.")
    until(page, "#ms-differ-said", "3 variants that have read it")
    assert bar.is_hidden()
    assert len(evaluate(page, "told")) == 4  # two begin, two end
    assert not found.faults


def test_a_dead_worker_is_replaced(visit):
    found = visit(script=WATCHED)
    page = found.page
    page.locator("#ms-teacher").click()
    until(page, "#ms-kl", "Sum of the KL")
    Server.asked.clear()
    evaluate(page, "workers[0].terminate(); workers[0].dispatchEvent(new ErrorEvent('error', {message: 'full'}))")
    page.locator("#ms-text").fill("Ines Alva left.")
    until(page, "#ms-soft-rows", "Alva")
    assert evaluate(page, "workers.length") == 2
    assert not [path for path in Server.asked if path.endswith(".onnx")]
    page.locator("#ms-teacher").click()  # it went with the worker; the button is there again
    until(page, "#ms-kl", "over 4 words")
    assert not found.faults


def test_what_a_worker_leaves_unanswered_is_told(visit):
    page = visit(script=WATCHED).page
    evaluate(page, "slow = 1e6")
    page.locator("#ms-text").fill("Ines Alva left.")
    evaluate(page, "slow = 0; workers[0].dispatchEvent(new ErrorEvent('error', {message: 'out of memory'}))")
    until(page, "#ms-notice", "out of memory")
    page.locator("#ms-text").fill("Ines Alva left Malta.")
    until(page, "#ms-soft-rows", "Malta")
    assert page.locator("#ms-notice").is_hidden()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out_and_axe_finds_nothing(visit, width, theme):
    from axe_playwright_python.base import AXE_FILE_PATH

    found = visit(width, theme)
    found.page.locator("#ms-teacher").click()
    until(found.page, "#ms-kl", "Sum of the KL")
    assert evaluate(found.page, "document.documentElement.scrollWidth") <= width
    evaluate(found.page, AXE_FILE_PATH.read_text(encoding="utf-8"))
    told = "r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' | '))"
    faults = evaluate(found.page, f"axe.run('.bd-article', {{preload: false}}).then(r => {told})")
    assert faults == []
    assert not found.faults


def test_memory_stays_flat(browser, visit):
    found = visit()
    page, session = found.page, found.page.context.new_cdp_session(found.page)
    measure = load("microscope")

    def resident():
        return measure.renderer_bytes(browser) if measure.PROC.exists() else {}

    def heap():
        session.send("HeapProfiler.collectGarbage")
        return session.send("Runtime.getHeapUsage")["usedSize"]

    def read(count, first):
        for number in range(first, first + count):
            page.locator("#ms-text").fill(f"Sentence {number} was sent from Port {number} by Mara.")
            until(page, "#ms-soft-rows", str(number))

    read(60, 0)
    before, everywhere = heap(), resident()
    read(200, 1000)
    assert heap() < 1.5 * before + 2e6
    assert measure.growth(everywhere, resident()) < 100e6  # what a sentence leaves in the worker: well below a megabyte
    assert not found.faults


def test_without_models_the_page_shows_records(open_page):
    visit = open_page(PLACE)
    ready(visit.page)
    if visit.page.locator("#ms-notice").is_hidden():
        pytest.skip("this site was built where the models are")
    assert "make book" in visit.page.inner_text("#ms-notice")
    assert visit.page.locator("#ms-soft-rows tr").count() > 3
    assert "Sum of the KL" in visit.page.inner_text("#ms-kl")
    visit.page.locator("#ms-broken button").first.click()
    until(visit.page, "#ms-differ-said", "variants")
    assert not visit.faults


def test_from_a_file_the_page_says_what_to_do(browser, site):
    page = browser.new_page()
    page.goto((site / PLACE).as_uri())
    time.sleep(1)
    assert page.locator("#ms-static").is_visible() and "http.server" in page.inner_text("#ms-static")
    page.close()
