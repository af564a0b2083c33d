"""C2PA files in every provenance state, signed by a test authority."""

from __future__ import annotations

import datetime as dt
import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import c2pa
import numpy as np
from PIL import Image

from tests.unit.provenance.pki import NOW, Pki, Signer
from tests.unit.provenance.samples import MIME, encode_picture, make_media, make_picture

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
CAPTURE = SOURCE_TYPE + "digitalCapture"
AI = SOURCE_TYPE + "trainedAlgorithmicMedia"
AI_COMPOSITE = SOURCE_TYPE + "compositeWithTrainedAlgorithmicMedia"

OPENED_PARENT = {"action": "c2pa.opened", "parameters": {"ingredientIds": ["parent"]}}
SHORT_LIFE_S = 5


def created(source_type: str | None, agent: str) -> dict[str, Any]:
    action = {"action": "c2pa.created", "softwareAgent": {"name": agent, "version": "1.0"}, "when": NOW.isoformat()}
    return action | ({"digitalSourceType": source_type} if source_type else {})


def manifest(title: str, generator: str, *actions: dict[str, Any], **assertions: Any) -> dict[str, Any]:
    """A manifest definition whose actions the signer vouches for; more assertions by label."""
    data = {"actions": list(actions), "allActionsIncluded": True}
    more = [{"label": label.replace("_", "."), "data": value, "created": True} for label, value in assertions.items()]
    return {
        "claim_generator_info": [{"name": generator, "version": "1.0"}],
        "title": title,
        "assertions": [{"label": "c2pa.actions.v2", "data": data, "created": True}, *more],
    }


CAMERA = manifest("capture", "TestCam", created(CAPTURE, "Camera FW"))
GENERATOR = manifest("generated", "TestGen", created(AI, "Test Gen Model 4"))
FILLED = manifest(
    "filled",
    "TestEdit",
    OPENED_PARENT,
    {"action": "c2pa.edited", "digitalSourceType": AI_COMPOSITE, "softwareAgent": {"name": "Generative Fill"}},
)


@dataclass(frozen=True)
class Part:
    """A file that goes into another."""

    data: bytes
    mime: str
    title: str
    label: str = "parent"
    relationship: str = "parentOf"


def sign(
    source: bytes,
    mime: str,
    definition: dict[str, Any],
    signer: Signer,
    *,
    parts: tuple[Part, ...] = (),
    time_stamp_url: str | None = None,
    remote_url: str | None = None,
    anchors: str = "",
) -> tuple[bytes, bytes]:
    """Return (signed file, manifest bytes); with `remote_url` the manifest is not embedded.

    `anchors` are those of the signing tool, which stores its view of every part.
    """
    settings: dict[str, Any] = {"verify": {"verify_after_sign": False, "remote_manifest_fetch": False}}
    if anchors:
        settings["trust"] = {"trust_anchors": anchors}
    builder = c2pa.Builder(definition, context=c2pa.Context.from_dict(settings))
    if remote_url:
        builder.set_remote_url(remote_url)
        builder.set_no_embed()
    for part in parts:
        description = {
            "title": part.title,
            "relationship": part.relationship,
            "label": part.label,
            "instance_id": part.label,
        }
        builder.add_ingredient(description, part.mime, io.BytesIO(part.data))
    info = c2pa.C2paSignerInfo(
        c2pa.C2paSigningAlg.ES256, signer.chain_pem.encode(), signer.key_pem.encode(), time_stamp_url
    )
    signed = io.BytesIO()
    manifest_bytes = builder.sign(c2pa.Signer.from_info(info), mime, io.BytesIO(source), signed)
    return signed.getvalue(), bytes(manifest_bytes)


class Signers:
    """One leaf a role."""

    def __init__(self, pki: Pki) -> None:
        self.camera = pki.leaf("Test Camera X", "Test Camera Maker")
        self.generator = pki.leaf("Test Image Generator", "Test GenAI Vendor")
        self.editor = pki.leaf("Test Photo Editor", "Test Editor Vendor")
        self.unknown = pki.leaf("Unknown signer", "Nobody", is_foreign=True)
        self.pki = pki

    def short_lived(self) -> Signer:
        """An expired signer is refused, so this one expires between signing and reading."""
        now = dt.datetime.now(dt.UTC)
        start, end = now - dt.timedelta(minutes=5), now + dt.timedelta(seconds=SHORT_LIFE_S)
        return self.pki.leaf("Short lived", "Test Camera Maker", valid_from=start, valid_to=end)


def make_states(folder: Path, who: Signers) -> dict[str, Path]:
    """Write every state in every format, and the special ones as JPEG; return file name to path."""
    media = make_media()
    made = {"expired.jpg": sign(media["jpg"], MIME["jpg"], CAMERA, who.short_lived())[0]}
    for suffix, source in media.items():
        made |= _basic(suffix, source, who)
    made |= _tampered(made["camera.jpg"])
    made |= _lineage(made, who)
    for name, data in made.items():
        (folder / name).write_bytes(data)
    return {name: folder / name for name in made}


def _basic(suffix: str, source: bytes, who: Signers) -> dict[str, bytes]:
    mime = MIME[suffix]
    camera = sign(source, mime, CAMERA, who.camera)[0]
    evil = manifest("capture", "Evil", created(CAPTURE, "Fake cam"))
    chain = sign(camera, mime, FILLED, who.editor, parts=(Part(camera, mime, "capture"),))[0]
    return {
        f"none.{suffix}": source,
        f"camera.{suffix}": camera,
        f"ai.{suffix}": sign(source, mime, GENERATOR, who.generator)[0],
        f"chain.{suffix}": chain,
        f"tampered.{suffix}": flip_media_byte(source, camera),
        f"untrusted.{suffix}": sign(source, mime, evil, who.unknown)[0],
        f"truncated.{suffix}": camera[: int(len(camera) * 0.6)],
    }


def _tampered(camera: bytes) -> dict[str, bytes]:
    picture = make_picture()
    other = encode_picture(Image.fromarray(255 - np.asarray(picture)), "JPEG", quality=90)
    return {
        "tampered_assertion.jpg": replace_once(camera, b"Camera FW", b"CameraXFW"),
        "tampered_claim.jpg": replace_once(camera, b"TestCam", b"Fake!!!"),
        "transplanted.jpg": other[:2] + jumbf_segments(camera) + other[2:],
        "stripped.jpg": encode_picture(Image.open(io.BytesIO(camera)), "JPEG", quality=80),
    }


def _lineage(made: dict[str, bytes], who: Signers) -> dict[str, bytes]:
    mime, camera, tampered = MIME["jpg"], made["camera.jpg"], made["tampered.jpg"]
    edit = manifest("edit", "TestEdit", OPENED_PARENT)
    color = manifest("edit", "TestEdit", OPENED_PARENT, {"action": "c2pa.color_adjustments"})
    old = manifest("x", "Microsoft_Responsible_AI", created(None, "Image Creator"))
    # Version 1 of claims and actions needs no source type.
    old |= {"claim_version": 1, "assertions": [{**old["assertions"][0], "label": "c2pa.actions"}]}
    placed = {"action": "c2pa.placed", "parameters": {"ingredientIds": ["comp1"]}}
    composite = manifest("comp", "TestEdit", OPENED_PARENT, placed)
    parts = (
        Part(camera, mime, "capture"),
        Part(made["ai.jpg"], mime, "generated", label="comp1", relationship="componentOf"),
    )
    return {
        "bad_parent.jpg": sign(tampered, mime, edit, who.editor, parts=(Part(tampered, mime, "changed"),))[0],
        "ai_component.jpg": sign(camera, mime, composite, who.editor, parts=parts)[0],
        "edited.jpg": sign(camera, mime, color, who.editor, parts=(Part(camera, mime, "capture"),))[0],
        "untrusted_parent.jpg": sign(
            made["untrusted.jpg"], mime, edit, who.editor, parts=(Part(made["untrusted.jpg"], mime, "capture"),)
        )[0],
        "unknown_parent.jpg": sign(
            made["none.jpg"], mime, edit, who.editor, parts=(Part(made["none.jpg"], mime, "found"),)
        )[0],
        "ai_parent.jpg": sign(made["ai.jpg"], mime, edit, who.editor, parts=(Part(made["ai.jpg"], mime, "gen"),))[0],
        "untrusted_ai.jpg": sign(made["none.jpg"], mime, GENERATOR, who.unknown)[0],
        "old_generator.jpg": sign(made["none.jpg"], mime, old, who.editor)[0],
    }


def flip_media_byte(unsigned: bytes, signed: bytes) -> bytes:
    """Change one byte of the payload and never of the manifest: find a run of the unsigned file in the signed one."""
    for fraction in (0.9, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2):
        start = int(len(unsigned) * fraction)
        found = signed.find(unsigned[start : start + 24])
        if found >= 0:
            changed = bytearray(signed)
            changed[found + 8] ^= 0x55
            return bytes(changed)
    raise AssertionError("the payload of the unsigned file was not found in the signed one")


def replace_once(data: bytes, old: bytes, new: bytes) -> bytes:
    assert len(old) == len(new), "the length must stay, or every box moves"
    at = data.index(old)
    return data[:at] + new + data[at + len(old) :]


def jumbf_segments(jpeg: bytes) -> bytes:
    """All APP11 segments: where a JPEG carries its manifest."""
    found, position = b"", 2
    while jpeg[position] == 0xFF and jpeg[position + 1] != 0xDA:
        (length,) = struct.unpack(">H", jpeg[position + 2 : position + 4])
        if jpeg[position + 1] == 0xEB:
            found += jpeg[position : position + 2 + length]
        position += 2 + length
    return found
