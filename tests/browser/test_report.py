"""The report in a browser: Chromium opens it from the disk, sorts, filters, finds confused clips and plays them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kinesics.reporting.build import report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.browser
WIDTHS = (390, 1280)


@pytest.fixture(scope="module")
def tiny_report(tiny_runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report(tiny_runs, tmp_path_factory.mktemp("report"), device="cpu")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[browser]'")
    if CHROMIUM is None:
        pytest.skip("no chromium is installed (Debian: apt-get install chromium)")
    sandbox = [] if os.geteuid() else ["--no-sandbox"]  # Chromium has no sandbox for root
    with api.sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)


@pytest.fixture(params=["light", "dark"])
def page(browser: Any, tiny_report: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The report at phone width; when a test is over, nothing may have gone wrong, or over the network."""
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme=request.param)
    context.set_offline(True)
    opened, said, asked = context.new_page(), [], []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda found: asked.append(found.url))
    opened.on("requestfailed", lambda found: said.append(f"{found.url}: {found.failure}"))
    opened.goto(tiny_report.as_uri())
    yield opened
    assert said == []
    assert asked
    assert all(url.startswith(("file:", "data:")) for url in asked)
    context.close()


def wait(page: Any, condition: str) -> None:
    """Until a condition holds; the page's policy forbids what playwright has for it, which evaluates in the page."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came: {condition}")


def shown(page: Any) -> list[str]:
    """The ids of the clips that can be seen."""
    return [str(card.get_attribute("data-id")) for card in page.locator(".clip:visible").all()]


def test_a_click_on_a_header_sorts(page: Any) -> None:
    def runs() -> list[str]:
        return page.locator("#results tbody th").all_inner_texts()

    assert runs() == ["tsn", "tsm"]
    header = page.locator("#results thead th").first
    header.locator("button").click()
    assert (runs(), header.get_attribute("aria-sort")) == (["tsm", "tsn"], "ascending")
    page.keyboard.press("Enter")  # it still has the focus
    assert (runs(), header.get_attribute("aria-sort")) == (["tsn", "tsm"], "descending")
    column = page.locator("#results thead th").nth(2)
    column.locator("button").click()
    values = [float(cell.get_attribute("data-value")) for cell in page.locator("#results tbody td:nth-child(3)").all()]
    assert values == sorted(values, reverse=True)
    assert header.get_attribute("aria-sort") is None


def test_clips_are_filtered(page: Any) -> None:
    assert len(shown(page)) == 4
    page.locator("#find").fill("LEFT")
    assert {name.split("_")[0] for name in shown(page)} == {"clips/left"}
    assert page.locator("#status").inner_text() == "2 clips."
    page.locator("#show-all").click()
    wait(page, "document.querySelectorAll('.clip:not([hidden])').length === 4")
    page.locator("#true").select_option(label="right")
    assert {name.split("_")[0] for name in shown(page)} == {"clips/right"}
    page.locator("#find").fill("nothing of this name")
    assert (shown(page), page.locator("#status").inner_text()) == ([], "0 clips.")


def test_a_confused_cell_leads_to_its_clips_and_they_play(page: Any) -> None:
    cell = page.locator(".confusion td:not(.hit) button").first
    run, true, answer = (cell.get_attribute(f"data-{name}") for name in ("run", "true", "answer"))
    number = int(cell.inner_text())
    cell.focus()
    page.keyboard.press("Enter")
    wait(page, "document.activeElement.id === 'clips-title'")
    cards = page.locator(".clip:visible")
    assert cards.count() == number
    for card in cards.all():
        assert card.get_attribute("data-true") == true
        assert card.get_attribute("data-answers").split(";")[int(run)] == answer
    button = cards.first.locator(".preview")
    button.click()
    wait(page, "[...document.querySelectorAll('video')].some((video) => video.currentTime > 0.2)")
    assert button.get_attribute("aria-pressed") == "true"
    assert button.locator("video").evaluate("video => video.videoWidth") == 160
    button.click()
    assert button.locator("video").evaluate("video => video.paused")


def test_only_one_gets_shows_those_clips(page: Any) -> None:
    buttons = page.locator("#pairs button.show").all()
    for button in buttons:
        good, bad = (int(number) for number in button.get_attribute("data-outcome").split(":"))
        number = int(button.inner_text())
        button.click()
        wait(page, f"document.querySelectorAll('.clip:not([hidden])').length === {number}")
        for card in page.locator(".clip:visible").all():
            right = card.get_attribute("data-right")
            assert (right[good], right[bad]) == ("1", "0")


@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_the_width(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("details").evaluate_all("all => all.forEach((each) => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    loaded = "[...document.images].map((image) => { image.loading = 'eager'; return image.decode(); })"
    page.evaluate(f"Promise.all({loaded})")
    assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 100)")


def test_dark_and_light(page: Any, request: pytest.FixtureRequest) -> None:
    paper, ink = (page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color"))
    bright = [sum(int(part) for part in color[4:-1].split(",")) for color in (paper, ink)]
    is_dark = request.node.callspec.params["page"] == "dark"
    assert (bright[0] < bright[1]) == is_dark
    assert abs(bright[0] - bright[1]) > 450
