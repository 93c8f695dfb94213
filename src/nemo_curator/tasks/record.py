"""What stays in a batch of an image that left it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nemo_curator.kernels.header import ImageHeader
from nemo_curator.kernels.source import Source

Scalar = float | int | str | bool | None


@dataclass(slots=True)
class Record:
    """One image that was rejected or quarantined, and why.

    Attributes:
        image_id: Its id.
        verdict: `reject` or `quarantine`.
        stage: Name of the stage that decided.
        rule: The rule that rejected it (the stage's name in a hand-made pipeline), or "" for a quarantine.
        score: The value compared, where there was one.
        threshold: What it was compared with.
        code: Error code of a quarantine (`decode_failed`, `not_an_image`, `worker_died`, …), or "".
        detail: One sentence for a person.
        source: Where its bytes lie.
        header: What was known of the image before it left.
        scores: The columns that were already computed.
        sidecars: Sidecar bytes by member name, kept because a report shows captions of rejected images too.
        metadata: What the sidecar JSON says.
        truncated: As the image's own.
        warnings: As the image's own.
    """

    image_id: str
    verdict: str
    stage: str
    rule: str = ""
    score: float | None = None
    threshold: float | None = None
    code: str = ""
    detail: str = ""
    source: Source = field(default_factory=Source)
    header: ImageHeader | None = None
    scores: dict[str, Scalar] = field(default_factory=dict)
    sidecars: dict[str, bytes] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    truncated: bool | None = None
    warnings: tuple[str, ...] = ()
