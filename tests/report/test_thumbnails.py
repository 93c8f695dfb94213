"""Thumbnails: decoded elsewhere, and never an exception."""

import hashlib

import pytest

from nemo_curator.report.developers import Developers
from nemo_curator.report.thumbnail_messages import ANSWER, REQUEST, SIDE
from nemo_curator.report.thumbnail_worker import jpeg, main, serve
from nemo_curator.report.thumbnails import Thumbnailer
from nemo_curator.testing import encoded, photo


def row_of(path, **changes):
    """The part row of a loose file, as far as thumbnails need it."""
    data = path.read_bytes()
    member = {
        "name": path.name,
        "extension": path.suffix[1:],
        "offset": 0,
        "length": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    return {"members": [member | changes], "primary": 0}


@pytest.fixture
def picture(tmp_path):
    """A picture larger than a thumbnail."""
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(photo(3, 640, 480), quality=90))
    return path


def test_a_thumbnail_is_small_and_keeps_its_shape(picture):
    """The longer side has the fixed length, the other follows."""
    with Thumbnailer() as thumbnailer:
        made = thumbnailer.make(row_of(picture), str(picture))
    assert made.shape == (SIDE, SIDE * 3 // 4)
    assert made.missing == ""
    assert made.uri.startswith("data:image/jpeg;base64,")


def test_no_process_is_started_for_nothing():
    """A report without a picture needs no decoder."""
    with Thumbnailer() as thumbnailer:
        made = thumbnailer.make({"members": [], "primary": -1}, "somewhere")
        assert thumbnailer._developer is None
    assert made.missing == "nobody knows where its bytes lie"


def test_a_decoder_that_dies_costs_one_thumbnail(picture):
    """The next picture gets a new process."""
    with Thumbnailer() as thumbnailer:
        assert thumbnailer.make(row_of(picture), str(picture)).uri
        thumbnailer._developer._process.kill()
        thumbnailer._developer._process.wait()
        assert "crashed" in thumbnailer.make(row_of(picture), str(picture)).missing
        assert thumbnailer.make(row_of(picture), str(picture)).uri


def test_a_decoder_that_hangs_is_ended(picture):
    """An image has its time and no more; starting an interpreter alone takes longer than this."""
    with Thumbnailer(seconds=0.01) as thumbnailer:
        assert "longer than 0.01 s" in thumbnailer.make(row_of(picture), str(picture)).missing


def test_bytes_that_do_not_decode_are_a_reason(tmp_path):
    """The decoder's sentence stands in the placeholder."""
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(photo(1))[:400])
    with Thumbnailer() as thumbnailer:
        made = thumbnailer.make(row_of(path), str(path))
    assert made.uri == ""
    assert made.missing


def test_the_worker_answers_until_its_input_ends(picture):
    """Requests are answered in order, good and bad ones."""
    import io

    good, bad = picture.read_bytes(), b"no picture"
    requests = io.BytesIO(b"".join(REQUEST.pack(SIDE, len(data)) + data for data in (good, bad)))
    answers = io.BytesIO()
    serve(requests, answers)
    answers.seek(0)
    status, *_, length = ANSWER.unpack(answers.read(ANSWER.size))
    assert (status, answers.read(length)) == (True, jpeg(good)[0])
    status, *_, length = ANSWER.unpack(answers.read(ANSWER.size))
    assert (status, answers.read(length)) == (False, b"the first bytes are of no known image format")
    assert callable(main)


def test_equal_pictures_give_equal_thumbnails(picture):
    """So that a report can be compared with another."""
    assert jpeg(picture.read_bytes()) == jpeg(picture.read_bytes())


def test_processes_that_were_started_ahead_are_used_and_used_again(picture):
    """A report that follows a long run need not wait until its decoders have started."""
    with Developers() as developers:
        developers.start_ahead()
        ahead = {one._process.pid for one in developers._waiting}
        pids = set()
        for _ in range(2):
            with Thumbnailer(developers=developers) as thumbnailer:
                assert thumbnailer.make(row_of(picture), str(picture)).uri
                pids.add(thumbnailer._developer._process.pid)
        assert pids <= ahead
        left = list(developers._waiting)
    assert all(one._process.poll() is not None for one in left), "nobody outlives the page"


def test_a_process_makes_thumbnails_of_any_size(picture):
    """One that was started ahead does not know yet how large they will be."""
    with Developers() as developers:
        for side in (100, 320):
            with Thumbnailer(side=side, developers=developers) as thumbnailer:
                assert max(thumbnailer.make(row_of(picture), str(picture)).shape) == side
        assert len(developers._waiting) == 1
