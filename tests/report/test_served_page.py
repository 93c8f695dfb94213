"""The served page in a real browser: it counts, pages, shows, decides anew, and can be used by everybody."""

from pathlib import Path

import duckdb
import pytest
from tests.report.browsing import Opened, chromium
from tests.report.pages import HOSTILE_NAME, curated
from tests.report.serving import served

from nemo_curator.pipeline.run import Run
from nemo_curator.runs.state import RunState
from nemo_curator.testing import encoded, photo


@pytest.fixture(scope="module")
def browser():
    """One browser for all tests of the file."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Images of many sizes, more than a page of the gallery has."""
    folder = tmp_path_factory.mktemp("served") / "in"
    folder.mkdir()
    for at in range(120):
        (folder / f"{at:03}.png").write_bytes(encoded(photo(at, 30 + 2 * at, 40 + (at * 37) % 90), "PNG"))
    (folder / "again.png").write_bytes((folder / "050.png").read_bytes())
    for at in range(3):
        (folder / f"broken-{at}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "000.txt").write_text("a first caption")
    return folder


RULES = {"small": "least(width, height) < 64", "wide": "aspect >= quantile(aspect, 0.9)"}


@pytest.fixture(scope="module")
def sized(source):
    """A run over them that no test changes."""
    return curated(source, source.parent / "out", RULES, scores=["header", "captions"])


@pytest.fixture(scope="module")
def client(sized):
    """It is served."""
    with served(sized) as found:
        yield found


@pytest.fixture
def opened(browser, client):
    """Its page, open; it may ask its own server and nobody else."""
    found = Opened(browser, client.serving.address)
    yield found
    found.close()
    assert found.said == []
    assert {one.split("/")[2] for one in found.asked} <= {f"127.0.0.1:{client.port}"}


def passes(run, expression, operator, value):
    """How many readable images a rule lets through, by DuckDB."""
    sql = f"""SELECT count(*) FROM '{run.root}/parts/*.parquet'
        WHERE error IS NULL AND NOT coalesce({expression} {operator} CAST('{value!r}' AS DOUBLE), false)"""  # noqa: S608
    return duckdb.sql(sql).fetchall()[0][0]


def test_the_token_leaves_the_bar_of_addresses(opened, client):
    """A picture of the screen does not give it away, and the page can be loaded again."""
    assert opened.page.url == f"{client.serving.origin}/"
    opened.page.reload()
    opened.page.wait_for_selector("html[data-ready]")
    assert "of 124 inputs kept" in opened.page.inner_text("h1")


@pytest.mark.parametrize("name", ["least(width, height)", "aspect", "bits_per_pixel"])
def test_the_slider_and_typed_numbers_count_exactly(opened, sized, name):
    """At stops of the slider and at any number, as many pass as DuckDB says."""
    opened.page.select_option("#explore-score", label=name)
    stops = int(opened.page.get_attribute("#explore-slider", "max"))
    for number in range(5):
        opened.set("#explore-slider", stops * number // 4)
        value = float(opened.page.input_value("#explore-value"))
        wanted = passes(sized, name, opened.page.input_value("#explore-operator"), value)
        opened.until("count => document.getElementById('explore-passing').textContent === count", arg=str(wanted))
    for value in (63.5, 1.23456, 0.0):
        opened.page.fill("#explore-value", str(value))
        opened.page.keyboard.press("Enter")
        wanted = passes(sized, name, opened.page.input_value("#explore-operator"), value)
        opened.until("count => document.getElementById('explore-passing').textContent === count", arg=str(wanted))
        assert opened.page.input_value("#explore-value") == str(value).removesuffix(".0")


def test_the_nearest_are_those_of_the_whole_run(opened, sized):
    """Just below and just above, whatever was moved before."""
    opened.page.select_option("#explore-score", label="least(width, height)")
    opened.page.fill("#explore-value", "80")
    opened.page.keyboard.press("Enter")
    sql = f"SELECT image_id FROM '{sized.root}/parts/*.parquet' WHERE error IS NULL AND least(width, height)"  # noqa: S608
    below = [one for (one,) in duckdb.sql(f"{sql} < 80 ORDER BY least(width, height) DESC, ordinal LIMIT 6").fetchall()]
    opened.until(
        "ids => [...document.querySelectorAll('#explore-below .id')].map((one) => one.textContent).join() === ids",
        arg=",".join(below),
    )


def test_the_gallery_goes_to_the_last_image(opened):
    """Page after page, from a number on, sorted and filtered; every picture is there."""
    page = opened.page
    figures = "document.querySelectorAll('#images figure').length"
    opened.until(f"{figures} === 48")
    page.click("#gallery-more")
    opened.until(f"{figures} === 96")
    page.click("#gallery-more")
    opened.until(f"{figures} === 121")
    assert page.locator("#gallery-more").is_hidden()
    page.locator("#images figure").last.scroll_into_view_if_needed()
    opened.until("[...document.querySelectorAll('#images img')].at(-1)?.naturalWidth > 0")
    page.fill("#gallery-from", "101")
    page.keyboard.press("Enter")
    opened.until(f"{figures} === 21")
    assert "from 101 to 121" in page.inner_text("#gallery-status")
    page.fill("#gallery-find", "FIRST caption")
    opened.until(f"{figures} === 1")
    assert opened.texts("#images .id") == ["000.png"]


def test_the_larger_view_is_larger(opened):
    """It asks for a picture of its own, and tells everything."""
    opened.page.click(".chips button:has-text('Kept')")
    opened.until("document.querySelector('.chips button.keep').getAttribute('aria-pressed') === 'true'")
    opened.page.locator("#images .open").first.click()
    opened.until("document.querySelector('#viewer img')?.naturalWidth > 0")
    assert "size=large" in opened.page.get_attribute("#viewer img", "src")
    assert "Kept." in opened.page.inner_text("#viewer-body")


def test_duplicates_and_quarantine_are_whole(opened):
    """The group that there is, and every input that could not be used."""
    opened.until("document.querySelectorAll('#pairs .id').length === 2")
    assert opened.texts("#pairs .id") == ["050.png", "again.png"]
    assert len(opened.texts(".unusable tbody tr")) == 3


def test_charts_show_and_open_images(opened):
    """A point of the joint chart tells its image, and Enter opens it."""
    opened.page.locator("#joint-chart").focus()
    opened.page.keyboard.press("ArrowRight")
    opened.page.wait_for_selector("#joint-chart .card:not([hidden]) img")
    opened.page.keyboard.press("Enter")
    opened.until("document.getElementById('viewer').open")


def test_rules_are_tried_and_undone(opened, sized):
    """A threshold is taken over from the explorer; what it would do is DuckDB's count; undoing leaves nothing."""
    page = opened.page
    page.select_option("#explore-score", label="least(width, height)")
    page.fill("#explore-value", "100")
    page.keyboard.press("Enter")
    page.click("#explore-take")
    assert page.input_value("#rules-list input[type=text] >> nth=0") == "least(width, height) < 100"
    assert "1 rule changed" in page.inner_text("#rules-status")
    page.click("#rules-try")
    page.wait_for_selector("#rules-outcome:not([hidden]) table")
    row = page.locator("#rules-outcome tr", has_text="small").locator("td").all_inner_texts()
    wanted = 121 - passes(sized, "least(width, height)", "<", 100.0)
    assert row[1] == str(wanted)
    page.click("#rules-undo")
    assert page.locator("#rules-undo").is_hidden()
    assert RunState.require(sized).recipe["rules"] == RULES


def test_a_rule_that_is_none_is_told_in_the_page(opened):
    """In the sentence that the command has."""
    opened.page.fill("#rules-list input[type=text] >> nth=0", "widht < 3")
    opened.page.click("#rules-try")
    opened.until("document.getElementById('rules-status').textContent.includes('did you mean')")


def test_deciding_again_from_the_page(browser, source, tmp_path):
    """After a confirmation the recipe has the rules, and the page the verdicts of them."""
    run = curated(source, tmp_path / "out", RULES)
    with served(run) as client:
        found = Opened(browser, client.serving.address)
        page = found.page
        page.uncheck("#rules-list input[type=checkbox] >> nth=1")
        page.fill("#rules-new", "very wide")
        page.keyboard.press("Enter")
        page.fill("#rules-list input[type=text] >> nth=2", "width > 200")
        page.click("#rules-decide")
        assert "not touched" in page.inner_text("#confirm")
        assert found.texts("#confirm-changes li")[0].startswith("wide is taken out")
        page.click("#confirm-no")
        page.click("#rules-decide")
        page.click("#confirm-yes")
        found.page.wait_for_selector("#funnel:has-text('very wide')")
        wanted = {"small": RULES["small"], "very wide": "width > 200"}
        assert RunState.require(run).recipe["rules"] == wanted
        kept = duckdb.sql(f"SELECT count(*) FROM '{run.decisions}' WHERE verdict = 'keep'").fetchall()[0][0]  # noqa: S608
        assert page.inner_text("h1") == f"{kept} of 124 inputs kept"
        found.close()
        assert (found.said, found.dialogs) == ([], [])


def test_the_page_tells_of_other_commands(browser, source, tmp_path):
    """That the run was decided elsewhere, with a button that reads it again; and that the server is gone."""
    run = curated(source, tmp_path / "out", RULES)
    with served(run) as client:
        found = Opened(browser, client.serving.address)
        Run(run.root).decide(rules={"pngs": "format = 'png'"})
        found.page.click("#notice button:has-text('Read it again')")
        found.page.wait_for_selector("h1:has-text('0 of 124 inputs kept')")
        found.page.wait_for_selector("html[data-ready]")
        assert found.said == []
    found.page.click("#gallery-turn")
    found.until("document.getElementById('notice').textContent.includes('was stopped')")
    found.close()


def test_hostile_names_and_captions_do_nothing(browser, pile, tmp_path):
    """They are shown as they are; a source that is gone leaves a sentence in the place of its picture."""
    run = curated(pile, tmp_path / "out", {"<b>bold</b>": "width < 64"})
    with served(run) as client:
        (pile / "good-1.jpg").unlink()
        found = Opened(browser, client.serving.address)
        found.page.wait_for_selector("#images .id")  # the server answers after the page is ready
        assert HOSTILE_NAME in found.texts("#images .id")
        found.page.click(f"#images figure:has-text('{HOSTILE_NAME[:3]}') .open")
        assert "</script><script>document.title='stolen'" in found.page.inner_text("#viewer-body")
        found.page.keyboard.press("Escape")
        found.page.locator("#images figure", has_text="good-1.jpg").scroll_into_view_if_needed()
        found.until("document.querySelector('#images .none')?.textContent.includes('cannot be read any more')")
        assert "stolen" not in found.page.title()
        assert found.page.locator("img[onerror], img[src=x], main script, b:text-is('bold')").count() == 0
        found.close()
        assert found.dialogs == []
        assert [one for one in found.said if "404" not in one] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious(browser, client, scheme, width):
    """Contrast, names, roles and focus, light and dark, wide and narrow; also of the question before a decision."""
    axe = pytest.importorskip("axe_playwright_python", reason="the accessibility checker is not installed")
    checker = (Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    settings = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}, "bypass_csp": True}
    found = Opened(browser, client.serving.address, reduced_motion="reduce", **settings)
    assert found.page.evaluate("document.scrollingElement.scrollWidth") <= width
    found.page.evaluate(checker)
    for asking in (False, True):
        if asking:
            found.page.fill("#rules-list input[type=text] >> nth=0", "width < 70")
            found.page.click("#rules-try")
            found.page.wait_for_selector("#rules-outcome:not([hidden]) table")
            found.page.click("#rules-decide")
        faults = found.page.evaluate("axe.run().then((found) => found.violations)")
        grave = [
            (one["id"], one["nodes"][0]["html"][:200], one["nodes"][0]["failureSummary"])
            for one in faults
            if one["impact"] in {"serious", "critical"}
        ]
        assert grave == []
    found.close()
