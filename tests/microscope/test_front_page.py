"""The first page in a browser: recorded answers at once, the models where the reader wants them."""

import json
import re

import pytest
from site_fixtures import Visit, watch

from tinykd.text import words

PLACE = "book/preface.html"


@pytest.fixture
def front(browser, served):
    """The first page with the untrained models beside it."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    found = Visit(context.new_page())
    watch(found, served)
    found.page.goto(f"{served}/{PLACE}")
    found.page.wait_for_selector("html[data-front=ready]", state="attached")
    yield found
    context.close()
    assert not found.faults


def test_recorded_answers_are_painted_and_no_model_is_fetched(front, made):
    page = front.page
    examples = json.loads((made / "microscope.json").read_text(encoding="utf-8"))["examples"]
    assert [button.inner_text() for button in page.locator("#front-examples button").all()] == [
        example["text"] for example in examples
    ]
    page.locator("#front-examples button").last.click()
    assert page.locator("#front-text").input_value() == examples[-1]["text"]
    for who in ("teacher", "student"):
        read = page.locator(f"#front-{who}").inner_text()
        assert all(word.text in read for word in words(examples[-1]["text"]))
    assert page.evaluate("performance.getEntriesByType('resource').every((r) => !r.name.includes('.onnx'))")


def test_the_slider_heats_the_soft_labels_of_the_chosen_word(front):
    page = front.page
    page.locator("#front-word").select_option(index=0)
    cold = page.locator("#front-soft").inner_html()
    page.locator("#front-temperature").fill("8")
    assert page.locator("#front-temperature-said").inner_text() == "8.0"
    hot = page.locator("#front-soft").inner_html()
    page.locator("#front-word").select_option(index=1)
    assert len({cold, hot, page.locator("#front-soft").inner_html()}) == 3


def test_type_your_own_tells_its_bytes_beforehand_and_answers(front):
    page, loaded = front.page, []
    page.on("requestfinished", lambda request: loaded.append(request))
    told = float(re.search(r"loads ([\d.]+) MB", page.locator("#front-own").inner_text())[1])
    page.locator("#front-own").click()
    page.wait_for_selector("#front-text:not([readonly])")
    assert sum(request.sizes()["responseBodySize"] for request in loaded) / 1e6 == pytest.approx(told, rel=0.05)
    page.locator("#front-text").fill("Zoë flew to Łódź.")
    page.locator("#front-student", has_text="Łódź").wait_for(timeout=2000)
    assert page.locator("#front-word option").all_inner_texts() == ["Zoë", "flew", "to", "Łódź", "."]
