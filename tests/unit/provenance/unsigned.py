"""Files with unsigned marks, made on the spot: the cases of the markers table and some more."""

from __future__ import annotations

import io
import json
import struct
import zlib
from html import escape
from typing import Any

import numpy as np
import soundfile
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.unit.provenance.samples import encode_clip, encode_picture, encode_tone, make_picture

LABEL = {
    "Label": "1",
    "ContentProducer": "001191110102MACQD9K64010000",
    "ProduceID": "A1",
    "ReservedCode1": "",
    "ContentPropagator": "x",
    "PropagateID": "B2",
    "ReservedCode2": "",
}
LABEL_TEXT = json.dumps(LABEL, separators=(",", ":"))
DST = "http://cv.iptc.org/newscodes/digitalsourcetype/"
PARAMETERS = "a cat\nNegative prompt: x\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Model: sd15"
GRAPH = json.dumps({"3": {"class_type": "KSampler", "inputs": {}}})
MIDJOURNEY = "a cat --v 6 Job ID: 01234567-89ab-cdef-0123-456789abcdef"

_NAMESPACES = {
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "TC260": "http://www.tc260.org.cn/ns/AIGC/1.0/",
}


def xmp_packet(attributes: dict[str, str] | None = None, body: str = "") -> bytes:
    spaces = " ".join(f'xmlns:{prefix}="{address}"' for prefix, address in _NAMESPACES.items())
    values = " ".join(f'{name}="{escape(value)}"' for name, value in (attributes or {}).items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {spaces} {values}>{body}</rdf:Description></rdf:RDF></x:xmpmeta>'
        '<?xpacket end="w"?>'
    ).encode()


XMP_CASES: dict[str, tuple[bytes, str]] = {
    "iptc_google": (
        xmp_packet(
            {
                "Iptc4xmpExt:DigitalSourceType": DST + "trainedAlgorithmicMedia",
                "photoshop:Credit": "Made with Google AI",
            }
        ),
        "ai",
    ),
    "credit_alone": (xmp_packet({"photoshop:Credit": "Made with Google AI"}), "ai"),
    "iptc_composite": (
        xmp_packet({"Iptc4xmpExt:DigitalSourceType": DST + "compositeWithTrainedAlgorithmicMedia"}),
        "edited_ai",
    ),
    "credit_edited": (xmp_packet({"photoshop:Credit": "Edited with Google AI"}), "edited_ai"),
    "iptc_capture": (xmp_packet({"Iptc4xmpExt:DigitalSourceType": DST + "digitalCapture"}), "capture_claim"),
    "iptc_algorithmic": (xmp_packet({"Iptc4xmpExt:DigitalSourceType": "algorithmicMedia"}), "weak_ai"),
    "iptc_ai_fields": (xmp_packet({"Iptc4xmpExt:AISystemUsed": "DALL-E via Bing Image Creator"}), "ai"),
    "creatortool_firefly": (xmp_packet({"xmp:CreatorTool": "Adobe Firefly"}), "ai"),
    "creatortool_photoshop": (xmp_packet({"xmp:CreatorTool": "Adobe Photoshop 25.1 (Windows)"}), "none"),
    "tc260_attribute": (xmp_packet({"TC260:AIGC": LABEL_TEXT}), "ai"),
    "tc260_element": (xmp_packet(body=f"<TC260:AIGC>{escape(LABEL_TEXT)}</TC260:AIGC>"), "ai"),
    "dst_element": (
        xmp_packet(body=f"<Iptc4xmpExt:DigitalSourceType>{DST}trainedAlgorithmicMedia</Iptc4xmpExt:DigitalSourceType>"),
        "ai",
    ),
    "dst_resource": (
        xmp_packet(body=f'<Iptc4xmpExt:DigitalSourceType rdf:resource="{DST}trainedAlgorithmicMedia"/>'),
        "ai",
    ),
}

PNG_TEXT_CASES: dict[str, tuple[dict[str, str], str]] = {
    "a1111": ({"parameters": PARAMETERS}, "ai"),
    "comfyui": ({"prompt": GRAPH}, "ai"),
    "comfyui_workflow": ({"workflow": json.dumps({"nodes": [{"type": "KSampler"}]})}, "ai"),
    "invokeai": ({"invokeai_metadata": "{}"}, "ai"),
    "novelai": ({"Software": "NovelAI", "Title": "AI generated image", "Comment": "{}"}, "ai"),
    "fooocus": ({"fooocus_scheme": "fooocus", "parameters": "{}"}, "ai"),
    "midjourney": ({"Description": MIDJOURNEY, "Author": "me"}, "ai"),
    "aigc_text": ({"AIGC": LABEL_TEXT}, "ai"),
    "aigc_possibly": ({"AIGC": json.dumps(LABEL | {"Label": "2"})}, "weak_ai"),
    "hf_job": ({"hf-job-id": "abc"}, "weak_ai"),
    "benign_software": ({"Software": "Adobe Photoshop"}, "none"),
    "benign_aigc_key": ({"AIGC": "hello"}, "none"),
    "benign_aigc_json": ({"AIGC": json.dumps({"note": "my folder"})}, "none"),
    "benign_caption": ({"Description": "Leonardo at a talk on Stable Diffusion"}, "none"),
}

EXIF_CASES: dict[str, tuple[dict[int, Any], str]] = {
    "a1111_usercomment": ({0x9286: b"UNICODE\x00" + PARAMETERS.encode("utf-16-be")}, "ai"),
    "a1111_little_endian": ({0x9286: b"UNICODE\x00" + PARAMETERS.encode("utf-16-le")}, "ai"),
    "grok": (
        {0x010E: "Signature: " + "A" * 88, 0x013B: "01234567-89ab-cdef-0123-456789abcdef"},
        "ai",
    ),
    "grok_signature_alone": ({0x010E: "Signature: " + "A" * 88, 0x013B: "Anna"}, "none"),
    "ideogram": ({0x010F: "Ideogram AI"}, "ai"),
    "aigc_usercomment": ({0x9286: b"ASCII\x00\x00\x00" + json.dumps({"AIGC": LABEL}).encode()}, "ai"),
    "comfyui_exif": ({0x010F: "prompt:" + GRAPH}, "ai"),
    "software": ({0x0131: "Stable Diffusion"}, "ai"),
    "bytedance": ({0x9286: b"ASCII\x00\x00\x00" + b'{"aigc_label_type":1}'}, "ai"),
    "tencent": ({0x010E: '{"ServiceProvider":"Tencent","ServiceUser":"u"}'}, "ai"),
    "draw_things": (
        {0x9286: b"ASCII\x00\x00\x00" + b'{"c":"a cat","model":"m","sampler":"s","steps":4,"seed":1}'},
        "ai",
    ),
    "camera": ({0x010F: "Canon", 0x0110: "Canon EOS R5", 0x0131: "Firmware 1.8"}, "capture_claim"),
}

CONTAINER_CASES: dict[str, tuple[str, dict[str, str], str]] = {
    "aigc.mp4": ("mp4", {"AIGC": LABEL_TEXT}, "ai"),
    "aigc.mov": ("mov", {"AIGC": LABEL_TEXT}, "ai"),
    "aigc.mkv": ("matroska", {"AIGC": LABEL_TEXT}, "ai"),
    "aigc.flv": ("flv", {"AIGC": LABEL_TEXT}, "ai"),
    "aigc.avi": ("avi", {"comment": "AIGC=" + LABEL_TEXT}, "ai"),
    "plain.mp4": ("mp4", {}, "none"),
    "phone.mov": (
        "mov",
        {"com.apple.quicktime.make": "Apple", "com.apple.quicktime.model": "iPhone 15"},
        "capture_claim",
    ),
}


def picture_with_xmp(suffix: str, packet: bytes) -> bytes:
    picture = make_picture(64, 48)
    if suffix == "png":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet.decode())
        return encode_picture(picture, "PNG", pnginfo=info)
    return encode_picture(picture, {"jpg": "JPEG", "webp": "WEBP"}[suffix], xmp=packet)


def png_with_text(texts: dict[str, str], *, is_late: bool = False, is_packed: bool = False) -> bytes:
    """A PNG with text chunks, before the pixels or after them."""
    info = PngInfo()
    for key, value in texts.items():
        if not is_late:
            info.add_text(key, value, zip=is_packed)
    plain = encode_picture(make_picture(64, 48), "PNG", pnginfo=info)
    if not is_late:
        return plain
    chunks = b"".join(_chunk(b"tEXt", key.encode() + b"\x00" + value.encode()) for key, value in texts.items())
    return plain[:-12] + chunks + plain[-12:]


def jpeg_with_exif(tags: dict[int, Any]) -> bytes:
    exif = Image.Exif()
    for tag, value in tags.items():
        if tag >= 0x8830:
            exif.get_ifd(0x8769)[tag] = value
        else:
            exif[tag] = value
    return encode_picture(make_picture(64, 48), "JPEG", exif=exif)


def jpeg_with_segment(marker: int, content: bytes) -> bytes:
    plain = encode_picture(make_picture(64, 48), "JPEG")
    return plain[:2] + struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content + plain[2:]


def clip_with(case: str) -> bytes:
    container, metadata, _ = CONTAINER_CASES[case]
    options = {"movflags": "use_metadata_tags"} if container in ("mp4", "mov") else {}
    return encode_clip(container, has_video=True, metadata=metadata, **options)


def wav_with_info(values: dict[bytes, str]) -> bytes:
    plain = encode_tone("WAV", "PCM_16")
    items = b"".join(_riff_item(key, value.encode() + b"\x00") for key, value in values.items())
    data = plain[12:] + _riff_item(b"LIST", b"INFO" + items)
    return b"RIFF" + struct.pack("<I", len(data) + 4) + b"WAVE" + data


def mp3_with(description: str, text: str) -> bytes:
    from mutagen.id3 import ID3, TXXX

    buffer = io.BytesIO(encode_tone("MP3", "MPEG_LAYER_III"))
    tags = ID3()
    tags.add(TXXX(encoding=3, desc=description, text=[text]))
    tags.save(buffer)
    return buffer.getvalue()


def vorbis_with(format_name: str, key: str, text: str) -> bytes:
    import mutagen

    buffer = io.BytesIO()
    subtype = "VORBIS" if format_name == "OGG" else "PCM_16"
    soundfile.write(buffer, np.zeros(8000, np.float32), 16_000, format=format_name, subtype=subtype)
    buffer.seek(0)
    tags = mutagen.File(buffer)
    tags[key] = text
    buffer.seek(0)
    tags.save(buffer)
    return buffer.getvalue()


def stealth_pixels(signature: bytes, payload: bytes, *, width: int = 200, height: int = 160) -> np.ndarray:
    """Pixels with text hidden in the lowest bits, column by column, as the web UIs write it."""
    if signature.endswith(b"comp"):
        packer = zlib.compressobj(wbits=31)
        payload = packer.compress(payload) + packer.flush()
    message = signature + struct.pack(">I", len(payload) * 8) + payload
    bits = np.unpackbits(np.frombuffer(message, np.uint8))
    pixels = np.dstack([np.asarray(make_picture(width, height)), np.full((height, width), 254, np.uint8)])
    if b"png" in signature:
        plane = pixels[..., 3].T.reshape(-1).copy()
        plane[: len(bits)] = plane[: len(bits)] & 0xFE | bits
        pixels[..., 3] = plane.reshape(width, height).T
        return pixels
    plane = pixels[..., :3].transpose(1, 0, 2).reshape(-1).copy()
    plane[: len(bits)] = plane[: len(bits)] & 0xFE | bits
    return np.ascontiguousarray(plane.reshape(width, height, 3).transpose(1, 0, 2))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _riff_item(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\x00" * (len(data) & 1)
