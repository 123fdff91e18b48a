"""The page in a browser, with untrained models: what it does, and what it must not do."""

import json
import re

import numpy as np
import pytest
from site_fixtures import Visit, watch

from tests import tiny
from tests.microscope.models import microscope
from tests.microscope.server import Server
from tests.test_experiments import load
from tinykd.deploy import runtime
from tinykd.text import decode, words

PLACE = "book/microscope.html"


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
    page.wait_for_selector(f"{selector}:has-text({json.dumps(text, ensure_ascii=False)})", timeout=60_000)


def unfold(page):
    evaluate(page, "document.getElementById('ms-all').checked = true")


def read(page, text):
    """Type a text, and wait until all is drawn for it."""
    page.locator("#ms-text").fill(text)
    until(page, "#ms-sentences li:first-child", text)


def read_by_both(page, text):
    """Type a text that has no recorded answer, and load the teacher."""
    read(page, text)
    page.locator("#ms-teacher").click()
    until(page, "#ms-agree", "words")
    until(page, "#ms-kl", "mean KL per word")


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
        until(found.page, "#ms-names", words(text)[0].text)
        names = found.page.locator("#ms-names .ms-name")
        shown = [names.nth(i).inner_text() for i in range(names.count())]
        assert [one.replace("\n", "") for one in shown] == [entity["text"] + entity["type"] for entity in expected]
    assert not found.faults


def test_the_teacher_beside_the_student(visit):
    found = visit()
    page = found.page
    unfold(page)
    read(page, "Mara left Nice.")
    assert "has not read" in page.inner_text("#ms-kl")
    assert re.fullmatch(r"Load the teacher \(\d+\.\d MB\)", page.inner_text("#ms-teacher"))
    page.locator("#ms-teacher").click()
    until(page, "#ms-kl", "over all 4 words")
    assert not page.locator("#ms-teacher").is_visible()

    def means():
        return [float(value) for value in re.findall(r": (\d+\.\d+)", page.inner_text("#ms-kl"))]

    mean, loss = means()
    rows = page.locator("#ms-soft-rows tr")
    assert rows.count() == 4
    apart = [float(rows.nth(i).locator("td").last.inner_text()) for i in range(4)]
    assert np.mean(apart) == pytest.approx(mean, abs=1e-3)
    assert loss == mean
    page.locator("#ms-temperature").press("End")
    until(page, "#ms-temperature-said", "8.0")
    mean, loss = means()
    assert loss == pytest.approx(64 * mean, rel=0.02)
    assert not found.faults


def logits(made, variant, text):
    return np.array(next(iter(runtime.load(made / variant, threads=1).logits([text], batch_size=1))))


def test_words_on_which_they_differ_are_marked(visit, made):
    found = visit()
    page, text = found.page, "Mara Hope left Jordan 😀 for Nice, and nobody knew why."
    read_by_both(page, text)
    theirs, ours = (decode(logits(made, key, text), tiny.LABELS) for key in ("teacher-int8", "pruned-int8"))
    differ = [word.text for word, one, other in zip(words(text), theirs, ours, strict=True) if one != other]
    assert differ
    for line in ("#ms-teacher-names", "#ms-names"):
        assert page.locator(f"{line} .ms-differs").all_text_contents() == [f"{word} (differs)" for word in differ]
    assert page.inner_text("#ms-agree") == f"They differ on {len(differ)} of {len(theirs)} words."
    assert not found.faults


def test_words_that_are_surely_no_name_are_folded(browser, visit):
    def all_but_two(route):  # of the first example: the teacher is unsure of its first word, the student of the second
        facts = route.fetch().json() | {"here": False}
        for place, key in enumerate(("teacher-int8", "pruned-int8")):
            rows = facts["examples"][0]["answers"][key]["logits"]
            rows[:] = [[0 if i == place else 900] + 8 * [0] for i in range(len(rows))]
        route.fulfill(json=facts)

    context = browser.new_context()
    context.route("**/microscope.json", all_but_two)
    page = visit(context=context).page
    shown, count = page.locator("#ms-soft-rows tr"), len(words(page.locator("#ms-text").input_value()))
    assert shown.count() == 2 and f"{count - 2} more" in page.inner_text("#ms-all-line")
    page.locator("#ms-temperature").press("End")  # sure or not is asked at T = 1
    assert shown.count() == 2
    page.locator("#ms-all").press("Space")
    assert shown.count() == count
    context.close()


def test_an_example_is_read_by_both_at_once(visit, made):
    found = visit()
    page, buttons = found.page, found.page.locator("#ms-examples button")
    examples = [one["text"] for one in json.loads((made / microscope.FACTS).read_text(encoding="utf-8"))["examples"]]
    assert page.locator("#ms-text").input_value() == examples[0] and "word" in page.inner_text("#ms-agree")
    assert buttons.all_inner_texts()[:-1] == examples[:-1]
    assert "trap" in buttons.last.inner_text()
    buttons.last.press("Enter")
    until(page, "#ms-teacher-names", words(examples[-1])[0].text)
    assert page.locator("#ms-text").input_value() == examples[-1] and "word" in page.inner_text("#ms-agree")
    assert not found.faults


def test_the_threshold_sends_all_or_none(visit):
    found = visit()
    page = found.page
    slider = page.locator("#ms-threshold")
    assert slider.input_value() == "0" and page.inner_text("#ms-bill").startswith("0 of ")
    assert page.locator("#ms-sentences .ms-up").count() == 0 and "0.00 for the teacher" in page.inner_text("#ms-bill")
    slider.press("End")
    until(page, "#ms-bill", "1.00 for the teacher")
    count = page.locator("#ms-sentences li").count()
    assert count > 10 and page.locator("#ms-sentences .ms-up").count() == count
    assert "100.0 % of" in page.inner_text("#ms-bill")
    assert not found.faults


def test_another_variant_by_keyboard(visit):
    found = visit()
    page = found.page
    read(page, "Mara left Nice.")
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
    until(page, "#ms-sentences li:first-child", "today")
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
    read(page, "Mara left Nice.")
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
    read(page, "Mara left Nice.")
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
    read(page, "Mara left Nice.")
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
    read_by_both(page, "Mara left Nice.")
    Server.asked.clear()
    evaluate(page, "workers[0].terminate(); workers[0].dispatchEvent(new ErrorEvent('error', {message: 'full'}))")
    read(page, "Ines Alva left.")
    assert evaluate(page, "workers.length") == 2
    assert not [path for path in Server.asked if path.endswith(".onnx")]
    page.locator("#ms-teacher").click()  # it went with the worker; the button is there again
    until(page, "#ms-kl", "over all 4 words")
    assert not found.faults


def test_what_a_worker_leaves_unanswered_is_told(visit):
    page = visit(script=WATCHED).page
    evaluate(page, "slow = 1e6")
    page.locator("#ms-text").fill("Ines Alva left.")
    evaluate(page, "slow = 0; workers[0].dispatchEvent(new ErrorEvent('error', {message: 'out of memory'}))")
    until(page, "#ms-notice", "out of memory")
    read(page, "Ines Alva left Malta.")
    assert page.locator("#ms-notice").is_hidden()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out_and_axe_finds_nothing(visit, width, theme):
    from axe_playwright_python.base import AXE_FILE_PATH

    found = visit(width, theme)
    read_by_both(found.page, "Mara left Nice.")
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

    def read_many(count, first):
        for number in range(first, first + count):
            read(page, f"Sentence {number} was sent from Port {number} by Mara.")

    read_many(60, 0)
    before, everywhere = heap(), resident()
    read_many(200, 1000)
    assert heap() < 1.5 * before + 2e6
    assert measure.growth(everywhere, resident()) < 100e6  # what a sentence leaves in the worker: well below a megabyte
    assert not found.faults


def test_without_models_the_page_shows_records(open_page):
    visit = open_page(PLACE)
    ready(visit.page)
    if visit.page.locator("#ms-notice").is_hidden():
        pytest.skip("this site was built where the models are")
    assert "make book" in visit.page.inner_text("#ms-notice")
    assert visit.page.locator("#ms-soft-rows tr").count()
    assert "mean KL per word" in visit.page.inner_text("#ms-kl") and "word" in visit.page.inner_text("#ms-agree")
    visit.page.locator("#ms-broken button").first.click()
    until(visit.page, "#ms-differ-said", "variants")
    assert not visit.faults


def test_from_a_file_the_page_says_what_to_do(browser, site):
    page = browser.new_page()
    page.goto((site / PLACE).as_uri())
    page.locator("#ms-why").wait_for(timeout=2000)
    assert "http.server" in page.inner_text("#ms-why")
    page.close()


def test_a_slow_start_alarms_nobody_for_five_seconds(browser, address):
    page, held = browser.new_page(), []
    page.route("**/page.js", lambda route: held.append(route))
    page.goto(f"{address}/{PLACE}", wait_until="commit")
    page.locator("#ms-static").wait_for()
    assert page.inner_text("#ms-static").strip() == "Loading the microscope …"
    page.locator("#ms-why").wait_for()
    held[0].continue_()
    ready(page)
    assert page.locator("#ms-static").is_hidden()
    page.close()


def test_without_scripts_the_page_says_so(browser, address):
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"{address}/{PLACE}")
    assert "needs JavaScript" in page.inner_text("#ms-static")
    page.close()
