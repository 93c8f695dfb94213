"""What a run uses of its machine, in words and for machines."""

from __future__ import annotations

from typing import Any

from nemo_curator.cli.amounts import amount, counted
from nemo_curator.planning.means import Means


def means_facts(means: Means) -> dict[str, Any]:
    """Plain data, as `--json` prints it; amounts in bytes."""
    memory = means.memory
    return {
        "workers": means.shares.workers,
        "inference_threads": means.shares.inference_threads,
        "memory": {
            "budget": memory.budget,
            "most": memory.most,
            "command": memory.needs.command,
            "inference": memory.needs.inference,
            "each_worker": memory.each,
            "images_of_a_worker": memory.batch,
            "one_image_without_a_turn": memory.own,
            "turns": memory.shared,
        },
    }


def means_lines(means: Means) -> list[str]:
    """Lines of a plan."""
    memory, workers = means.memory, means.shares.workers
    where = f"on {counted(workers, 'worker')} of one thread" if workers else "in the command's own process"
    fewer = f" (there is memory for no more of {means.wanted:,})" if workers < means.wanted else ""
    threads = means.shares.inference_threads
    models = f", models on {counted(threads, 'thread')} in a process of their own" if threads else ""
    parts = [f"command {amount(memory.needs.command)}"]
    parts += [f"models {amount(memory.needs.inference)}"] if memory.needs.inference else []
    parts.append(f"each worker {amount(memory.each)}")
    parts += [f"{amount(memory.shared)} for large images in turns"] if memory.is_shared else []
    return [
        f"  {where}{fewer}{models}",
        f"  memory: at most {amount(memory.most)} of {amount(memory.budget)} ({', '.join(parts)})",
    ]
