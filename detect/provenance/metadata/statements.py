"""What standards and cameras write: digital source type, IPTC's AI fields, credits, legal labels, make and model."""

from __future__ import annotations

import re
from collections.abc import Iterator

from detect.provenance import sourcetypes
from detect.provenance.metadata.fields import Fields
from detect.provenance.metadata.gb45438 import LABEL_MEANINGS, find_labels
from detect.provenance.metadata.marks import Mark, MarkKind, MarkStrength
from detect.provenance.text import clean

_AI_FIELDS = ("AISystemUsed", "AISystemVersionUsed", "AIPromptInformation", "AIPromptWriterName")
_CREDIT_KEYS = (("xmp", "photoshop:Credit"), ("iptc", "Credit"))
_MADE_WITH = re.compile(r"^made with google ai$|^made with ai$|^imagined with ai", re.IGNORECASE)
_EDITED_WITH = re.compile(r"^edited with google ai", re.IGNORECASE)
_NOT_CAMERAS = re.compile(
    r"^(workflow|prompt)\s*:|ideogram|adobe|gimp|photoshop|stable diffusion|midjourney", re.IGNORECASE
)
_QUICKTIME_MAKES = ("com.apple.quicktime.make", "com.android.manufacturer")
_QUICKTIME_MODELS = ("com.apple.quicktime.model", "com.android.model")
_ALGORITHMIC = frozenset({"algorithmicMedia", "dataDrivenMedia"})


def find_statement_marks(fields: Fields) -> Iterator[Mark]:
    """Yield a mark for every standardised statement about origin."""
    yield from _source_types(fields)
    yield from _ai_fields(fields)
    yield from _credits(fields)
    yield from _legal_labels(fields)
    yield from _cameras(fields)


def _source_types(fields: Fields) -> Iterator[Mark]:
    for value in fields.values("xmp", "Iptc4xmpExt:DigitalSourceType"):
        name = sourcetypes.normalise(value)
        if name is None:
            continue
        kind, strength = _kind_of(name)
        if kind is not None:
            text = f"Unsigned metadata (XMP) gives the digital source type {name}."
            yield Mark("iptc_source_type", kind, "xmp", text, strength=strength, values={"source_type": name})


def _kind_of(name: str) -> tuple[MarkKind | None, MarkStrength]:
    if name in sourcetypes.GENERATED:
        return MarkKind.AI, MarkStrength.PLAIN
    if name in sourcetypes.PARTLY_GENERATED:
        return MarkKind.EDITED_AI, MarkStrength.PLAIN
    if name in _ALGORITHMIC:
        return MarkKind.WEAK_AI, MarkStrength.WEAK
    if name in sourcetypes.CAPTURE or name == "compositeCapture":
        return MarkKind.CAPTURE_CLAIM, MarkStrength.PLAIN
    return None, MarkStrength.PLAIN


def _ai_fields(fields: Fields) -> Iterator[Mark]:
    values = {name: clean(fields.first("xmp", f"Iptc4xmpExt:{name}"), max_characters=500) for name in _AI_FIELDS}
    values = {name: value for name, value in values.items() if value}
    if values:
        tool = values.get("AISystemUsed", "")
        text = "Unsigned metadata (XMP) fills the IPTC fields for AI systems" + (f": {tool}." if tool else ".")
        yield Mark("iptc_ai_fields", MarkKind.AI, "xmp", text, tool=tool, values=values)


def _credits(fields: Fields) -> Iterator[Mark]:
    for carrier, key in _CREDIT_KEYS:
        for value in fields.values(carrier, key):
            text = f"The credit line says: {clean(value, max_characters=80)}."
            if _MADE_WITH.search(value.strip()):
                yield Mark("ai_credit_line", MarkKind.AI, carrier, text, tool=clean(value, max_characters=80))
            elif _EDITED_WITH.search(value.strip()):
                yield Mark("ai_credit_line", MarkKind.EDITED_AI, carrier, text, tool=clean(value, max_characters=80))


def _legal_labels(fields: Fields) -> Iterator[Mark]:
    for label in find_labels(list(fields)):
        meaning = LABEL_MEANINGS.get(label.label, "label without a known meaning")
        producer = label.producer_name or clean(label.values.get("ContentProducer"), max_characters=80)
        text = f"Chinese implicit label (GB 45438-2025, {label.carrier}): {meaning}" + (
            f", producer {producer}." if producer else "."
        )
        values: dict[str, object] = {name: clean(value) for name, value in label.values.items()}
        yield Mark(
            "gb45438_label",
            MarkKind.AI if label.is_certain else MarkKind.WEAK_AI,
            label.carrier,
            text,
            tool=producer,
            strength=MarkStrength.PLAIN if label.is_certain else MarkStrength.POSSIBLE,
            values=values | {"label_meaning": meaning},
        )


def _cameras(fields: Fields) -> Iterator[Mark]:
    """Camera names in EXIF and QuickTime: anyone can write them, so they weigh nothing."""
    make = fields.first("exif", "Make") or fields.first("container", *_QUICKTIME_MAKES)
    model = fields.first("exif", "Model") or fields.first("container", *_QUICKTIME_MODELS)
    if not make or not model or _NOT_CAMERAS.search(make) or _NOT_CAMERAS.search(model):
        return
    carrier = "exif" if fields.first("exif", "Make") else "container"
    taken = fields.first("exif", "DateTimeOriginal", "DateTime") or fields.first(
        "container", "com.apple.quicktime.creationdate", "creation_time"
    )
    values = {"make": clean(make), "model": clean(model), "taken": clean(taken)}
    text = f"Unsigned metadata names a camera, {clean(make)} {clean(model)}; easily forged, so it counts for nothing."
    yield Mark("unsigned_camera_claim", MarkKind.CAPTURE_CLAIM, carrier, text, values=values)
