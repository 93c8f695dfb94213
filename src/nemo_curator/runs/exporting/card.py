"""The card of a data set, as the Hugging Face Hub shows it: what is in it, what was left out and why.

It holds no time, host or path. What users and files said stands in code spans and fenced blocks, where Markdown and
HTML have no power; what cannot be printed is written as its escape.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import yaml

from nemo_curator.runs.exporting.survey import OTHERS, Survey

NAME = "README.md"
_MOST = 20  # values of a table
_LONGEST = 120  # characters of one
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LARGER = ((10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B"))
_LARGEST = ((10**10, "1B<n<10B"), (10**11, "10B<n<100B"), (10**12, "100B<n<1T"))
_WORDS = {
    "same_bytes": "equal bytes",
    "same_pixels": "equal pixels",
    "copy": "edited copies",
    "similar": "look-alikes",
}


def card(manifest: Mapping[str, Any], found: Survey) -> bytes:
    """Write a card.

    Args:
        manifest: The data set's manifest.
        found: What its rows come to.
    """
    sections = (
        _head(manifest),
        _summary(manifest, found),
        _funnel(manifest["funnel"]),
        _recipe(manifest),
        _duplicates(manifest),
        _images(manifest, found),
        _rights(manifest, found),
        _limits(manifest),
    )
    text = "\n".join(line for section in sections for line in (*section, ""))
    return text.rstrip("\n").encode("utf-8", "backslashreplace") + b"\n"


def code(text: Any, longest: int = _LONGEST) -> str:
    """A text as a code span, also in a table; what cannot be printed is escaped, what is long is cut."""
    plain = "".join(_visible(one) for one in " ".join(str(text).split())).replace("|", r"\x7c")  # which ends a cell
    plain = plain if len(plain) <= longest else f"{plain[: longest - 1]}…"
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", plain)), default=0))
    space = " " if plain.startswith("`") or plain.endswith("`") or not plain else ""
    return f"{ticks}{space}{plain}{space}{ticks}"


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def fenced(text: str, kind: str = "yaml") -> Iterator[str]:
    """A text as a fenced block that it cannot end."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    lines = ["".join(_visible(one) for one in line) for line in text.splitlines()]
    yield from (f"{fence}{kind}", *lines, fence)


def _head(manifest: Mapping[str, Any]) -> Iterator[str]:
    """What the Hub reads: the size, and which files are which split."""
    samples = manifest["samples"]
    size = next((name for bound, name in (*_SIZES, *_LARGER, *_LARGEST) if samples < bound), "n>1T")
    yield from ("---", "license: unknown", "tags:", "- image", "- imagecurator", "size_categories:", f"- {size}")
    end = {"webdataset": ".tar", "parquet": ".parquet"}.get(manifest["format"])
    splits = [name for name, count in (manifest["splits"] or {"": samples}).items() if count]
    if end is not None and splits:
        yield from ("configs:", "- config_name: default", "  data_files:")
        for split in splits:
            front = f"{split}/" if split else ""
            yield from (f'  - split: "{split.replace("-", "_") or "train"}"', f'    path: "{front}[0-9]*{end}"')
    yield "---"


def _summary(manifest: Mapping[str, Any], found: Survey) -> Iterator[str]:
    samples = manifest["samples"]
    yield from ("# Images curated by imagecurator", "")
    yield f"{samples:,} samples, {manifest['bytes']:,} bytes, in the format `{manifest['format']}`."
    yield "`manifest.json` has the hash of every file; the Parquet of each shard has everything known of its samples."
    if manifest["splits"]:
        yield from ("", "| split | samples | share |", "|---|---:|---:|")
        yield from (_row(code(name), count, samples) for name, count in manifest["splits"].items())
    inputs = {name: count for name, count in found.counts.get("input", Counter()).items() if name}
    if inputs:
        yield from ("", "| input | samples | share |", "|---|---:|---:|")
        yield from _values(Counter(inputs), samples)


def _row(name: str, count: int, whole: int) -> str:
    return f"| {name} | {count:,} | {count / whole if whole else 0:.1%} |"


def _values(counter: Counter[str], whole: int) -> Iterator[str]:
    """The commonest values, then the others together."""
    ordered = sorted(counter.items(), key=lambda pair: (pair[0] == OTHERS, -pair[1], pair[0]))
    yield from (_row(code(name), count, whole) for name, count in ordered[:_MOST])
    rest = ordered[_MOST:]
    if rest:
        yield _row(f"{len(rest):,} others", sum(count for _, count in rest), whole)


def _funnel(funnel: Mapping[str, Any]) -> Iterator[str]:
    inputs = funnel.get("inputs", 0)
    yield from ("## What became of every input", "", "| step | images | share |", "|---|---:|---:|")
    yield _row("inputs", inputs, inputs)
    for name, count in (funnel.get("quarantined") or {}).items():
        yield _row(f"could not be used: {code(name)}", count, inputs)
    for name, count in (funnel.get("rejected") or {}).items():
        yield _row(f"rejected by {code(name)}", count, inputs)
    alike = funnel.get("alike") or {"same_bytes": funnel.get("duplicates", 0)}
    for name, count in alike.items():
        yield _row(f"duplicates: {_WORDS.get(name, code(name))}", count, inputs)
    yield _row("kept", funnel.get("kept", 0), inputs)
    yield from ("", "The first rule that matched counts, in this order.")


def _recipe(manifest: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## The recipe", "")
    yield from fenced(yaml.safe_dump(dict(manifest["recipe"]), sort_keys=False, allow_unicode=True))
    lists = manifest.get("lists") or {}
    if lists:
        yield from ("", "| list | file | entries | SHA-256 |", "|---|---|---:|---|")
        for name, one in lists.items():
            count = next((value for value in one.values() if isinstance(value, int)), 0)
            yield f"| {code(name)} | {code(one.get('name', ''))} | {count:,} | {code(one.get('sha256', ''))} |"


def _duplicates(manifest: Mapping[str, Any]) -> Iterator[str]:
    recipe, funnel = manifest["recipe"], manifest["funnel"]
    section = recipe.get("duplicates") or {}
    ways = [_WORDS["same_bytes"]] if section.get("bytes", True) else []
    ways += [_WORDS["same_pixels"]] if section.get("pixels") else []
    if section.get("copies"):
        ways.append(f"edited copies (PDQ hashes within {section['copies'].get('distance')} bits)")
    if section.get("similar"):
        ways.append(f"look-alikes (1 - cosine of embeddings up to {section['similar'].get('eps')})")
    yield from ("## Duplicates and evaluation sets", "")
    if ways and section.get("within", True):
        yield f"Looked for: {', '.join(ways)}. Of each group one image stayed."
    else:
        yield "Duplicates within the inputs were not looked for."
    for name, count in (funnel.get("earlier") or {}).items():
        yield f"Compared with the earlier run {code(name)}: {count:,} duplicates of images that it kept."
    protected = funnel.get("protected") or {}
    for name, count in protected.items():
        leaks, unreadable = (funnel.get("leaks") or {}).get(name, 0), (funnel.get("unreadable") or {}).get(name, 0)
        rejected = (
            "1 input that shows one of them was" if leaks == 1 else f"{leaks:,} inputs that show one of them were"
        )
        yield f"Protected: {count:,} images of {code(name)}; {rejected} rejected."
        if unreadable:
            yield f"{unreadable:,} images of that set could not be read, and protect nothing."
    if not protected:
        yield "No evaluation set was protected: nobody looked whether images of one are in here."


def _images(manifest: Mapping[str, Any], found: Survey) -> Iterator[str]:
    samples = manifest["samples"]
    yield from ("## The images", "", "| format | images | share |", "|---|---:|---:|")
    yield from _values(found.counts.get("format", Counter()), samples)
    sides = np.concatenate([np.zeros(0, np.int64), *found.sides])
    if len(sides):
        low, middle, high = (int(one) for one in np.quantile(sides, (0, 0.5, 1), method="lower"))
        yield from ("", f"Shorter side: {low:,} pixels at least, {middle:,} in the middle, {high:,} at most.")
    yield from ("", f"{found.captions:,} of {samples:,} samples have a caption.")
    rendition = manifest.get("rendition")
    if rendition is None:
        yield from ("", "Every image has exactly the bytes that it came with.")
        return
    made = found.flags["rendered"]
    others = samples - made
    were = f"{made:,} image{' was' if made == 1 else 's were'} made smaller or encoded anew"
    yield from ("", f"{were}{f', the other {others:,} have the bytes that they came with' if others else ''}.")
    yield from ("The column `rendered` tells which, and `sha256` is that of the original.", "")
    plain = {name: rendition.get(name) for name in ("resize", "encode")}
    yield from fenced(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))


def _rights(manifest: Mapping[str, Any], found: Survey) -> Iterator[str]:
    samples = manifest["samples"]
    yield from ("## Rights", "")
    licences = found.counts.get("licence")
    if licences is None:
        yield "Nobody looked what the files say about who may use them (the score `rights` was not computed)."
        return
    yield "What the files say about themselves. Nothing was verified; a file that says nothing is not free for that."
    without = licences.get("", 0)
    named = Counter({name: count for name, count in licences.items() if name})
    yield from ("", "| licence | images | share |", "|---|---:|---:|")
    yield from _values(named, samples)
    yield _row("none named", without, samples)
    yield ""
    yield f"Reserved against mining or training by a field of the file: {found.flags['ai_opt_out']:,}."
    yield f"Said to be made by a generative model, or part of it: {found.flags['ai_generated']:,}."


def _limits(manifest: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## What is not known", "")
    yield "- Scores of models are estimates: a rule over one keeps some images that it should not, and rejects others."
    yield "- Duplicates are found by the ways named above, and by no other."
    yield "- Nobody looked at the images for this card, nor at what they show of people."
    for name, why in (
        ("missing", "their sources were gone or changed"),
        ("failed", "they could not be encoded anew"),
    ):
        if manifest.get(name):
            count = len(manifest[name])
            yield f"- {count:,} kept samples are not in here, because {why}: see `{name}` in `manifest.json`."
    if manifest.get("removed"):
        yield f"- {manifest['removed']:,} samples were taken out after the export."
    versions = ", ".join(f"{name} {version}" for name, version in dict(manifest.get("versions") or {}).items())
    yield from ("", f"Made by imagecurator {manifest['imagecurator']} with {code(versions, 1000)}.")
