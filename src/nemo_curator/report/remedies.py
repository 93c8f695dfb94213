"""Why an input cannot be used, and what may be done about it, by the code of its record."""

from __future__ import annotations

_REMEDIES = {
    "not_an_image": (
        "The bytes are of no known image format.",
        "Often an error page saved as .jpg, an SVG or an archive: unpack archives. What is no picture may stay here.",
    ),
    "decode_failed": (
        "The format is known, but the data do not decode.",
        "It is damaged: fetch it again, or leave it out. `decode.truncated: accept` keeps what there is of a cut JPEG.",
    ),
    "over_limit": (
        "It exceeds a limit of the recipe; nothing was allocated for it.",
        "If you trust the source, raise the limit that the detail names, and `run` with `--rescore --replace`.",
    ),
    "unreadable": (
        "Its bytes could not be read.",
        "No permission, gone since it was listed, or changed while it was read: mend the cause and run again.",
    ),
    "not_fetched": (
        "A row of a list of URLs whose image was not fetched; the detail says why.",
        "`imagecurator fetch --retry-failed` asks again for what may have passed; what a site refuses stays here.",
    ),
    "no_image": (
        "A sample without an image.",
        "Archives inside a shard are not opened: unpack them and name them as inputs.",
    ),
    "incomplete": ("The shard ends inside the sample.", "Fetch the shard again; the samples before it are there."),
    "damaged_shard": (
        "A shard is damaged, or its compression is.",
        "Fetch it again; the samples before the damage are in your data set.",
    ),
    "duplicate_member": ("A name that came earlier in its shard.", "Pack the shard again if both files matter."),
    "unsupported_member": (
        "A link, a device or a sparse file in a tar, which is never followed.",
        "Pack the shard again with the file itself, if it matters.",
    ),
    "nan_score": (
        "A score came out as no number.",
        "Look at the picture: a model that fails on it fails on its like. A score of your own may need a fix.",
    ),
    "stage_failed": ("A stage raised an error on this image alone.", "Mend the stage that the detail names."),
    "worker_died": (
        "Reading or scoring it ended its process, took too long or too much memory, twice.",
        "Raise `limits.seconds` or `limits.memory` if the detail says so; else tell the authors of the decoder.",
    ),
    "sample_error": ("Some other trouble with one sample.", "The detail says what happened."),
    "unknown": (
        "A stage written elsewhere refused it without a code.",
        "The detail, if there is one, is that stage's.",
    ),
    "dropped": ("A stage written elsewhere dropped it without a word.", "Ask that stage what it drops."),
}
_UNKNOWN = ("", "The detail says what happened.")


def remedy(code: str) -> tuple[str, str]:
    """What a code means, and what may be done about it, a sentence or two each."""
    return _REMEDIES.get(code, _UNKNOWN)
