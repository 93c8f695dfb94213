"""What a run uses of its machine, from its stages and what the user said."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from nemo_curator.codecs.limits import Limits
from nemo_curator.errors import MemoryBudgetError
from nemo_curator.models.request import ModelRequest
from nemo_curator.planning.means import Asked, Machine, image_bytes, memory_needs, plan_means
from nemo_curator.planning.memory import MOST_BATCH, least_budget
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.image.embedders.model_embedder import ImageModelEmbeddingStage
from nemo_curator.stages.image.filters.nsfw_model_filter import ImageNSFWModelFilterStage
from nemo_curator.stages.image.io.image_reader import ImageReaderStage

GB = 1_000_000_000
LAPTOP = Machine(cores=4, memory=16 * GB)
READ = [ImageReaderStage()]


@dataclass
class Held(ProcessingStage):
    """A stage whose models take so much, here or in a process of their own."""

    size: int = 0
    shared: str = ""

    def process(self, task):
        """Nothing is done."""
        return task

    def model_bytes(self):
        """As it was told."""
        return self.size

    def shared_models(self):
        """One, if it has a name."""
        return (ModelRequest.of(dict, name=self.shared),) if self.shared else ()


def test_a_usual_machine_changes_nothing():
    """One worker a core, whole batches, no turns."""
    means = plan_means(READ, 100, LAPTOP, Asked())
    assert (means.shares.workers, means.wanted) == (4, 4)
    assert not means.memory.is_shared
    assert means.memory.batch == MOST_BATCH


def test_a_small_machine_has_one_worker_and_refuses_nothing():
    """Where nobody named a budget, a run goes on as before; its batches are those of any machine."""
    means = plan_means(READ, 100, Machine(cores=4, memory=GB), Asked())
    assert (means.shares.workers, means.wanted) == (1, 4)
    assert means.memory.batch == MOST_BATCH


def test_a_budget_of_the_user_counts_as_it_is():
    """Fewer workers where there is no room for all, and one sentence where there is none for one."""
    needs = memory_needs(READ)
    tight = plan_means(READ, 100, LAPTOP, Asked(workers=8, memory=least_budget(needs)))
    assert (tight.shares.workers, tight.wanted) == (1, 8)
    with pytest.raises(MemoryBudgetError):
        plan_means(READ, 100, LAPTOP, Asked(memory=least_budget(needs) - 1))


def test_a_budget_above_the_machine_is_the_users_affair():
    """Nothing is taken back from what was said."""
    assert plan_means(READ, 100, Machine(4, GB), Asked(memory=50 * GB)).memory.budget == 50 * GB


def test_the_limits_of_the_reader_say_what_an_image_takes():
    """Decoding, and the files of the largest sample that is read."""
    limits = Limits(memory=200, bytes=10)
    assert image_bytes(limits) == 240
    assert memory_needs([ImageReaderStage(limits=limits)]).image == 240
    assert memory_needs([Held()]).image == image_bytes(Limits())


def test_models_count_where_they_are():
    """In each worker, or once a host, however many stages share one."""
    bare = memory_needs(READ)
    small = memory_needs([*READ, Held(5), Held(7)])
    assert (small.worker - bare.worker, small.inference) == (12, 0)
    large = memory_needs([*READ, Held(100, "a"), Held(100, "a"), Held(30, "b")])
    alone = memory_needs([*READ, Held(0, "a")])
    assert large.worker == bare.worker
    assert large.inference - alone.inference == 130


def test_the_models_of_the_default_recipe_are_counted():
    """What they take is about what was measured: 200 MB for both in a worker."""
    bare = memory_needs(READ)
    both = memory_needs([*READ, ImageNSFWModelFilterStage(), ImageModelEmbeddingStage()])
    assert 180_000_000 < both.worker - bare.worker < 300_000_000
