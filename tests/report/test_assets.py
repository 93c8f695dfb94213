"""What the page is made of: scripts and styles of ours, and charts of others, unchanged."""

import hashlib
import re
from importlib.resources import files

import pytest

from nemo_curator.report.frame import EMBEDDED, SERVED, SERVED_STYLES, STYLES
from nemo_curator.report.page import assets

REPORT = files("nemo_curator.report")
CHARTS = {
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}


@pytest.mark.parametrize("name", CHARTS)
def test_the_charts_are_as_they_were_published(name):
    """Nobody edits the files of uPlot."""
    assert hashlib.sha256((REPORT / "third_party" / "uplot" / name).read_bytes()).hexdigest() == CHARTS[name]


def test_every_script_and_style_is_in_the_page():
    """Or in the one that is served; and each has one idea: none has more than 400 lines."""
    styles = (*STYLES, *SERVED_STYLES, "search")
    for folder, names, ending in (("script", (*EMBEDDED, *SERVED), ".js"), ("style", styles, ".css")):
        there = {one.name: one.read_text(encoding="utf-8") for one in (REPORT / folder).iterdir()}
        assert set(there) == {name + ending for name in names}
        assert max(len(text.splitlines()) for text in there.values()) < 400


def scripts(*names):
    """The text of some scripts."""
    return "\n".join((REPORT / "script" / f"{name}.js").read_text(encoding="utf-8") for name in names)


def test_only_one_script_asks_a_server_and_it_is_not_in_the_report():
    """The page that is one file asks nobody for anything; the served one asks in one place."""
    assert "fetch(" not in scripts(*EMBEDDED)
    assert [name for name in SERVED if "fetch(" in scripts(name)] == ["asking"]
    assert not any(word in scripts(*SERVED) for word in ("XMLHttpRequest", "WebSocket", "EventSource", "sendBeacon"))


def test_no_script_can_turn_text_into_markup():
    """Nothing is evaluated, nothing becomes HTML, and neither script nor style can end its element."""
    style, script = assets((*STYLES, *SERVED_STYLES), SERVED)
    ours = scripts(*EMBEDDED, *SERVED)
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "import(",
    ):
        assert word not in ours
    assert "innerHTML" not in script
    assert not re.search(r"</(script|style)|<!--", script + style, re.IGNORECASE)


def test_every_colour_of_the_dark_theme_has_a_light_one():
    """So that no chart asks for a colour that is not there."""
    light, dark = re.findall(r":root \{(.*?)\}", (REPORT / "style" / "base.css").read_text(encoding="utf-8"), re.DOTALL)
    names = [set(re.findall(r"--([\w-]+):", text)) - {"serif", "sans", "mono"} for text in (light, dark)]
    assert names[0] == names[1]
    asked = set(re.findall(r"theme\.colour\(\"([\w-]+)\"\)", scripts(*EMBEDDED, *SERVED)))
    assert asked <= names[0]
