"""The tutorial, the how-tos and the explanations are followed, not believed."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest
from tests.guides import places
from tests.guides.exceptions import ENDS_WITH, NOT_RUN, ON_THEIR_OWN, package, reason
from tests.guides.pages import GUIDES, page, snippets
from tests.guides.reader import Reader, missing

from nemo_curator.planning.recipe_text import parse_recipe


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """The demo, curated once for all pages."""
    folder = tmp_path_factory.mktemp("prepared")
    places.demo(folder)
    return folder


DEMO = "the demo, curated"
TRIES = "the demo's run under the name `tries`"

PLACES = {
    "how-to/choose": [TRIES],
    "how-to/choose-thresholds-by-looking": [DEMO],
    "how-to/decide-again": [DEMO, TRIES],  # scored already as the page scores it, which is quicker than anew
    "how-to/decontaminate": [places.few],
    "how-to/embed-and-search": [DEMO, places.models],
    "how-to/grow-by-runs": [places.few],
    "how-to/load-the-result": [DEMO, places.tars("curated/00000", "a")],
    "how-to/move-from-nemo-curator": [places.photos("photos"), places.models],
    "how-to/reject-known-images": [DEMO],
    "how-to/remove-duplicates": [places.few],
    "how-to/resume-a-pipeline": [places.photos("photos")],
    "how-to/resume-and-grow": [places.few],
    "how-to/run-within-a-memory-budget": [places.tars("photos/0", "a"), places.tars("photos/1", "b")],
    "how-to/semantic-deduplication": [DEMO, places.tars("raw/0", "a"), places.models],
    "how-to/take-down": [DEMO],
    "how-to/untrusted-data": [places.tars("crawl/shard-00017", "00012")],
    "how-to/use-in-python": [DEMO],
    "how-to/watch-a-run": [DEMO],
    "tutorial/index": [DEMO, places.photos("my-photos")],
}
"""What lies in a page's folder before it is followed."""


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """A reader in an empty folder, whose home it is, with a wide terminal, no settings, and one core.

    On one core a command starts one worker. That changes no result, and costs the time of one start.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setenv("IMAGECURATOR_CACHE", str(tmp_path / ".cache"))
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if cores:
        os.sched_setaffinity(0, {max(cores)})
    yield Reader(monkeypatch)
    if cores:
        os.sched_setaffinity(0, cores)


@pytest.mark.parametrize("name", [name for name in GUIDES if any(not reason(name, one.text) for one in page(name))])
def test_a_page_can_be_followed(name, tmp_path, reader, request):
    """Each of its snippets does what the page says, in order, in a folder of its own."""
    for asked in PLACES.get(name, []):
        if asked is DEMO:
            places.copied(request.getfixturevalue("prepared"), "demo")(tmp_path)
        elif asked is TRIES:
            places.copied(request.getfixturevalue("prepared"), "demo/output/run", to="tries")(tmp_path)
        else:
            asked(tmp_path)
    for snippet in page(name):
        needed = package(name, snippet.text)
        if reason(name, snippet.text) or (needed and not find_spec(needed)):
            continue
        where = f"docs/{name}.md, line {snippet.line}: {snippet.text}"
        if snippet.title:
            (tmp_path / snippet.title).write_text(snippet.text, encoding="utf-8")
        if snippet.kind == "yaml":
            parse_recipe(snippet.text)
            continue
        code, said = reader.runs(snippet) if needed else reader.does(snippet)
        assert code == ENDS_WITH.get((name, snippet.text), 0), f"{where}\n{said}"
        assert not missing(snippet.shown, said), f"{where}\n{said}"


@pytest.mark.parametrize(("name", "begins"), [*NOT_RUN, *ON_THEIR_OWN])
def test_what_is_left_out_is_there(name, begins):
    """Each exception is about a snippet that its page has."""
    assert any(one.text.startswith(begins) for one in page(name))


@pytest.mark.parametrize(("name", "text"), list(ENDS_WITH))
def test_what_is_to_fail_is_there(name, text):
    """Each command with another exit code than 0 is on its page."""
    assert text in [one.text for one in page(name)]


@pytest.mark.parametrize("needed", sorted(set(ON_THEIR_OWN.values())))
def test_packages_of_programs_are_here(needed):
    """Where a package is not installed, its programs were not run, and this says so."""
    if not find_spec(needed):
        pytest.skip(f"{needed} is not installed: the programs that need it were left out")


def test_every_place_is_that_of_a_page():
    """No folder is prepared for a page that does not exist."""
    assert set(PLACES) <= set(GUIDES)


def test_snippets_are_found():
    """Commands with what they print, programs with the block below them, titles, and blocks inside a list."""
    text = """
```console
$ first \\
    --more
said
…
$ second
```

   ```python title="a.py"
   if True:
       print(1)
   ```

   ```text
   1
   ```

```text
of nobody
```
"""
    first, second, program = snippets(text)
    assert (first.text, first.line, first.shown) == ("first      --more", 3, ("said", "…"))
    assert (second.text, second.line, second.shown) == ("second", 7, ())
    assert (program.text, program.line) == ("if True:\n    print(1)\n", 11)
    assert (program.shown, program.title) == (("1",), "a.py")


def test_output_is_compared_in_order():
    """Lines may have others between them, but not stand the other way round."""
    assert missing(("a  b", "…", "c"), "x\na b\ny\nc\n") == []
    assert missing(("c", "a b"), "a b\nc\n") == ["a b"]
