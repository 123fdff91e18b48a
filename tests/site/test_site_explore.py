"""The figures that a reader moves: they compute what the package computes, and mouse and keyboard move them."""

import json
import re

import pytest
import torch
from site_fixtures import ROOT

from tinykd import losses, models

#: figure → the lesson in which it runs
FIGURES = {"temperature": "02_mathematics", "layers": "03_teachers_and_students", "cost": "11_fusion"}
DIALS = [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb")) if "Dial(" in path.read_text("utf-8")]


@pytest.fixture
def explore(open_page):
    visits = []

    def opened(figure):
        visits.append(open_page(f"notebooks/{FIGURES[figure]}.html", height=2000))
        return visits[-1].page

    yield opened
    assert not [fault for visit in visits for fault in visit.faults]


def told(page, figure):
    return page.locator(f"#explore-{figure} svg").get_attribute("aria-label")


def test_the_picked_map_is_the_packages(explore):
    asked = [(n, m, kind) for n in range(1, 13) for m in range(1, n + 1) for kind in ("uniform", "first", "last")]
    drawn = explore("layers").evaluate("(asked) => asked.map((one) => tinykd.layerMap(...one))", asked)
    assert drawn == [models.layer_map(*one) for one in asked]


def test_soft_targets_and_divergence_are_the_packages(explore):
    torch.manual_seed(0)
    page = explore("temperature")
    for temperature in (0.5, 1.0, 2.0, 8.0, 20.0):
        teacher, student = torch.randn(2, 9, dtype=torch.float64) * 8
        soft = "([logits, T]) => tinykd.soften(logits, T)"
        p = page.evaluate(soft, [teacher.tolist(), temperature])
        q = page.evaluate(soft, [student.tolist(), temperature])
        torch.testing.assert_close(torch.tensor(p, dtype=torch.float64), (teacher / temperature).softmax(-1))
        kl = page.evaluate("([p, q]) => tinykd.divergence(p, q)", [p, q])
        assert kl == pytest.approx(losses.kl_divergence(student, teacher, temperature).item(), rel=1e-6)


def test_the_keyboard_heats_the_answer(explore):
    page = explore("temperature")
    slider = page.locator("#explore-temperature input[type=range]")
    slider.focus()
    for _ in range(6):  # 6 steps of 10^0.05 and T is 2
        page.keyboard.press("ArrowRight")
    expected = [f"{p:.2f}" for p in (torch.tensor([64.0, 16.0, 1.0]).log() / 10**0.3).softmax(-1).tolist()]
    assert "At temperature 2.00" in told(page, "temperature")
    assert re.findall(r"0\.\d\d", told(page, "temperature"))[:3] == expected


@pytest.mark.parametrize("figure", FIGURES)
def test_keyboard_and_mouse_move_the_picture(explore, figure):
    page = explore(figure)
    slider = page.locator(f"#explore-{figure} input[type=range]").last
    picture = page.locator(f"#explore-{figure} svg")
    shots = [picture.inner_html()]
    slider.focus()
    page.keyboard.press("ArrowLeft")
    shots.append(picture.inner_html())
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    shots.append(picture.inner_html())
    assert len(set(shots)) == 3


def test_a_click_draws_a_map_of_ones_own(explore):
    page = explore("layers")
    page.locator("#explore-layers svg g[data-student='1']").click()
    page.locator("#explore-layers svg g[data-teacher='0']").click()
    assert "layer_map(6, 3, (1, 0, 5)) = [1, 0, 5]" in page.locator("#explore-layers output").inner_text()
    assert models.layer_map(6, 3, (1, 0, 5)) == [1, 0, 5]


def test_the_lists_draw_a_map_of_ones_own(explore):
    page = explore("layers")
    page.locator("#explore-layers select").select_option("explicit")
    page.locator("#explore-layers label", has_text="student layer 2").locator("select").select_option("3")
    assert "[1, 3, 3]" in page.locator("#explore-layers output").inner_text()


def test_every_point_of_the_cost_figure_is_recorded(explore):
    recorded = json.loads((ROOT / "experiments" / "results" / "fusion.json").read_text(encoding="utf-8"))
    pairs = json.loads(explore("cost").locator("#cost-data").inner_text())
    assert len(pairs) == 4
    for pair in pairs:
        for by, points in pair["ways"].items():
            curve = recorded[pair["key"]]["cascade"][by]["curve"]
            assert [point[3] for point in points] == [round(score, 4) for score in curve["scores"]]
            assert [point[2] for point in points] == [round(cost, 4) for cost in curve["costs"]]


def test_a_click_on_the_cost_figure_takes_the_nearest_point(explore):
    page = explore("cost")
    picture = page.locator("#explore-cost svg")
    width = picture.bounding_box()["width"]
    picture.click(position={"x": width * (50 + 190 * 0.6) / 360, "y": 40})
    assert re.search(r"Cost 0\.(58|59|60|61|62)", told(page, "cost"))


def test_without_a_script_a_text_stands_for_each_figure(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    for figure, lesson in FIGURES.items():
        page.goto(f"{address}/notebooks/{lesson}.html")
        assert "Without a script" in page.locator(f"#explore-{figure}").inner_text()
    context.close()


@pytest.mark.parametrize("lesson", DIALS)
def test_a_lessons_dials_turn_without_a_kernel(open_page, lesson):
    visit = open_page(f"notebooks/{lesson}.html")
    form = visit.page.locator("form.dial")
    before, sliders = form.locator(".dial-view").inner_html(), form.locator("input")
    assert before
    for slider in sliders.all():
        slider.focus()
        visit.page.keyboard.press("Home")
    first = form.locator(".dial-view").inner_html()
    assert first != before and [slider.input_value() for slider in sliders.all()] == ["0"] * sliders.count()
    values = [json.loads(slider.get_attribute("data-values"))[0] for slider in sliders.all()]
    assert form.locator("output").all_inner_texts() == values
    assert not visit.faults
