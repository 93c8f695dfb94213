"""Lists of URLs in the formats that people have."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nemo_curator.errors import CuratorError, EmptyInputError, InputError, MissingInputError
from nemo_curator.fetching.url_list import UrlList

ROWS = [("http://a.example/1", "one", 3), ("http://a.example/2", 'a "quoted", one', None)]


def written(path):
    """The same two rows, in the format that the name says."""
    kind = path.suffix
    if kind == ".parquet":
        columns = dict(zip(("url", "caption", "n"), map(list, zip(*ROWS, strict=True)), strict=True))
        pq.write_table(pa.table(columns), path, row_group_size=1)
    elif kind == ".jsonl":
        path.write_text(
            "".join(json.dumps(dict(zip(("url", "caption", "n"), row, strict=True))) + "\n" for row in ROWS)
        )
    elif kind == ".csv":
        path.write_text('url,caption,n\nhttp://a.example/1,one,3\nhttp://a.example/2,"a ""quoted"", one",\n')
    else:
        path.write_text('url\tcaption\tn\nhttp://a.example/1\tone\t3\nhttp://a.example/2\ta "quoted", one\t\n')
    return path


@pytest.mark.parametrize("kind", ["parquet", "csv", "tsv", "jsonl"])
def test_formats_give_the_same_rows(tmp_path, kind):
    """URL and caption are the same in every format; further columns are kept."""
    found = UrlList(str(written(tmp_path / f"list.{kind}")))
    rows = list(found.rows())
    assert [(row.number, row.url, row.caption) for row in rows] == [(at, *row[:2]) for at, row in enumerate(ROWS)]
    assert [str(json.loads(row.more)["n"] or "") for row in rows] == ["3", ""]
    assert "caption" not in json.loads(rows[0].more)
    assert [row.number for row in found.rows(1)] == [1]
    assert list(found.rows(2)) == []


def test_a_folder_is_one_list(tmp_path):
    """The files of a folder follow each other in the order of their names, whatever their formats."""
    for name in ("b.csv", "a.parquet", "c.jsonl"):
        written(tmp_path / name)
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / "README.md").write_text("about")
    found = UrlList(str(tmp_path))
    assert [row.number for row in found.rows()] == list(range(6))
    assert [row.number for row in found.rows(3)] == [3, 4, 5]
    assert [one["name"] for one in found.identity["files"]] == ["a.parquet", "b.csv", "c.jsonl"]


def test_a_text_is_a_url_a_line(tmp_path):
    """Empty lines of a text are nothing, and a mark at its beginning is no part of a URL."""
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfhttp://a.example/1\r\n\n  \nhttp://a.example/2")
    assert [row.url for row in UrlList(str(tmp_path / "list.txt")).rows()] == [
        "http://a.example/1",
        "http://a.example/2",
    ]


@pytest.mark.parametrize(
    ("text", "kind", "troubles"),
    [
        ("url,b\nhttp://a/1,2\nhttp://a/2\nhttp://a/3,4,5\n", "csv", [False, True, True]),
        ('{"url": "http://a/1"}\nnonsense\n[1]\n{"url": 5}\n', "jsonl", [False, True, True, False]),
        ("url\tb\nhttp://a/1\t2\nhttp://a/2\n", "tsv", [False, True]),
        ("url,b\nhttp://a/1," + "x" * 5_000_000 + "\nhttp://a/2,3\n", "csv", [True, False]),
    ],
)
def test_a_line_that_cannot_be_read_is_a_row_with_trouble(tmp_path, text, kind, troubles):
    """No line is passed over: what cannot be read has a row that says so."""
    (tmp_path / f"list.{kind}").write_text(text)
    assert [bool(row.trouble) for row in UrlList(str(tmp_path / f"list.{kind}")).rows()] == troubles


@pytest.mark.parametrize(
    ("names", "url", "caption"),
    [
        (["URL", "TEXT", "hash"], "URL", "TEXT"),
        (["caption", "image_url", "page"], "image_url", "caption"),
        (["link", "url"], "url", ""),
        (["src", "alt"], "src", "alt"),
    ],
)
def test_columns_are_guessed_by_usual_names(tmp_path, names, url, caption):
    """The names that lists have are known."""
    (tmp_path / "list.csv").write_text(",".join(names) + "\n")
    (columns,) = UrlList(str(tmp_path / "list.csv")).columns
    assert (columns.url, columns.caption) == (url, caption)


def test_columns_can_be_named(tmp_path):
    """What the user says counts."""
    (tmp_path / "list.csv").write_text("url,where,words\n")
    (columns,) = UrlList(str(tmp_path / "list.csv"), "where", "words").columns
    assert (columns.url, columns.caption, columns.others) == ("where", "words", ("url", "where"))


@pytest.mark.parametrize(
    ("name", "text", "kind", "said"),
    [
        ("list.csv", "a,b\n1,2\n", InputError, r"its columns are 'a', 'b'.*--url-column"),
        ("list.tsv", "a cat\thttp://a.example/1\n", InputError, "no line of names"),
        ("list.csv", "url,fetch_status\n", InputError, "'fetch_status' has a name that only a fetch gives"),
        ("list.doc", "", InputError, "no list of URLs that is known"),
        ("list.parquet", "PAR1 nonsense", InputError, "cannot be read"),
        ("", "", EmptyInputError, "no list of URLs in it"),
        ("gone.csv", None, MissingInputError, "nothing at this path"),
    ],
)
def test_what_is_no_list_is_told_in_a_sentence(tmp_path, name, text, kind, said):
    """The error says what is wrong and what to do, before anything is asked of a server."""
    if name and text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(kind, match=said):
        UrlList(str(tmp_path / name))


def test_an_unknown_column_is_told_with_the_nearest(tmp_path):
    """A column that was misspelt is met with the one that was meant."""
    (tmp_path / "list.csv").write_text("image_address,b\n")
    with pytest.raises(CuratorError, match="did you mean 'image_address'"):
        UrlList(str(tmp_path / "list.csv"), "image_adress")


def test_another_list_has_another_identity(tmp_path):
    """A list that was changed at its end is another one."""
    path = written(tmp_path / "list.csv")
    first = UrlList(str(path)).identity
    path.write_text(path.read_text().replace("quoted", "quaint"))
    assert UrlList(str(path)).identity != first


def test_an_empty_parquet_in_a_folder_has_no_rows(tmp_path):
    """A file without rows among others is passed over, wherever one begins to read."""
    pq.write_table(pa.table({"url": pa.array([], pa.string())}), tmp_path / "a.parquet")
    written(tmp_path / "b.parquet")
    found = UrlList(str(tmp_path))
    assert [row.number for row in found.rows()] == [0, 1]
    assert [row.number for row in found.rows(1)] == [1]


def test_categories_are_text(tmp_path):
    """A column of URLs that a dictionary encodes, as pandas writes categories, is read like any other."""
    urls = pa.array(["http://a.example/1", "http://a.example/2", None]).dictionary_encode()
    pq.write_table(pa.table({"url": urls, "caption": urls, "kind": urls}), tmp_path / "list.parquet")
    rows = list(UrlList(str(tmp_path / "list.parquet")).rows())
    assert [row.url for row in rows] == ["http://a.example/1", "http://a.example/2", ""]
    assert rows[1].caption == json.loads(rows[1].more)["kind"] == "http://a.example/2"


@pytest.mark.parametrize("values", [pa.array([1, 2]), pa.array([b"http://a.example/1"]), pa.array([["a"]])])
def test_urls_are_text(tmp_path, values):
    """A column of another type is refused before anything is fetched, with the column and its type."""
    pq.write_table(pa.table({"url": values}), tmp_path / "list.parquet")
    with pytest.raises(InputError, match="the column of URLs, 'url', holds no text"):
        UrlList(str(tmp_path / "list.parquet"))


def test_numbers_that_json_cannot_say_are_null(tmp_path):
    """What is kept of a row is JSON that every reader takes."""
    (tmp_path / "list.jsonl").write_text('{"url": "http://a.example/1", "a": 1e999, "b": [NaN, -1e999], "c": 1.5}\n')
    (row,) = UrlList(str(tmp_path / "list.jsonl")).rows()
    assert json.loads(row.more) == {"url": "http://a.example/1", "a": None, "b": [None, None], "c": 1.5}


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_a_line_without_an_end_is_bounded(tmp_path, monkeypatch, kind):
    """What is read of a line that is too long is not held, and the rows behind it are there."""
    monkeypatch.setattr("nemo_curator.fetching.url_list._LINE", 1000)
    cut = {"csv": ",", "tsv": "\t"}[kind]
    long = cut.join(["x"] * 5000)
    (tmp_path / f"list.{kind}").write_text(f"url{cut}b\nhttp://a/1{cut}2\n{long}\nhttp://a/2{cut}3\n")
    rows = list(UrlList(str(tmp_path / f"list.{kind}")).rows())
    assert [(row.url, "more than 1,000 characters" in row.trouble) for row in rows] == [
        ("http://a/1", False),
        ("", True),
        ("http://a/2", False),
    ]


def test_a_row_of_many_lines_is_bounded(tmp_path, monkeypatch):
    """A row of cells in quotes whose lines never end it is given up when it is too long."""
    monkeypatch.setattr("nemo_curator.fetching.url_list._LINE", 1000)
    (tmp_path / "list.csv").write_text("url,b\n" + '"a\n","b\n",' * 200 + "\nhttp://a/2,3\n")
    rows = list(UrlList(str(tmp_path / "list.csv")).rows())
    assert any("more than 1,000 characters" in row.trouble for row in rows)
