"""What one stage cost one task."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class StagePerfStats:
    """Cost of one call of a stage.

    Attributes:
        stage_name: The stage's name.
        process_time: Seconds inside the stage's `process_batch`.
        num_items_processed: Items in the tasks given to the call.
        custom_metrics: What the stage logged with `_log_metric`.
    """

    stage_name: str
    process_time: float = 0.0
    num_items_processed: int = 0
    custom_metrics: dict[str, float] = field(default_factory=dict)
