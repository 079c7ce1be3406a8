"""Who works the page by keys sees where he is, and who may only look is told so."""

from __future__ import annotations

import pytest

from edge.types import Alarm
from web_browser import Seen
from web_server import WebServer

pytestmark = pytest.mark.slow
RING = """() => {
  const number = (text) => { const c = document.createElement("canvas").getContext("2d"); c.fillStyle = text; c.fillRect(0, 0, 1, 1);
    return [...c.getImageData(0, 0, 1, 1).data]; };
  const over = ([r, g, b, a], under) => [r, g, b].map((v, i) => v * a / 255 + under[i] * (1 - a / 255));
  const light = (rgb) => rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const button = document.activeElement, style = getComputedStyle(button);
  const row = number(getComputedStyle(button.closest("li")).backgroundColor);
  const ground = parseFloat(style.outlineOffset) < 0 ? over(number(style.backgroundColor), row) : row.slice(0, 3);
  const [a, b] = [light(number(style.outlineColor).slice(0, 3)), light(ground)].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
}"""
"""The contrast (WCAG 2.2) of the ring around the button that has the focus, on what it is drawn."""


def alarm(priority):
    return Alarm(f"bed1/{priority}", priority, "physiological", priority, "on", 1.0, priority, priority, "bed1", seq=1)


@pytest.mark.parametrize("colours", ["dark", "light"])
def test_the_ring_of_the_focus_is_seen_on_an_alarm_of_every_colour(browser, colours):
    with WebServer() as server, Seen(browser, server.sink.url, color_scheme=colours, reduced_motion="reduce") as seen:
        seen.until("() => edgeVitals.state.connected")
        for priority in ("high", "medium", "low"):
            server.sink.send(alarm(priority))
        seen.until("() => document.querySelectorAll('#standing button:enabled').length === 3")
        seen.page.locator("#theme").focus()
        contrasts = []
        for _ in range(3):
            seen.page.keyboard.press("Tab")
            assert seen.page.evaluate("() => document.activeElement.dataset.ack")
            contrasts.append(seen.page.evaluate(RING))
        assert min(contrasts) >= 3.0


def test_who_may_only_look_is_told_so_and_no_button_looks_as_if_it_did_anything(browser):
    with WebServer(local_role="view") as server, Seen(browser, server.sink.url) as seen:
        seen.until("() => edgeVitals.state.connected")
        server.sink.send(alarm("high"))
        button = seen.page.get_by_role("button", name="Acknowledge")
        button.wait_for()
        assert button.is_disabled()
        assert button.evaluate("e => getComputedStyle(e).backgroundColor") == "rgba(0, 0, 0, 0)"
        seen.until("() => document.querySelector('#modes').textContent === 'view only'")
