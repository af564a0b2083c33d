"""What generators write: prompts, graphs, job numbers and their own names, field by field."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from detect.provenance.metadata.fields import Field, Fields
from detect.provenance.metadata.marks import Mark, MarkKind, MarkStrength
from detect.provenance.text import clean

_A1111 = re.compile(r"Steps: \d+.*?Sampler: ", re.DOTALL)
_A1111_VALUES = {
    "model": re.compile(r"Model: ([^,\n]{1,120})"),
    "model_hash": re.compile(r"Model hash: ([0-9a-fA-F]{6,64})"),
    "sampler": re.compile(r"Sampler: ([^,\n]{1,60})"),
    "seed": re.compile(r"Seed: (\d{1,20})"),
    "version": re.compile(r"Version: ([^,\n]{1,60})"),
}
_MIDJOURNEY_JOB = re.compile(r"Job ID: ([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
_GROK_SIGNATURE = re.compile(r"^Signature: [A-Za-z0-9+/=]{64,}\s*$")
_UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", re.IGNORECASE)
_SAMSUNG = re.compile(r'"genAIType"\s*:\s*"?([0-9]{1,6})')
_AUDIO_MAKERS = re.compile(r"made with (suno|udio)|\b(suno|udio)\.(?:com|ai)\b", re.IGNORECASE)

# Names that stand in fields for software. A caption may mention them, so free text is not searched for these.
_TOOLS = re.compile(
    r"stable diffusion|novelai|midjourney|ideogram(?: ai|\.ai)|adobe firefly|dall[-·. ]?e\b|comfyui|invokeai"
    r"|automatic1111|stable-diffusion-webui|fooocus|leonardo[. ]ai|reve\.com|bing image creator|image creator from"
    r"|\bflux[. ]?[12]\b|google imagen|\bimagen [234]\b|draw things|\bsora\b|runway(?:ml| gen)|\bkling\b|\bveo [23]\b"
    r"|elevenlabs|suno|udio\b|playground ai|krea\.ai|recraft|nightcafe|grok image|gpt[- ]?image|\bseedream\b",
    re.IGNORECASE,
)
_TOOL_KEYS = frozenset(
    {
        *("software", "make", "generator", "encoder", "encoded_by", "encodedby", "tool", "source", "originator"),
        *("tsse", "tenc", "vendor", "producer", "application", "©too", "©swr", "com.apple.quicktime.software"),
        *("creatortool", "xmp:creatortool", "tiff:software", "tiff:make", "pdf:producer"),
    }
)
_TEXT_KEYS = frozenset(
    {
        *("parameters", "usercomment", "exif:usercomment", "imagedescription", "xpcomment", "dc:description"),
        *("comment", "description", "caption", "prompt", "workflow", "title", "license", "copyright"),
        *("©cmt", "©des", "comm", "tsrc", "wxxx", "woas", "wors", "url", "purl"),
    }
)
_INVOKE_KEYS = frozenset({"invokeai_metadata", "invokeai_graph", "sd-metadata", "dream"})
_MAX_VALUE = 500


def find_generator_marks(fields: Fields) -> Iterator[Mark]:
    """Yield a mark for every statement that generating software left in the fields."""
    for field in fields:
        key = field.key.lower()
        yield from _parameters(field)
        yield from _graph(field, key)
        yield from _named_chunks(field, key)
        if key in _TOOL_KEYS:
            yield from _tool(field)
        if key in _TEXT_KEYS:
            yield from _free_text(field)
        if field.carrier == "exif" and key in ("usercomment", "imagedescription"):
            yield from _platform_json(field)
    yield from _novelai(fields)
    yield from _grok(fields)
    yield from _draw_things(fields)
    yield from _samsung(fields)


def _parameters(field: Field) -> Iterator[Mark]:
    """A1111, Forge, SD.Next and all who copy their text; Fooocus writes JSON under the same key."""
    if not _A1111.search(field.value[:100_000]):
        return
    values: dict[str, object] = {}
    for name, pattern in _A1111_VALUES.items():
        match = pattern.search(field.value)
        if match:
            values[name] = clean(match[1])
    prompt = re.split(r"\n?Negative prompt:|\n?Steps: ", field.value, maxsplit=1)[0]
    values["prompt"] = clean(prompt, max_characters=_MAX_VALUE)
    yield _ai("generation_parameters", field, "Stable Diffusion parameters", "Stable Diffusion web UI", values)


def _graph(field: Field, key: str) -> Iterator[Mark]:
    """ComfyUI: the executed graph (`prompt`, nodes with `class_type`) and the editor's (`workflow`)."""
    body = field.value
    if field.carrier == "exif" and key in ("make", "model", "imagedescription"):
        prefix, found, body = body.partition(":")
        if not found or prefix.strip().lower() not in ("workflow", "prompt"):
            return
    elif key not in ("prompt", "workflow", "comment", "©cmt", "description"):
        return
    data = _json_object(body)
    if data is None:
        return
    graphs = [data, *(item for item in map(_as_object, (data.get("prompt"), data.get("workflow"))) if item)]
    if any(_is_graph(item) for item in graphs):
        yield _ai("comfyui_graph", field, "a ComfyUI generation graph", "ComfyUI", {})


def _is_graph(data: dict[str, Any]) -> bool:
    nodes = data.get("nodes")
    if isinstance(nodes, list) and any(isinstance(node, dict) and "type" in node for node in nodes):
        return True
    return any(isinstance(node, dict) and "class_type" in node for node in data.values())


def _named_chunks(field: Field, key: str) -> Iterator[Mark]:
    if field.carrier == "png_text" and key in _INVOKE_KEYS:
        yield _ai("invokeai_metadata", field, "InvokeAI metadata", "InvokeAI", {})
    elif key == "fooocus_scheme":
        yield _ai("fooocus_metadata", field, "Fooocus metadata", "Fooocus", {})
    elif key == "hf-job-id":
        yield Mark(
            "hugging_face_job",
            MarkKind.WEAK_AI,
            field.carrier,
            "A Hugging Face job number stands in the file.",
            tool="Hugging Face",
            strength=MarkStrength.WEAK,
        )
    elif key.rpartition(":")[2] == "mediaprovenance":
        yield _ai("media_provenance_tag", field, "a MediaProvenance tag", "Replicate", {})


def _tool(field: Field) -> Iterator[Mark]:
    match = _TOOLS.search(field.value[:2000])
    if match:
        yield _ai("generator_name", field, f"the generator's name in {clean(field.key)}", clean(match[0]), {})


def _free_text(field: Field) -> Iterator[Mark]:
    job = _MIDJOURNEY_JOB.search(field.value[:20_000])
    if job:
        prompt = clean(field.value.partition("Job ID:")[0], max_characters=_MAX_VALUE)
        yield _ai("midjourney_job", field, "a Midjourney job", "Midjourney", {"job_id": job[1], "prompt": prompt})
    maker = _AUDIO_MAKERS.search(field.value[:20_000])
    if maker:
        name = (maker[1] or maker[2]).capitalize()
        yield _ai("audio_generator_comment", field, f"a comment of {name}", name, {})


def _platform_json(field: Field) -> Iterator[Mark]:
    """Tencent and ByteDance write their own JSON into EXIF, beside or instead of the standard label."""
    data = _json_object(field.value)
    if data is None:
        return
    if {"ServiceProvider", "ServiceUser"} <= data.keys():
        yield _ai("service_provider_tag", field, "a ServiceProvider label", clean(data["ServiceProvider"]), {})
    if str(data.get("aigc_label_type")) in ("1", "2"):
        yield _ai("aigc_label_type", field, "an aigc_label_type label", "ByteDance", {})


def _novelai(fields: Fields) -> Iterator[Mark]:
    software = fields.first("png_text", "Software")
    title = fields.first("png_text", "Title")
    if title == "AI generated image" and software != "NovelAI":  # the Software field alone is found by name
        yield Mark("ai_title", MarkKind.AI, "png_text", "The title says: AI generated image.")


def _grok(fields: Fields) -> Iterator[Mark]:
    if _GROK_SIGNATURE.match(fields.first("exif", "ImageDescription")) and _UUID.match(fields.first("exif", "Artist")):
        text = "A signature and a picture number in the form that xAI Grok writes stand in EXIF."
        yield Mark("grok_signature", MarkKind.AI, "exif", text, tool="xAI Grok")


def _draw_things(fields: Fields) -> Iterator[Mark]:
    for field in fields:
        if field.key.lower() not in ("usercomment", "exif:usercomment"):
            continue
        data = _json_object(field.value)
        if data and {"sampler", "steps", "seed"} <= data.keys() and ("model" in data or "c" in data):
            values = {"model": clean(data.get("model")), "prompt": clean(data.get("c"), max_characters=_MAX_VALUE)}
            yield _ai("draw_things_parameters", field, "Draw Things parameters", "Draw Things", values)


def _samsung(fields: Fields) -> Iterator[Mark]:
    for value in fields.values("trailer", "PhotoEditor_Re_Edit_Data"):
        match = _SAMSUNG.search(value)
        if match and int(match[1]):
            text = "Samsung's photo editor recorded a generative edit."
            yield Mark("samsung_genai_edit", MarkKind.EDITED_AI, "trailer", text, tool="Samsung Galaxy AI")


def _ai(code: str, field: Field, what: str, tool: str, values: Mapping[str, object]) -> Mark:
    text = f"Unsigned metadata ({field.carrier}) holds {what}."
    return Mark(code, MarkKind.AI, field.carrier, text, tool=tool, values=values)


def _as_object(value: object) -> dict[str, Any] | None:
    if isinstance(value, str):
        return _json_object(value)
    return value if isinstance(value, dict) else None


def _json_object(text: str) -> dict[str, Any] | None:
    text = text.strip()
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
