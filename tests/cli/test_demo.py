"""`imagecurator demo`: real photos, real faults, and a report."""

import importlib.util
import io
import json
import tarfile
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from nemo_curator import _optional
from nemo_curator.cli import demo_photos
from nemo_curator.cli.app import app
from nemo_curator.cli.demo_data import demo_files
from nemo_curator.cli.demo_folder import prepare, recipe_text
from nemo_curator.cli.demo_photos import LOOSE, SHARDED
from nemo_curator.errors import MissingExtraError, OutputExistsError
from nemo_curator.planning.recipe_text import parse_recipe


def invoke(*arguments):
    """What the command does."""
    return CliRunner().invoke(app, ["demo", "--workers", "1", *map(str, arguments)])


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The folder and the result of one demo."""
    folder = tmp_path_factory.mktemp("demo") / "here"
    return folder, invoke(folder)


def verdicts(folder):
    """Id to (verdict, rule)."""
    query = f"SELECT image_id, verdict, rule FROM '{folder}/output/run/decisions.parquet'"  # noqa: S608
    return {image_id: (verdict, rule) for image_id, verdict, rule in duckdb.sql(query).fetchall()}


def test_it_ends_with_the_path_of_the_report(shown):
    """The last line is a page that is there, under five megabytes."""
    folder, result = shown
    assert result.exit_code == 0, result.output
    report = Path(result.stdout.splitlines()[-1].removeprefix("report:").strip())
    assert result.stdout.count(str(report)) == 1
    assert report == folder / "output" / "run" / "report.html"
    assert 50_000 < report.stat().st_size < 5_000_000


def test_a_demo_is_written_down(tmp_path):
    """Lines of JSON alone on stderr, metrics in a file, and neither in the demo's own folder."""
    more = ["--log-json", "-", "--metrics", str(tmp_path / "m.prom")]
    done = CliRunner().invoke(app, ["demo", str(tmp_path / "demo"), "--workers", "0", *more])
    assert done.exit_code == 0, done.output
    found = [json.loads(line) for line in done.stderr.splitlines()]
    assert (found[0]["event"], found[0]["command"], found[-1]["event"]) == ("begun", "demo", "finished")
    assert found[-1]["funnel"]["inputs"] > 10
    assert 'imagecurator_phase{phase="finished"} 1' in (tmp_path / "m.prom").read_text()
    refused = invoke(tmp_path / "demo", "--log-json", tmp_path / "demo" / "log")
    assert (refused.exit_code, "--log-json" in refused.output) == (4, True)


def test_every_fault_is_caught_for_its_own_reason(shown):
    """The thresholds of its recipe tell the faulty copies from the photos."""
    found = verdicts(shown[0])
    faults = {name.removeprefix("with-faults/"): verdict for name, verdict in found.items() if "faults" in name}
    assert {name: rule for name, (verdict, rule) in faults.items() if verdict == "reject"} == {
        "astronaut-blurred.jpg": "blurred",
        "china-blurred.jpg": "blurred",
        "coffee-blurred.jpg": "blurred",
        "chelsea-dark.jpg": "dark",
        "flower-dark.jpg": "dark",
        "moon-washed-out.jpg": "washed_out",
        "astronaut-tiny.jpg": "small",
        "rocket-tiny.jpg": "small",
        "nothing.png": "plain",
    }
    unusable = {name for name, (verdict, _) in found.items() if verdict == "quarantine"}
    assert unusable == {
        "torn.tar",
        "with-faults/notes.md",
        "with-faults/rocket-cut-off.jpg",
        "with-faults/shopping-list.jpg",
    }
    copies = {name for name, (verdict, _) in found.items() if verdict == "duplicate"}
    assert copies == {"with-faults/china-copy.jpg", "with-faults/flower-copy.jpg", "stills-00000/coffee-again"}


def test_every_photo_is_kept_but_the_silhouette(shown):
    """Misnamed and turned copies are good pictures; a shape of two colours is none."""
    found = verdicts(shown[0])
    photos = [f"photos/{photo.file}" for photo in LOOSE] + [f"stills-00000/{photo.stem}" for photo in SHARDED]
    assert {name for name in photos if found[name][0] != "keep"} == {"stills-00000/horse"}
    for name in ("camera-without-a-name.dat", "tissue-is-a-png.jpg", "china-turned-6.jpg"):
        assert found[f"with-faults/{name}"][0] == "keep"


def test_running_it_again_renews_it(shown):
    """The same folder, the same decisions."""
    folder, _ = shown
    before = verdicts(folder)
    assert invoke(folder).exit_code == 0
    assert verdicts(folder) == before


def test_the_data_are_the_same_bytes_each_time():
    """Edits have fixed settings."""
    assert demo_files() == demo_files()


def test_photos_are_the_bytes_of_the_wheels():
    """Nothing is encoded again that was not edited, and every original has a caption."""
    files = demo_files()
    folders = {name: Path(importlib.util.find_spec(name).origin).parent for name in ("skimage", "sklearn")}
    with tarfile.open(fileobj=io.BytesIO(files["stills-00000.tar"])) as tar:
        shard = {member.name: tar.extractfile(member).read() for member in tar}
    inside = {"skimage": "data", "sklearn": "datasets/images"}
    for photos, found, prefix in ((LOOSE, files, "photos/"), (SHARDED, shard, "")):
        for photo in photos:
            original = (folders[photo.package] / inside[photo.package] / photo.file).read_bytes()
            assert found[f"{prefix}{photo.file}"] == original
            assert found[f"{prefix}{photo.stem}.txt"].decode().strip() == photo.caption


def test_its_recipe_is_valid():
    """The file that it writes says what the run does."""
    assert list(parse_recipe(recipe_text()).rules) == ["small", "dark", "washed_out", "plain", "blurred", "nsfw"]


@pytest.mark.parametrize("name", ["mine.txt", "input/photos/holiday.jpg", "output/mine.txt", "input/.hidden"])
def test_a_folder_with_other_files_is_refused(tmp_path, name):
    """Before anything is written, by the name of one of them."""
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine")
    result = invoke(tmp_path)
    assert result.exit_code == OutputExistsError.exit_code
    assert repr(name) in result.stderr
    assert len(result.stderr.strip().splitlines()) == 2  # what it was about to do, and the sentence
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / name]


def test_a_changed_recipe_is_not_overwritten(tmp_path):
    """Whoever tries thresholds in the demo's recipe does not lose them."""
    prepare(tmp_path)
    recipe = tmp_path / "recipe.yaml"
    changed = recipe.read_text().replace("entropy < 2", "entropy < 1")
    recipe.write_text(changed)
    with pytest.raises(OutputExistsError, match="would overwrite it"):
        prepare(tmp_path)
    assert recipe.read_text() == changed


def test_a_link_in_the_folder_is_not_written_through(tmp_path):
    """A link that bears a name of the demo's leads to something of a user's."""
    target = tmp_path / "precious.yaml"
    target.write_text(recipe_text())
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "recipe.yaml").symlink_to(target)
    with pytest.raises(OutputExistsError):
        prepare(folder)


def test_a_file_in_place_of_the_folder(tmp_path):
    """One sentence."""
    (tmp_path / "demo").write_text("mine")
    with pytest.raises(OutputExistsError, match="this is a file"):
        prepare(tmp_path / "demo")


def test_without_the_packages_it_says_how_to_get_them(tmp_path, monkeypatch):
    """The extra is named."""

    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(demo_photos, "find_spec", lambda _: None)
    monkeypatch.setattr(_optional.importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"imagecurator\[demo\]"):
        prepare(tmp_path / "demo")
    assert not (tmp_path / "demo").exists()


def test_a_wheel_without_one_of_the_photos(monkeypatch, tmp_path):
    """A later version may drop a picture; the sentence names it."""
    (tmp_path / "data").mkdir()
    (tmp_path / "datasets" / "images").mkdir(parents=True)
    monkeypatch.setattr(
        demo_photos, "find_spec", lambda _: type("Spec", (), {"submodule_search_locations": [str(tmp_path)]})
    )
    with pytest.raises(MissingExtraError, match=r"does not ship astronaut\.png"):
        demo_files()
