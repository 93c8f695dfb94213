"""The report in a real browser: what it counts, what it withstands, and that it can be used without a mouse."""

import json
import shutil
from pathlib import Path

import duckdb
import pytest
from tests.report.browsing import Opened, chromium
from tests.report.pages import HOSTILE_NAME, curated, report_of

from nemo_curator.report.page import write_report
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.testing import encoded, photo

FIVE = "5\N{NO-BREAK SPACE}%"
OPERATORS = ["<", "<=", ">", ">="]


@pytest.fixture(scope="module")
def browser():
    """One browser for all tests of the file."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def sized(tmp_path_factory):
    """A run over images of many sizes, with a duplicate, broken files, and a rule that names a quantile."""
    folder = tmp_path_factory.mktemp("browser") / "in"
    folder.mkdir()
    for at in range(40):
        (folder / f"{at:02}.png").write_bytes(encoded(photo(at, 30 + 7 * at, 40 + (at * 37) % 90), "PNG"))
        if at % 3 == 0:
            (folder / f"{at:02}.txt").write_text(f"a caption with {at} words " * (at % 5))
    (folder / "again.png").write_bytes((folder / "12.png").read_bytes())
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    rules = {
        "small": "least(width, height) < 64",
        "wide": "aspect >= quantile(aspect, 0.6)",
        "said": "caption_repetition > 0.5",
    }
    run = curated(folder, folder.parent / "out", rules, scores=["header", "captions"])
    return run, report_of(run).data


@pytest.fixture
def opened(browser, sized):
    """Its page, open."""
    found = Opened(browser, sized[0].report)
    yield found
    found.close()
    assert found.said == []
    assert found.asked == []


def passes(run, expression, operator, value):
    """How many readable images a rule lets through, by DuckDB."""
    sql = f"""SELECT count(*) FROM '{run.root}/parts/*.parquet'
        WHERE error IS NULL AND NOT coalesce({expression} {operator} CAST('{value!r}' AS DOUBLE), false)"""  # noqa: S608
    return duckdb.sql(sql).fetchall()[0][0]


@pytest.mark.parametrize("name", ["least(width, height)", "aspect", "caption_repetition", "bytes"])
def test_the_slider_counts_what_duckdb_counts(opened, sized, name):
    """At ten of its stops, and for every operator, as many images pass as the rule would let through."""
    run, data = sized
    (at,) = [at for at, axis in enumerate(data["axes"]) if axis["name"] == name]
    opened.page.select_option("#explore-score", str(at))
    stops = data["axes"][at]["stops"]
    for number in range(10):
        stop = (len(stops) - 1) * number // 9
        operator = OPERATORS[number % 4]
        opened.page.select_option("#explore-operator", operator)
        opened.set("#explore-slider", stop)
        assert opened.passing() == passes(run, name, operator, float(stops[stop])), (operator, stops[stop])


def test_a_typed_threshold_is_counted_exactly(opened, sized):
    """Where all values are known, any number is, and the line of the recipe has it."""
    run, _ = sized
    opened.page.select_option("#explore-score", label="aspect")
    for value in (1.2345, 0.0, 99.0):
        opened.page.fill("#explore-value", str(value))
        opened.page.keyboard.press("Enter")
        assert opened.passing() == passes(run, "aspect", ">=", value)
    opened.page.fill("#explore-value", "1.5")
    opened.page.keyboard.press("Enter")
    assert opened.texts("#explore-line") == ["wide: aspect >= 1.5"]
    assert opened.texts("#explore-command") == [f"imagecurator decide {run.root} --rule 'wide=aspect >= 1.5'"]
    opened.page.click("#explore-copy")
    opened.until("document.getElementById('explore-copy').textContent === 'Copied'")


def test_the_nearest_images_stand_on_either_side(opened, sized):
    """Just below and just above a threshold, the nearest first."""
    run, _ = sized
    opened.page.select_option("#explore-score", label="least(width, height)")
    sql = f"SELECT image_id FROM '{run.root}/parts/*.parquet' WHERE error IS NULL AND least(width, height)"  # noqa: S608
    below = duckdb.sql(f"{sql} < 64 ORDER BY least(width, height) DESC, ordinal LIMIT 6").fetchall()
    above = duckdb.sql(f"{sql} >= 64 ORDER BY least(width, height), ordinal LIMIT 6").fetchall()
    assert sorted(opened.texts("#explore-below .id")) == sorted(one for (one,) in below)
    assert sorted(opened.texts("#explore-above .id")) == sorted(one for (one,) in above)
    assert opened.texts("#explore-below h4, #explore-above h4") == [
        "Just below: rejected",
        "At it or just above: passing",
    ]


def test_the_gallery_filters_and_sorts(opened, sized):
    """By what became of an image, by words, and by a score from either end."""
    run, _ = sized
    counts = dict(duckdb.sql(f"SELECT coalesce(rule, verdict), count(*) FROM '{run.decisions}' GROUP BY 1").fetchall())  # noqa: S608
    for chip, key in (("Kept", "keep"), ("small", "small"), ("wide", "wide"), ("Duplicates", "same_bytes")):
        opened.page.click(f".chips button:has-text('{chip}')")
        opened.until("count => document.querySelectorAll('#images figure').length === count", arg=counts[key])
        assert opened.page.get_attribute(f".chips button:has-text('{chip}')", "aria-pressed") == "true"
    opened.page.click(".chips button:has-text('All')")
    opened.page.select_option("#gallery-sort", label="width")
    opened.page.click("#gallery-turn")
    widest = duckdb.sql(f"SELECT image_id FROM '{run.root}/parts/*.parquet' ORDER BY width DESC NULLS LAST, ordinal")  # noqa: S608
    assert opened.texts("#images .id")[:5] == [one for (one,) in widest.fetchall()[:5]]
    opened.page.fill("#gallery-find", "AGAIN")
    opened.until("document.querySelectorAll('#images figure').length === 1")
    opened.page.fill("#gallery-find", "")
    opened.page.click("#funnel a:has-text('small')")
    opened.until("count => document.querySelectorAll('#images figure').length === count", arg=counts["small"])


def test_everything_works_by_keyboard(opened):
    """Enter opens the larger view, arrows step through it, Escape gives the focus back; so do slider and charts."""
    page = opened.page
    first = page.locator("#images .open").first
    first.focus()
    page.keyboard.press("ArrowRight")
    second = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert second != first.get_attribute("aria-label")
    page.keyboard.press("Enter")
    assert page.evaluate("document.getElementById('viewer').open")
    assert second.endswith(page.locator("#viewer-title").inner_text())
    page.keyboard.press("ArrowRight")
    assert not second.endswith(page.locator("#viewer-title").inner_text())
    page.keyboard.press("Escape")
    assert not page.evaluate("document.getElementById('viewer').open")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == second

    page.locator("#explore-slider").focus()
    before = page.input_value("#explore-value")
    page.keyboard.press("ArrowRight")
    assert page.input_value("#explore-value") != before

    page.locator("#joint-chart").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#joint-chart .card:not([hidden]) .id")
    assert page.locator("#joint-chart .card .id").inner_text() in page.locator("#announced").inner_text()
    page.keyboard.press("Enter")
    opened.until("document.getElementById('viewer').open")


def test_the_larger_view_tells_everything(opened):
    """Caption, id, what became of it and why, source, size, and every score."""
    opened.page.click(".chips button:has-text('small')")
    opened.page.locator("#images .open").first.click()
    words = opened.page.locator("#viewer-body").inner_text()
    assert "Rejected by small: least(width, height) < 64 (30 < 64)." in words
    assert "30 \N{MULTIPLICATION SIGN} 40" in words
    for score in ("aspect", "bits_per_pixel", "caption_words", "mislabelled"):
        assert score in words


def test_duplicates_stand_beside_the_kept_image(opened):
    """With the words of what makes them equal."""
    assert opened.texts("#pairs .id") == ["12.png", "again.png"]
    assert "its bytes are equal" in opened.texts("#pairs .role")[1]


def test_hostile_names_and_captions_do_nothing(browser, pile, tmp_path):
    """They are shown as they are; no script of theirs runs, nothing is asked of a network, no element is theirs."""
    run = curated(pile, tmp_path / "out")
    write_report(run)
    found = Opened(browser, run.report)
    assert HOSTILE_NAME in found.texts("#images .id")
    found.page.click(f"#images figure:has-text('{HOSTILE_NAME[:3]}') .open")
    assert "</script><script>document.title='stolen'" in found.page.locator("#viewer-body").inner_text()
    assert "stolen" not in found.page.title()
    assert found.page.locator("img[onerror], img[src=x], main script, b:text-is('bold')").count() == 0
    found.close()
    assert (found.said, found.asked, found.dialogs) == ([], [], [])


def test_what_may_be_unsafe_is_blurred_until_asked(browser, pile, tmp_path):
    """In the gallery by a switch, in the larger view by a button; both say which rule or score blurred it."""
    run = curated(pile, tmp_path / "out", rules={"small": "width < 64", "nsfw": "format = 'png'"})
    write_report(run)
    found = Opened(browser, run.report)
    assert found.page.locator("#images .veil").count() == 1
    assert found.page.locator("#images .veiled").inner_text().split("\n") == ["may be unsafe", "rule nsfw"]
    found.page.locator("#images .veil").click()
    assert "may be unsafe (rule nsfw)" in found.page.locator("#viewer .ask").inner_text()
    assert found.page.locator("#viewer .veil").count() == 1
    found.page.click("text=Show this picture")
    assert found.page.locator("#viewer .veil").count() == 0
    found.page.keyboard.press("Escape")
    found.page.check("#unveil")
    found.until("document.querySelectorAll('#images .veil').length === 0")
    found.close()
    assert found.said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious(browser, sized, scheme, width):
    """Contrast, names, roles and focus, light and dark, wide and narrow, with the larger view closed and open."""
    axe = pytest.importorskip("axe_playwright_python", reason="the accessibility checker is not installed")
    source = (Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    settings = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}, "bypass_csp": True}
    found = Opened(browser, sized[0].report, reduced_motion="reduce", **settings)
    assert found.page.evaluate("document.scrollingElement.scrollWidth") <= width
    found.page.evaluate(source)
    for larger in (False, True):
        if larger:
            found.page.locator("#images .open").first.click()
        faults = found.page.evaluate("axe.run().then((found) => found.violations)")
        grave = [
            (one["id"], one["nodes"][0]["html"][:200], one["nodes"][0]["failureSummary"])
            for one in faults
            if one["impact"] in {"serious", "critical"}
        ]
        assert grave == []
    found.close()


def test_the_table_of_scores_fits_a_telephone(browser, sized):
    """At 390 pixels each score shows its median without scrolling; on a wide screen the quantiles are there too."""
    for width, columns in ((390, ["column", "median"]), (1280, ["column", "min", FIVE, "median", f"9{FIVE}", "max"])):
        found = Opened(browser, sized[0].report, viewport={"width": width, "height": 900})
        heads = found.page.locator("table.scores thead th:visible")
        assert [one.strip().lower() for one in heads.all_inner_texts()][: len(columns)] == columns
        assert found.page.evaluate(
            "(() => { const box = document.querySelector('.scroll:has(.scores)'); "
            "return box.scrollWidth <= box.clientWidth; })()"
        )
        found.close()


def test_the_table_of_stages_fits_a_telephone(browser, sized, tmp_path):
    """At 390 pixels the time of an input is there without scrolling, also beside long figures and names."""
    copy = RunDirectory(str(shutil.copytree(sized[0].root, tmp_path / "run")))
    facts = json.loads(Path(copy.run_json).read_text())
    facts["stage_seconds"] |= {"image_reader": 1234.5, "caption_image_similarity": 0.001}
    facts["stage_inputs"] |= {"image_reader": 7, "caption_image_similarity": 7}
    Path(copy.run_json).write_text(json.dumps(facts))
    write_report(copy)
    found = Opened(browser, copy.report, viewport={"width": 390, "height": 900})
    heads = found.page.locator("table.stages thead th:visible")
    assert [one.strip().lower() for one in heads.all_inner_texts()] == ["stage", "time", "share", "ms an input"]
    assert found.page.evaluate(
        "(() => { const box = document.querySelector('.scroll:has(.stages)'); "
        "return box.scrollWidth <= box.clientWidth; })()"
    )
    assert found.page.evaluate("!/[0-9] %/.test(document.querySelector('.page').textContent)")
    found.close()


def test_how_many_more_there_are(opened):
    """The button says how many it shows, and of how many that are left."""
    opened.page.evaluate(
        "() => { const images = store.images; "
        "store.images = async (asked) => ({ ...await images(asked), here: 206, total: 206 }); }"
    )
    opened.page.click("#gallery-turn")
    opened.until("document.getElementById('gallery-more').textContent.startsWith('Show 48 more of 1')")
    shown = opened.page.locator("#images figure").count()
    assert opened.texts("#gallery-more") == [f"Show 48 more of {206 - shown}"]


def test_ticks_are_round_and_whole(opened):
    """Ticks over several magnitudes are powers of ten, and none is cut off at the right end."""
    ask = opened.page.evaluate
    assert ask("powersOfTen(1.992e-6, 0.31, 8)") == [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]
    assert ask("powersOfTen(1e-6, 1, 3)") == [1e-6, 1e-3, 1]
    assert ask("powersOfTen(2, 30, 8)") == [2, 30]
    chart = "{ width: 500, bbox: { left: 54 * devicePixelRatio, width: 420 * devicePixelRatio }, valToPos: (x) => x }"
    assert ask(f"tickWords({chart}, [0, 200, null, 400])") == ["0", "200", "", "400"]
    assert ask(f"tickWords({chart}, [0, 419.5])") == ["0", "419.5"]
    wide = chart.replace("(x) => x", "(x) => x / 1e9")
    assert ask(f"tickWords({wide}, [0, 420e9])") == ["0", ""]


def test_the_slider_stands_in_line_with_its_chart(opened):
    """Also where the words beside the chart need more room than usual."""
    opened.page.evaluate("document.getElementById('explore-chart').scrollIntoView()")
    opened.page.evaluate(
        "() => { const axis = store.axes.find((one) => one.name === 'bytes'); "
        "axis.bars = axis.bars.map((one) => one * 1e7); }"
    )
    for name in ("aspect", "bytes"):
        opened.page.select_option("#explore-score", label=name)
        chart = opened.page.locator("#explore-chart .u-over").bounding_box()
        slider = opened.page.locator("#explore-slider").bounding_box()
        assert (slider["x"], slider["width"]) == pytest.approx((chart["x"], chart["width"]), abs=2)


WATCH_DRAWING = """() => {
  window.drawn = { words: [], lines: 0 };
  const { fillText, lineTo, moveTo } = CanvasRenderingContext2D.prototype;
  let from = [0, 0];
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    if (this.textAlign === "right") window.drawn.words.push([text, x - this.measureText(text).width]);
    return fillText.call(this, text, x, y);
  };
  CanvasRenderingContext2D.prototype.moveTo = function (x, y) {
    from = [x, y];
    return moveTo.call(this, x, y);
  };
  CanvasRenderingContext2D.prototype.lineTo = function (x, y) {
    if (y === from[1] && Math.abs(x - from[0]) > 100) window.drawn.lines += 1;
    return lineTo.call(this, x, y);
  };
  const cloud = store.cloud;
  store.cloud = async (...asked) => {
    const points = await cloud(...asked);
    return { ...points, y: points.y.map((_, at) => window.lowest * 1.27 ** (3 * at)) };
  };
}"""


@pytest.mark.parametrize("width", [1280, 390])
def test_magnitudes_stand_whole_at_powers_of_ten(browser, sized, width):
    """Up an axis of magnitudes, lines and words are at powers of ten alone; the words of any axis have room."""
    found = Opened(browser, sized[0].report, viewport={"width": width, "height": 900})
    found.page.evaluate(WATCH_DRAWING)
    for log, lowest in ((True, 1.27e-7), (False, 1.234567e9), (False, 1.27e-18)):
        found.page.evaluate(
            "([log, lowest]) => { window.lowest = lowest; window.drawn.words = []; window.drawn.lines = 0; "
            "store.axes.find((axis) => axis.name === 'bytes').log = log; }",
            [log, lowest],
        )
        found.page.select_option("#joint-y", label="pixels")
        found.page.evaluate("() => { window.drawn.words = []; window.drawn.lines = 0; }")
        found.page.select_option("#joint-y", label="bytes")
        found.until("window.drawn.words.length > 1")
        drawn = found.page.evaluate("window.drawn")
        assert min(left for _, left in drawn["words"]) >= 0, drawn
        if log:
            powers = [float(text.replace("\N{MINUS SIGN}", "-").replace(",", "")) for text, _ in drawn["words"]]
            assert all(f"{power:e}".startswith("1.000000e") for power in powers), powers
            assert drawn["lines"] == len(powers) <= 12
    found.close()
    assert found.said == []


def test_points_are_coloured_again_only_when_colours_change(opened):
    """Moving over a chart asks for no colour; another colouring and another theme do."""
    opened.page.evaluate(
        "() => { window.asked = 0; const was = groupColour; "
        "groupColour = (at) => { window.asked += 1; return was(at); }; }"
    )
    opened.page.locator("#joint-chart").scroll_into_view_if_needed()
    box = opened.page.locator("#joint-chart .u-over").bounding_box()
    for at in range(12):
        opened.page.mouse.move(box["x"] + box["width"] * at / 12, box["y"] + box["height"] * (1 + at % 3) / 4)
    opened.page.locator("#joint-chart").focus()
    for _ in range(3):
        opened.page.keyboard.press("ArrowRight")
    opened.page.wait_for_selector("#joint-chart .card:not([hidden])")
    assert opened.page.evaluate("window.asked") == 0
    opened.page.select_option("#joint-colour", label="aspect")
    opened.page.select_option("#joint-colour", label="what became of it")
    opened.until("window.asked > 0")
    before = opened.page.evaluate("window.asked")
    opened.page.emulate_media(color_scheme="dark")
    opened.until("(before) => window.asked > before", before)


def test_the_demo_and_its_map(browser, tmp_path):
    """The page of the demo has a map of its embeddings, and complains of nothing."""
    pytest.importorskip("skimage", reason="the demo's photos come with the extra `demo`")
    from nemo_curator.cli.demo_folder import INPUT, prepare

    prepare(tmp_path)
    run = curated(tmp_path / INPUT, tmp_path / "out", scores=["header", "sharpness", "embedding"])
    write_report(run)
    found = Opened(browser, run.report)
    found.page.locator("#map").scroll_into_view_if_needed()
    found.page.locator("#map-chart").focus()
    found.page.keyboard.press("ArrowRight")
    found.page.wait_for_selector("#map-chart .card:not([hidden]) img")
    found.page.select_option("#map-colour", label="sharpness")
    assert found.page.locator("#map-legend .ramp").count() == 1
    found.close()
    assert (found.said, found.asked) == ([], [])


def test_real_photos(browser, shared_data, tmp_path):
    """A shard of real photos: the page loads without a complaint, and its counts are DuckDB's."""
    run = curated(shared_data / "photos" / "00000.tar", tmp_path / "out", scores=["header", "sharpness", "entropy"])
    data = report_of(run).data
    found = Opened(browser, run.report)
    (at,) = [at for at, axis in enumerate(data["axes"]) if axis["name"] == "sharpness"]
    found.page.select_option("#explore-score", str(at))
    stops = data["axes"][at]["stops"]
    for number in range(10):
        stop = (len(stops) - 1) * number // 9
        found.set("#explore-slider", stop)
        assert found.passing() == passes(run, "sharpness", "<", float(stops[stop]))
    found.close()
    assert (found.said, found.asked) == ([], [])
