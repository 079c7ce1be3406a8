"""Chromium without a screen, for tests of pages: the browser as a fixture, and a page with what its console said."""

from __future__ import annotations

import shutil

import pytest

WAIT_MS = 20_000
SCREENS = {"bedside": (800, 480), "desk": (1440, 900), "tablet": (768, 1024), "phone": (360, 740)}


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium: apt-get install chromium")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


class Seen:
    """A page in the browser, and what its console complained of."""

    def __init__(self, browser, url, size=(800, 480), **context):
        self.complaints = []
        self.context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **context)
        self.page = self.context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("console", lambda m: m.type in ("error", "warning") and self.complaints.append(m.text))
        self.page.on("pageerror", lambda e: self.complaints.append(str(e)))
        self.page.goto(url)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()

    def text(self, selector):
        return self.page.inner_text(selector)

    def until(self, script, *args):
        self.page.wait_for_function(script, arg=list(args))

    def number(self):
        self.until("() => /^[0-9]+$/.test(document.querySelector('#rate .huge')?.textContent)")
        return int(self.text("#rate .huge"))

    def picture(self, stream):
        return self.page.evaluate("s => document.querySelector(`[data-stream='${s}'] canvas`).toDataURL()", stream)
