"""A model that another process holds answers as the model itself; here the other process is a thread."""

from __future__ import annotations

import os
import pickle
import socket
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.models.formula import SMALL_TOWER, clip_config, pictures
from tests.models.host import hosting
from tests.models.torch_reference import write_tower

from nemo_curator.errors import ModelError, UnknownModelError, WeightsNotFoundError
from nemo_curator.models import registry
from nemo_curator.models.clip import CLIPImageEmbeddings
from nemo_curator.models.remote import RemoteModel, RemoteTextModel
from nemo_curator.models.remote_memory import MOST_BYTES, HandedMemory, mapped
from nemo_curator.models.remote_wire import Run, packed_text, receive_reply, send_open, send_run, unpacked_texts
from nemo_curator.models.request import ModelRequest


@pytest.fixture
def host():
    """An inference process."""
    with hosting() as host:
        yield host


@contextmanager
def remote(host, make, **arguments):
    """A client of a model."""
    model = RemoteModel(ModelRequest.of(make, **arguments), host.address)
    try:
        yield model
    finally:
        model.close()


@dataclass
class Means:
    """Gives each picture's mean as one number, or as a row."""

    columns: int = 0
    threads: int = 1
    loads = 0

    def setup(self):
        """Count."""
        type(self).loads += 1

    def __call__(self, batch):
        """float32 `(N,)` or `(N, columns)`."""
        assert batch.dtype == np.uint8
        means = batch.reshape(len(batch), -1).mean(axis=1).astype(np.float32) if batch.size else np.zeros(len(batch))
        return np.repeat(means[:, None], self.columns, axis=1) if self.columns else means


class Own(Exception):  # noqa: N818 (it is about pickling)
    """Does not come through pickling as itself."""

    def __init__(self, first, second):
        """Two arguments, of which the base learns one."""
        super().__init__(first)
        self.second = second


@dataclass
class Raises:
    """Cannot be called."""

    threads: int = 1

    def setup(self):
        """Nothing."""

    def __call__(self, batch):
        """In its own words."""
        raise Own("words", 2)


@dataclass
class Lengths:
    """Gives each text's length, and how many texts came at once."""

    threads: int = 1

    def setup(self):
        """Nothing."""

    def __call__(self, texts):
        """float32 `(N, 2)`."""
        return np.array([[len(text), len(texts)] for text in texts], np.float32).reshape(-1, 2)


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    """A small tower in the place of CLIP ViT-B/32, and one in that of ViT-L/14."""
    folder = tmp_path_factory.mktemp("models")
    write_tower(folder / "openai" / "clip-vit-base-patch32", clip_config(32, 512, **SMALL_TOWER))
    write_tower(folder / "openai" / "clip-vit-large-patch14", clip_config(14, 768, **SMALL_TOWER))
    return str(folder)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", ["clip-vit-base-patch32", "clip-vit-large-patch14"])
def test_towers_answer_to_the_bit(host, model_dir, name, threads):
    """Whatever the number of threads there, and of pictures in a call, rows are those of the model in this process."""
    batch = pictures(7, 224)
    expected = registry.load(name, model_dir=model_dir)(batch)
    host.serve(threads)
    with remote(host, registry.create, name=name, model_dir=model_dir) as model:
        model.setup()
        np.testing.assert_array_equal(model(batch), expected)
        np.testing.assert_array_equal(model(list(batch)), expected)
        np.testing.assert_array_equal(np.concatenate([model(one[None]) for one in batch]), expected)
        assert model(batch[:0]).shape == (0, 512 if "base" in name else 768)


def test_the_public_class_answers_to_the_bit(host, model_dir):
    """So does the embedder of the public API."""
    batch = pictures(3, 224)
    here = CLIPImageEmbeddings(model_dir=model_dir)
    here.setup()
    host.serve()
    with remote(host, CLIPImageEmbeddings, model_dir=model_dir) as model:
        np.testing.assert_array_equal(model(list(batch)), here(list(batch)))


@pytest.mark.parametrize("columns", [0, 1, 5])
def test_rows_and_numbers(host, columns):
    """A model may give one number a picture, or a row."""
    batch = pictures(25, 8)
    host.serve()
    with remote(host, Means, columns=columns) as model:
        rows = model(batch)
    np.testing.assert_array_equal(rows, Means(columns)(batch))
    assert rows.dtype == np.float32
    assert host.turns == 3  # of ten pictures each


def test_batches_of_every_size_in_turn(host):
    """Memory grows with the batch, and a batch that is larger than what is handed over at once goes in pieces."""
    host.serve()
    with remote(host, Means) as model:
        for count, side in ((1, 4), (3, 50), (2, 4), (1, 600)):
            batch = pictures(count, side)
            np.testing.assert_array_equal(model(batch), Means()(batch))
        many = np.zeros((MOST_BYTES // (512 * 512 * 3) + 2, 512, 512, 3), np.uint8)
        many[-1] = 200
        assert model(many).tolist() == [0.0] * (len(many) - 1) + [200.0]


@given(st.lists(st.text(st.characters(exclude_categories=()))))
@example(["", "\0", "\ud800", "\N{PILE OF POO}" * 1000])
def test_any_text_arrives_as_it_is(texts):
    """Texts are told apart by their lengths, whatever they hold."""
    assert unpacked_texts(memoryview(b"".join(map(packed_text, texts))), len(texts)) == texts


@given(st.binary(), st.integers(0, 5))
def test_what_are_no_texts_is_refused(raw, count):
    """Bytes of any kind are texts or an error, never read beyond their end."""
    try:
        texts = unpacked_texts(memoryview(raw), count)
    except (ModelError, UnicodeDecodeError):
        return
    assert b"".join(map(packed_text, texts)) == raw
    assert len(texts) == count


def test_texts_go_the_same_way(host):
    """A model of texts gets them in turns; texts that are longer than what is handed over at once go in pieces."""
    host.serve()
    model = RemoteTextModel(ModelRequest.of(Lengths), host.address)
    assert model(["", "one", "\ud800" * 7] * 4).tolist() == [[0, 10], [3, 10], [7, 10]] * 3 + [[0, 10], [3, 2], [7, 2]]
    long = "x" * (MOST_BYTES // 2)
    assert model([long, "y", long]).tolist() == [[len(long), 2], [1, 2], [len(long), 1]]
    assert model([]).shape == (0, 2)
    model.close()


def test_clients_at_the_same_time_get_their_own_rows(host):
    """Threads of one process stand for workers; the model is loaded once for all of them."""
    Means.loads = 0
    host.serve()
    failed = []

    def work(number):
        batch = np.full((number + 3, 8, 8, 3), number, np.uint8)
        with remote(host, Means) as model:
            answers = [model(batch).tolist() for _ in range(20)]
        if answers != [[float(number)] * len(batch)] * 20:
            failed.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (failed, Means.loads) == ([], 1)


def test_a_death_is_not_noticed(host):
    """A call that nobody answers is made again."""
    host.serve(deaths=4)
    with remote(host, Means) as model:
        assert model(np.full((2, 4, 4, 3), 9, np.uint8)).tolist() == [9.0, 9.0]


def test_too_many_deaths_are(host):
    """A call that nobody answers again and again ends in one sentence."""
    host.serve(deaths=5)
    with remote(host, Means) as model, pytest.raises(ModelError, match=r"died 5 times.*memory ran out.*goes on"):
        model.setup()


def test_what_is_raised_there_is_raised_here(host, tmp_path):
    """Errors of ours with their fields, others as they are, and those that do not pickle in words."""
    host.serve()
    with remote(host, registry.create, name="clip-vit-base-patch3", model_dir=None) as model:
        with pytest.raises(UnknownModelError, match="did you mean 'clip-vit-base-patch32'"):
            model.setup()
        with pytest.raises(UnknownModelError):  # nobody remembers a failure
            model.setup()
    with (
        remote(host, registry.create, name="clip-vit-base-patch32", model_dir=str(tmp_path)) as model,
        pytest.raises(WeightsNotFoundError) as raised,
    ):
        model.setup()
    assert "model.safetensors" in str(raised.value)
    with remote(host, Raises) as model, pytest.raises(ModelError, match="Own: words"):
        model(pictures(1, 4))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((2, 4, 4, 3), np.float32),
        np.zeros((2, 4, 4), np.uint8),
        np.zeros((2, 4, 4, 4), np.uint8),
        np.zeros((2, 0, 4, 3), np.uint8),
        [],
        [np.zeros((4, 4, 3), np.uint8), np.zeros((5, 4, 3), np.uint8)],
        [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3), np.float32)],
    ],
)
def test_what_are_no_pictures_is_refused(host, wrong):
    """Nothing is handed over that is not uint8 RGB of one shape."""
    with remote(host, Means) as model, pytest.raises(ValueError, match=r"expected pictures of uint8 \(H, W, 3\)"):
        model(wrong)


def test_a_model_without_pictures_in_it_refuses_too(host, model_dir):
    """Pictures of another size than the model's are its own to refuse, in its own words."""
    host.serve()
    with (
        remote(host, registry.create, name="clip-vit-base-patch32", model_dir=model_dir) as model,
        pytest.raises(ValueError, match=r"expected uint8 \(N, 224, 224, 3\)"),
    ):
        model(pictures(1, 32))


def test_a_client_that_promises_more_than_it_gives_hurts_nobody(host):
    """The server reads nothing behind the memory that it was given, and answers others."""
    host.serve()
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            socket.send_fds(host.callers, [b"."], [theirs.fileno()])
        send_open(ours, ModelRequest.of(Means))
        receive_reply(ours)
        send_run(ours, Run(1, 10, 10, 300))
        with pytest.raises(ModelError, match="handed over less than the 300 bytes"):
            receive_reply(ours)
        memory = HandedMemory(299)
        send_run(ours, Run(1, 10, 10, 300, memory.descriptor))
        with pytest.raises(ModelError, match="handed over less than the 300 bytes"):
            receive_reply(ours)
        for run in (Run(2, 5, 5, 100), Run(3, 0, 0, 299), Run(2**32 - 1, 2**32 - 1, 2**32 - 1, 10)):
            send_run(ours, run)
            with pytest.raises(
                ModelError, match=r"do not take 100 bytes|3 texts, and handed over others|do not take 10 "
            ):
                receive_reply(ours)
        memory.close()
    with remote(host, Means) as model:
        assert model(np.full((1, 2, 2, 3), 7, np.uint8)).tolist() == [7.0]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the memory is a file without a name")
def test_memory_is_read_only_there_and_never_shrinks():
    """The inference process cannot write a worker's memory, and a worker cannot take it away from under it."""
    memory = HandedMemory(1000)
    memory.fill(np.full((1, 10, 10, 3), 5, np.uint8))
    seen = mapped(os.dup(memory.descriptor))
    assert seen[:300] == b"\x05" * 300
    with pytest.raises(TypeError):
        seen[0] = 1
    with pytest.raises(PermissionError):
        os.truncate(memory.descriptor, 10)
    memory.close()
    assert seen[:300] == b"\x05" * 300


def test_it_belongs_to_its_process():
    """A client does not pickle, and an address that is none is told."""
    model = RemoteModel(ModelRequest.of(Means), "file:socket")
    with pytest.raises(TypeError, match="make it in setup"):
        pickle.dumps(model)
    with pytest.raises(ModelError, match="no address of an inference process"):
        model.setup()


def test_equal_requests_are_one():
    """The order of arguments does not count, and a request comes through pickling as itself."""
    one = ModelRequest.of(registry.create, name="x", model_dir="y")
    other = ModelRequest.of(registry.create, model_dir="y", name="x")
    assert one == other == pickle.loads(pickle.dumps(one))  # noqa: S301 (just made here)
    assert len({one, other, ModelRequest.of(registry.create, name="x", model_dir="z")}) == 2
