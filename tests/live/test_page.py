"""The page in a real Chromium: idle, playing while it is made, failing; by hls.js."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from system import Running

PAGE = Path(__file__).parents[2] / "ops" / "gateway" / "page"
TEXT = "This is being made while you listen to it. " * 6
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, live: Running) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 900, "height": 760})
    page.goto(live.url)
    yield page
    page.close()


def needs_hls_js() -> None:
    if not (PAGE / "hls.min.js").is_file():
        pytest.skip("hls.js was not fetched at set-up (no npm), and a CDN may be out of reach")


def test_the_page_waits_for_a_text(page: Page, tmp_path: Path) -> None:
    expect(page.locator("#status")).to_have_text("Ready.")
    expect(page.locator("#start")).to_be_enabled()
    assert page.locator("body").get_attribute("data-state") == "idle"


def test_it_plays_while_it_is_made_in_one_buffered_range_to_the_end(page: Page) -> None:
    needs_hls_js()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    page.fill("#text", TEXT)
    page.evaluate(
        """() => {
            const audio = document.getElementById('audio');
            window.ranges = [];
            audio.addEventListener('progress', () => window.ranges.push(audio.buffered.length));
        }"""
    )
    page.click("#start")
    expect(page.locator("body")).to_have_attribute("data-state", "playing", timeout=20_000)
    expect(page.locator("body")).to_have_attribute("data-state", "done", timeout=45_000)
    assert max(page.evaluate("window.ranges")) == 1
    assert page.evaluate("document.getElementById('audio').ended")
    buffered = page.evaluate(
        "(() => { const b = document.getElementById('audio').buffered;"
        " return [b.length, b.start(0), b.end(0), document.getElementById('audio').duration]; })()"
    )
    assert buffered[0] == 1
    assert buffered[1] < 0.05
    assert abs(buffered[2] - buffered[3]) < 0.05
    assert page.locator("#underruns").text_content() == "0"
    assert page.locator("#progress").get_attribute("value") in ("100", None)
    assert problems == []


def test_a_text_that_fails_is_said_in_words(page: Page) -> None:
    page.fill("#text", "In no language that anybody here speaks.")
    page.fill("#lang", "xx")
    page.click("#start")
    expect(page.locator("body")).to_have_attribute("data-state", "error", timeout=20_000)
    expect(page.locator("#status")).to_contain_text("'xx'")
    expect(page.locator("#start")).to_be_enabled()


def test_a_text_that_is_refused_is_said_in_words(page: Page) -> None:
    page.fill("#text", "    ")
    page.click("#start")
    expect(page.locator("body")).to_have_attribute("data-state", "error", timeout=20_000)
    expect(page.locator("#status")).to_contain_text("empty")


def test_an_empty_playlist_is_tried_again_and_then_given_up(page: Page) -> None:
    needs_hls_js()
    page.clock.install()
    page.route("**/audio.m3u8*", lambda route: route.fulfill(status=404, body=""))
    page.fill("#text", "Nobody will ever hear this.")
    page.click("#start")
    counted: list[str] = []
    asked = 0
    page.on("request", lambda request: counted.append(request.url))
    while page.locator("body").get_attribute("data-state") != "error":
        page.clock.run_for(4_000)
        asked = len([url for url in counted if "audio.m3u8" in url])
        assert asked < 40
    assert asked >= 14
    expect(page.locator("body")).to_have_attribute("data-state", "error", timeout=10_000)
    expect(page.locator("#status")).to_contain_text("Gave up after 15 tries")
