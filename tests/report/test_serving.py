"""The served page's answers, from a real server on the loopback device, against DuckDB over the files of the run."""

import threading
from pathlib import Path

import duckdb
import pytest
from tests.report.pages import HOSTILE_CAPTION, HOSTILE_NAME, Parsed, curated
from tests.report.serving import served

from nemo_curator import storage
from nemo_curator.errors import InputError
from nemo_curator.report.serving.serve import Serving
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.state import RunState
from nemo_curator.testing import encoded, photo

RULES = {
    "small": "least(width, height) < 64",
    "wide": "aspect >= quantile(aspect, 0.8)",
    "said": "caption_repetition > 0.9",
}


@pytest.fixture(scope="module")
def sized(tmp_path_factory):
    """A run over images of many sizes with captions, duplicates and broken files."""
    folder = tmp_path_factory.mktemp("serving") / "in"
    folder.mkdir()
    for at in range(40):
        (folder / f"{at:02}.png").write_bytes(encoded(photo(at, 30 + 7 * at, 40 + (at * 37) % 90), "PNG"))
        if at % 3 == 0:
            (folder / f"{at:02}.txt").write_text(f"a Caption with {at} words " * (at % 5))
    for again in ("again.png", "more.png"):
        (folder / again).write_bytes((folder / "12.png").read_bytes())
    for broken in ("broken.png", "worse.png"):
        (folder / broken).write_bytes(b"\x89PNG\r\n\x1a\n")
    return curated(folder, folder.parent / "out", RULES, scores=["header", "captions"])


@pytest.fixture(scope="module")
def client(sized):
    """Somebody who asks for it."""
    with served(sized) as found:
        yield found


def data_of(client):
    """What the page hands to its script."""
    status, _, page = client.file("/")
    assert status == 200
    return Parsed(page.decode()).data


def axis_of(client, name):
    """The number of an axis."""
    (at,) = [at for at, axis in enumerate(data_of(client)["axes"]) if axis["name"] == name]
    return at


def asked(run, sql):
    """Rows by DuckDB over parts and decisions, as `both`."""
    both = f"(FROM '{run.root}/parts/*.parquet' JOIN '{run.decisions}' USING (image_id))"
    return duckdb.sql(sql.replace("both", both)).fetchall()


def ids(images):
    """The ids of some images."""
    return [one["id"] for one in images]


@pytest.mark.parametrize("name", ["least(width, height)", "aspect", "caption_repetition", "bytes", "caption_words"])
def test_any_threshold_is_counted_as_duckdb_counts_it(client, sized, name):
    """On values that images have and between them, of all images and of kept ones."""
    axis = axis_of(client, name)
    values = [one for (one,) in asked(sized, f"SELECT DISTINCT CAST({name} AS DOUBLE) v FROM both WHERE v IS NOT NULL")]  # noqa: S608 (names of columns)
    for value in [*values, *(one + 1e-9 for one in values), -1.0, 1e12]:
        number = f"CAST('{value!r}' AS DOUBLE)"
        every = f"count(*) FILTER ({name} < {number}), count(*) FILTER ({name} <= {number})"
        kept = every.replace(f" {number})", f" {number} AND verdict = 'keep')")
        ((below, upto, kept_below, kept_upto),) = asked(sized, f"SELECT {every}, {kept} FROM both WHERE error IS NULL")  # noqa: S608 (names of columns)
        found = client.get("/api/count", axis=axis, value=repr(value))
        assert found == {"below": below, "upto": upto, "keptBelow": kept_below, "keptUpto": kept_upto}, value


def test_the_nearest_stand_on_either_side(client, sized):
    """Nearest first, equals in source order."""
    for name, value in (("least(width, height)", 64), ("caption_words", 1), ("aspect", 1.5)):
        found = client.get("/api/near", axis=axis_of(client, name), value=value, most=7)
        order = f"SELECT image_id FROM both WHERE error IS NULL AND {name}"  # noqa: S608 (names of columns)
        below = asked(sized, f"{order} < {value} ORDER BY {name} DESC, ordinal LIMIT 7")
        above = asked(sized, f"{order} >= {value} ORDER BY {name}, ordinal LIMIT 7")
        assert (ids(found["below"]), ids(found["above"])) == ([one for (one,) in below], [one for (one,) in above])


@pytest.mark.parametrize("descending", [0, 1])
@pytest.mark.parametrize("name", ["", "width", "caption_repetition"])
def test_a_gallery_is_paged_through_to_its_end(client, sized, name, descending):
    """By any score or none, from either end: every readable image once, in DuckDB's order, missing values last."""
    axis = axis_of(client, name) if name else ""
    pages = [
        client.get("/api/images", axis=axis, descending=descending, offset=offset, limit=7)
        for offset in range(0, 50, 7)
    ]
    turned = "DESC" if descending else "ASC"
    order = f"{name} {turned} NULLS LAST, ordinal" if name else f"ordinal {turned}"
    wanted = [one for (one,) in asked(sized, f"SELECT image_id FROM both WHERE error IS NULL ORDER BY {order}")]  # noqa: S608 (names of columns)
    assert [one for page in pages for one in ids(page["images"])] == wanted
    assert {page["here"] for page in pages} == {len(wanted)}


def test_a_gallery_is_filtered_by_group_and_by_words(client, sized):
    """By what became of images, by words of ids and captions in any case, and by both."""
    data = data_of(client)
    (small,) = [at for at, one in enumerate(data["groups"]) if one["rule"] == "small"]
    found = client.get("/api/images", groups=small)
    assert found["here"] == data["groups"][small]["count"]
    assert ids(found["images"]) == [
        one for (one,) in asked(sized, "SELECT image_id FROM both WHERE rule = 'small' ORDER BY ordinal")
    ]
    assert ids(client.get("/api/images", text="AGAIN.png")["images"]) == ["again.png"]
    said = client.get("/api/images", text="caption 33")
    assert ids(said["images"]) == ["33.png"]
    both = client.get("/api/images", text="caption", groups=small)
    wanted = asked(sized, "SELECT image_id FROM both WHERE rule = 'small' AND caption LIKE '%Caption%'")
    assert sorted(ids(both["images"])) == sorted(one for (one,) in wanted)
    assert client.get("/api/images", text="' OR 1=1 --")["here"] == 0


def test_an_image_is_told_with_everything(client, sized):
    """Caption, rule, what it compared, its numbers, and a picture."""
    (one,) = client.get("/api/images", text="03.png")["images"]
    assert (one["caption"].split()[:3], one["compared"]) == (["a", "Caption", "with"], "51 < 64")
    data = data_of(client)
    assert data["groups"][one["group"]]["rule"] == "small"
    numbers = dict(zip((axis["name"] for axis in data["axes"]), one["numbers"], strict=True))
    assert (numbers["width"], numbers["least(width, height)"]) == (51, 51)
    assert client.get("/api/image", at=one["at"]) == one
    status, headers, picture = client.file("/picture", at=one["at"])
    assert (status, headers["content-type"], picture[:2]) == (200, "image/jpeg", b"\xff\xd8")
    large = client.file("/picture", at=one["at"], size="large")[2]
    assert large[:2] == b"\xff\xd8"


def test_duplicates_and_quarantine_are_paged(client, sized):
    """Groups with the kept image, and inputs that could not be used."""
    found = client.get("/api/alike", order="size")
    assert (found["total"], found["groups"][0]["kept"]["id"], found["groups"][0]["size"]) == (1, "12.png", 2)
    assert ids([one["image"] for one in found["groups"][0]["removed"]]) == ["again.png", "more.png"]
    assert client.get("/api/alike", order="far", offset=1)["groups"] == []
    first = client.get("/api/unusable", reason=0, limit=1)["inputs"]
    second = client.get("/api/unusable", reason=0, limit=1, offset=1)["inputs"]
    assert ids([*first, *second]) == ["broken.png", "worse.png"]


def test_the_page_says_what_the_report_says(client, sized):
    """The funnel is that of the run, and the page holds no picture and no path of the server."""
    _, headers, page = client.file("/")
    parsed = Parsed(page.decode())
    assert "of 44 inputs kept" in parsed.text
    assert parsed.data["figures"] == {}
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    (policy,) = [one["content"] for one in parsed.all("meta") if one.get("http-equiv")]
    assert headers["content-security-policy"].startswith(policy)
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/api/image", {"at": 44}, 404),
        ("/api/image", {"at": -1}, 400),
        ("/api/image", {"at": "../../etc/passwd"}, 400),
        ("/api/image", {}, 400),
        ("/picture", {"at": 10**14}, 404),
        ("/picture", {"at": "broken.png"}, 400),
        ("/picture", {"protected": 0}, 400),
        ("/api/count", {"axis": 999, "value": 1}, 400),
        ("/api/count", {"axis": 0, "value": "nan"}, 400),
        ("/api/count", {"axis": 0, "value": "1e999"}, 400),
        ("/api/images", {"limit": 97}, 400),
        ("/api/images", {"limit": 0}, 400),
        ("/api/images", {"groups": "99"}, 400),
        ("/api/images", {"groups": "0,x"}, 400),
        ("/api/images", {"text": "a " * 13}, 400),
        ("/api/images", {"text": "a" * 301}, 400),
        ("/api/images", {"axis": "width"}, 400),
        ("/api/images", {"text": "a" * 5000}, 400),
        ("/api/images", {f"f{at}": at for at in range(30)}, 400),
        ("/api/alike", {"order": "size; DROP TABLE records"}, 400),
        ("/api/unusable", {"reason": 9}, 400),
        ("/api/images", {"edition": 2}, 409),
        ("/api/job", {"number": 77}, 404),
        ("/api/nothing", {}, 404),
        ("/run.json", {}, 404),
        ("/../run.json", {}, 404),
        ("//etc/passwd", {}, 404),
    ],
)
def test_what_there_is_not_is_refused_in_a_sentence(client, path, fields, status):
    """Numbers out of range, unknown groups, orders and pages, and whatever is no number."""
    found, sentence = client.refused(path, **fields)
    assert (found, bool(sentence)) == (status, True)


def test_hostile_names_are_data_and_nothing_else(pile, tmp_path):
    """A name and a caption that look like markup are told as they are, and found by their words."""
    run = curated(pile, tmp_path / "out")
    with served(run) as client:
        (one,) = client.get("/api/images", text=HOSTILE_NAME)["images"]
        assert one["id"] == HOSTILE_NAME
        assert one["caption"].startswith(HOSTILE_CAPTION[:40])
        assert "\x1b" not in one["caption"]
        status, headers, _ = client.file("/picture", at=one["at"])
        assert (status, headers["content-type"], headers["x-content-type-options"]) == (200, "image/jpeg", "nosniff")


def test_a_source_that_is_gone_leaves_a_reason(pile, tmp_path):
    """So does one that changed; both come back with their files."""
    run = curated(pile, tmp_path / "out")
    with served(run) as client:
        places = {one["id"]: one["at"] for one in client.get("/api/images")["images"]}
        first, second = pile / "good-0.jpg", pile / "good-1.jpg"
        bytes_of_first = first.read_bytes()
        first.unlink()
        second.write_bytes(second.read_bytes()[:-1] + b"?")
        for name, why in (("good-0.jpg", "No such file"), ("good-1.jpg", "changed")):
            status, _, data = client.file("/picture", at=places[name])
            assert status == 404
            assert why in data.decode()
        first.write_bytes(bytes_of_first)
        assert client.file("/picture", at=places["good-0.jpg"])[0] == 200


def test_known_images_are_never_shown(pile, tmp_path):
    """Neither a picture nor a larger one of what a list of known images names."""
    import hashlib

    digest = hashlib.sha256((pile / "good-3.jpg").read_bytes()).hexdigest()
    (tmp_path / "bad.txt").write_text(f"sha256 {digest}\n")
    run = curated(pile, tmp_path / "out", known_bad={"lists": {"bad": str(tmp_path / "bad.txt")}})
    with served(run) as client:
        (one,) = client.get("/api/images", text="good-3.jpg")["images"]
        assert "not shown" in one["missing"]
        for size in ("small", "large"):
            status, _, data = client.file("/picture", at=one["at"], size=size)
            assert (status, "not shown" in data.decode()) == (404, True)


def rules_of(run):
    """The rules in force."""
    return RunState.require(run).recipe["rules"]


def test_trying_counts_and_writes_nothing(pile, tmp_path):
    """The funnel of other rules, exactly that of a decision, while the files stay what they are."""
    run = curated(pile, tmp_path / "out")
    before = Path(run.decisions).read_bytes(), rules_of(run)
    with served(run) as client:
        job = client.done("/api/try", rules=[["small", "width < 10"], ["10", "format = 'png'"]])
        assert job["state"] == "done", job
        steps = {name: count for _, name, count in job["answer"]["steps"]}
        pngs = asked(run, "SELECT count(*) FROM both WHERE error IS NULL AND format = 'png'")[0][0]
        assert (steps["small"], steps["10"], pngs) == (0, pngs, 2)
        assert (Path(run.decisions).read_bytes(), rules_of(run)) == before
        assert client.get("/api/state") == {"edition": 1, "outdated": False}


def test_deciding_writes_the_recipe_and_the_verdicts(pile, tmp_path):
    """The recipe has the rules in their order, verdicts are theirs, and answers of before are refused as such."""
    run = curated(pile, tmp_path / "out")
    with served(run) as client:
        rules = [["pngs", "format = 'png'"], ["small", "least(width, height) < 8"]]
        job = client.done("/api/decide", rules=rules)
        assert (job["state"], job["answer"]) == ("done", {"edition": 2}), job
        assert list(rules_of(run).items()) == [tuple(one) for one in rules]
        assert asked(run, "SELECT DISTINCT rule FROM both WHERE verdict = 'reject'") == [("pngs",)]
        assert client.refused("/api/images") == (409, "the run was decided anew: load the page again")
        client.edition = 2
        data = data_of(client)
        assert data["served"]["rules"] == rules
        assert [one["rule"] for one in data["groups"] if one["verdict"] == "reject"] == ["pngs"]
        assert client.done("/api/decide", rules=[])["state"] == "done"
        assert rules_of(run) == {}


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ([["small", "widht < 3"]], "did you mean 'width'?"),
        ([["small", "width <"]], "is not an SQL expression"),
        ([["small", "read_text('/etc/passwd') = ''"]], "is not allowed in a rule"),
        ([["small", "(SELECT true)"]], "not allowed in a rule"),
        ([["allow", "width < 3"]], "is a reason of our own"),
    ],
)
def test_a_rule_that_is_none_is_told_in_a_sentence(client, sized, rules, sentence):
    """By the parser of recipes; nothing is changed."""
    for path in ("/api/try", "/api/decide"):
        job = client.done(path, rules=rules)
        assert (job["state"], sentence in job["error"]) == ("failed", True), job
    assert client.get("/api/state") == {"edition": 1, "outdated": False}
    assert rules_of(sized) == RULES


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 50_000,
        b"\xff",
        {"edition": 1},
        {"edition": "1", "rules": []},
        {"edition": True, "rules": []},
        {"edition": 1, "rules": {"small": "true"}},
        {"edition": 1, "rules": [["small"]]},
        {"edition": 1, "rules": [["small", 3]]},
        {"edition": 1, "rules": [["", "true"]]},
        {"edition": 1, "rules": [["a", "true"], ["a", "false"]]},
        {"edition": 1, "rules": [["a", "\ud800"]]},
        {"edition": 1, "rules": [["a", "x" * 4001]]},
        {"edition": 1, "rules": [[f"r{at}", "true"] for at in range(201)]},
        {"edition": 1, "rules": [], "recipe": "x"},
    ],
)
def test_a_change_that_is_none_is_refused(client, document):
    """Whatever is not an edition and a list of rules is not handed on."""
    for path in ("/api/try", "/api/decide"):
        status, said = client.post(path, document)
        assert (status, bool(said["error"])) == (400, True)


def test_read_only_forbids_writing_alone(pile, tmp_path):
    """The page may try rules; deciding by them is refused, and the page has no button for it."""
    run = curated(pile, tmp_path / "out")
    with served(run, writes=False) as client:
        assert client.done("/api/try", rules=[])["state"] == "done"
        status, said = client.post("/api/decide", {"edition": 1, "rules": []})
        assert (status, "--read-only" in said["error"]) == (403, True)
        assert b'id="rules-decide"' not in client.file("/")[2]
        assert rules_of(run) == {"small": "least(width, height) < 64"}


def test_another_command_at_work_is_told(pile, tmp_path):
    """While a process holds the run, deciding fails with that sentence; trying does not need the lock."""
    run = curated(pile, tmp_path / "out")
    with served(run) as client:
        with storage.locked(run.root):
            job = client.done("/api/decide", rules=[])
            assert (job["state"], "another imagecurator is at work here" in job["error"]) == ("failed", True)
            assert client.done("/api/try", rules=[])["state"] == "done"
        assert client.done("/api/decide", rules=[])["state"] == "done"


def test_one_decision_at_a_time(pile, tmp_path):
    """A second one is refused while the first is made; questions are answered meanwhile."""
    run = curated(pile, tmp_path / "out")
    begun, go_on = threading.Event(), threading.Event()

    def decide(rules, *, write):
        begun.set()
        go_on.wait(60)
        raise InputError("this one fails")

    with served(run, decide) as client:
        status, job = client.post("/api/try", {"edition": 1, "rules": []})
        begun.wait(60)
        assert status == 202
        status, said = client.post("/api/try", {"edition": 1, "rules": []})
        assert (status, "already" in said["error"]) == (409, True)
        assert client.get("/api/job", number=job["job"])["state"] == "running"
        assert client.get("/api/images")["here"] == 8
        go_on.set()
        assert client.through(job)["error"] == "this one fails"
        assert client.done("/api/try", rules=[])["error"] == "this one fails"


def test_a_run_decided_elsewhere_is_read_again(pile, tmp_path):
    """The server says so, answers from what it read until it is told to read again, and then from what is there."""
    from nemo_curator.pipeline.run import Run

    run = curated(pile, tmp_path / "out")
    with served(run) as client:
        Run(run.root).decide(rules={"pngs": "format = 'png'"})
        assert client.get("/api/state") == {"edition": 1, "outdated": True}
        assert client.get("/api/images")["here"] == 8
        assert client.done("/api/renew")["answer"] == {"edition": 2}
        client.edition = 2
        assert client.get("/api/state") == {"edition": 2, "outdated": False}
        assert data_of(client)["served"]["rules"] == [["pngs", "format = 'png'"]]


def test_a_decision_made_meanwhile_is_not_taken_back(pile, tmp_path):
    """Rules of a page that is behind another command are refused in a sentence, and its decision stays."""
    from nemo_curator.pipeline.run import Run

    run = curated(pile, tmp_path / "out")
    with served(run) as client:
        Run(run.root).decide(rules={"pngs": "format = 'png'"})
        job = client.done("/api/decide", rules=[])
        assert (job["state"], "another command has decided" in job["error"]) == ("failed", True), job
        assert list(rules_of(run)) == ["pngs"]


def test_each_server_has_editions_of_its_own(sized):
    """A browser that keeps a picture of one run by its address does not take it for one of another run."""
    with served(sized, edition=None) as one, served(sized, edition=None) as other:
        numbers = [client.get("/api/state")["edition"] for client in (one, other)]
        assert numbers[0] != numbers[1]


def test_a_page_that_is_about_to_be_loaded_anew_has_its_pictures(pile, tmp_path):
    """A decision moves no image: pictures by the earlier edition are answered, questions are not."""
    run = curated(pile, tmp_path / "out")
    with served(run) as client:
        assert client.done("/api/decide", rules=[])["state"] == "done"
        assert client.file("/picture", at=0, size="small")[0] == 200
        assert client.refused("/api/images")[0] == 409
        client.edition = 0
        assert client.refused("/picture", at=0, size="small")[0] == 409


def test_a_fault_of_ours_costs_one_answer(sized, capsys):
    """The page is told, the terminal shows where, and the server goes on."""

    def broken(_rules, *, write):
        raise ZeroDivisionError("in the middle")

    with served(sized, broken) as client:
        for _ in range(2):
            assert client.done("/api/try", rules=[])["state"] == "failed"
    assert "in the middle" in capsys.readouterr().err


def test_leaks_stand_beside_what_they_show(pile, tmp_path):
    """A protected image has a picture of its own, out of its own set."""
    protected = tmp_path / "protected"
    protected.mkdir()
    (protected / "secret.jpg").write_bytes((pile / "good-4.jpg").read_bytes())
    run = curated(pile, tmp_path / "out", protect=[f"eval={protected}"])
    with served(run) as client:
        found = client.get("/api/leaks")
        (one,) = found["listed"]
        assert (found["total"], one["image"]["id"], one["protectedId"]) == (1, "good-4.jpg", "eval:secret.jpg")
        assert client.file("/picture", protected=one["figure"]["protected"])[2][:2] == b"\xff\xd8"
        assert client.refused("/picture", protected=1)[0] == 400


def test_a_run_that_cannot_be_served_is_told(tmp_path, sized):
    """Nothing listens for a run that is not there, and a port that is taken is said to be."""

    def never(rules, *, write):
        raise AssertionError

    with pytest.raises((InputError, OSError)):
        Serving(RunDirectory(str(tmp_path)), never)
    with served(sized) as client, pytest.raises(InputError, match="this port cannot be listened on"):
        Serving(sized, never, port=client.port)


def test_nothing_is_there_to_look_at(tmp_path):
    """A run without a readable image has a page too, and empty answers."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and nothing more")
    run = curated(tmp_path / "in", tmp_path / "out")
    with served(run) as client:
        assert "0 of 1 input kept" in Parsed(client.file("/")[2].decode()).text
        assert client.get("/api/images")["images"] == []
        assert client.get("/api/near", axis=0, value=1) == {"below": [], "above": []}
        assert client.get("/api/count", axis=0, value=1)["upto"] == 0
