"""Pictures made to break, to stall or to fill the memory: a named error or honest pixels, never more."""

from __future__ import annotations

import collections
import io
import os
import random
import struct
import sys
import time
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from detect.errors import CorruptMediaError, DecodeTimeoutError, MediaError, MediaTooLargeError
from detect.media import Limits
from detect.media.sandbox import SANDBOX

MIB = 2**20
FORMATS = (*("jpeg", "progressive", "png", "webp", "webp-lossless", "avif", "heic", "tiff", "tiff-lzw", "bmp", "gif"),)
MUTATIONS = int(os.environ.get("WITNESSMARK_MUTATIONS", "300"))
"""How many mutated files to try; 10 000 by hand: WITNESSMARK_MUTATIONS=10000 pytest tests/security -k mutated -rP."""

Decode = Callable[..., np.ndarray]


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def packed_zeros(block: int, count: int) -> bytes:
    """Return count x block zeros as a zlib stream, packing one block only."""
    packer = zlib.compressobj(9)
    first = packer.compress(bytes(block)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(block)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = (block * count % 65521) << 16 | 1  # Adler-32 of zeros
    return first + again * (count - 1) + b"\x03\x00" + struct.pack(">I", checksum)


def bomb_png(side: int, *, extra: bytes = b"") -> bytes:
    """Return a valid grey PNG of side x side zeros in about a thousandth of as many bytes, made without that memory."""
    packed = packed_zeros(1000 * (side + 1), side // 1000)
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def decoder_peak_bytes() -> int:
    """Largest resident size that the idle decoders ever had."""
    peaks = []
    for worker in SANDBOX._idle:
        with open(f"/proc/{worker.pid}/status") as stream:
            peaks += [int(line.split()[1]) * 1024 for line in stream if line.startswith("VmHWM")]
    return max(peaks, default=0)


@pytest.mark.parametrize("name", FORMATS)
def test_a_picture_cut_short_is_corrupt(honest: dict[str, bytes], decode: Decode, name: str) -> None:
    content = honest[name]
    draw = random.Random(name)
    for length in draw.sample(range(len(content)), 50):
        with pytest.raises(MediaError) as caught:
            decode(content[:length])
        assert caught.value.code in ("corrupt_media", "media_too_short", "unsupported_media"), length
        if length > 64:
            assert caught.value.code == "corrupt_media", length
    assert decode(content).shape == (72, 96, 3)


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "tiff", "gif", "avif", "heic"])
def test_a_picture_of_which_only_the_signature_is_whole_is_corrupt(
    honest: dict[str, bytes], decode: Decode, name: str
) -> None:
    with pytest.raises(CorruptMediaError, match=r"header|damaged") as caught:
        decode(honest[name][:24] + bytes(2000))
    assert "KeyError" not in str(caught.value)


def test_a_bomb_is_really_one(decode: Decode) -> None:
    assert (decode(bomb_png(2000)) == 0).all()


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads /proc")
def test_four_hundred_megapixels_in_four_hundred_kilobytes_are_refused_before_memory_is_spent(
    decode: Decode, honest: dict[str, bytes]
) -> None:
    bomb = bomb_png(20_000)
    assert len(bomb) < 600_000
    SANDBOX.close()
    started = time.monotonic()
    with pytest.raises(MediaTooLargeError, match="scale it down"):
        decode(bomb)
    assert time.monotonic() - started < 30  # milliseconds, and the start of a child
    assert 0 < decoder_peak_bytes() < 200 * MIB
    assert decode(honest["png"]).shape == (72, 96, 3)


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS binds on Linux")
def test_a_bomb_let_through_by_the_header_still_meets_the_memory_limit(
    decode: Decode, honest: dict[str, bytes]
) -> None:
    with pytest.raises(MediaTooLargeError, match="300 MB"):
        decode(bomb_png(20_000), limits=Limits(max_pixels=10**9, max_memory_bytes=300 * MIB))
    assert decode(honest["png"]).shape == (72, 96, 3)


def patched(content: bytes, at: int, value: bytes) -> bytes:
    return content[:at] + value + content[at + len(value) :]


def huge(name: str, content: bytes) -> bytes:
    """Return an honest picture whose header claims some 65 000 x 65 000 (WebP: 16 383 x 16 383) pixels."""
    if name in ("jpeg", "progressive"):
        frame = content.index(b"\xff\xc2" if name == "progressive" else b"\xff\xc0")
        return patched(content, frame + 5, b"\xff\x00\xff\x00")
    if name == "png":
        header = patched(content[12:29], 4, struct.pack(">II", 65_000, 65_000))
        return content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]
    if name == "webp":
        return patched(content, 26, b"\xff\x3f\xff\x3f")
    if name == "webp-lossless":
        return patched(content, 21, b"\xff\xff\xff\x0f")
    if name in ("avif", "heic"):
        for at in range(len(content)):
            if content.startswith(b"ispe", at):
                content = patched(content, at + 8, struct.pack(">II", 65_000, 65_000))
        return content
    if name == "bmp":
        return patched(content, 18, struct.pack("<ii", 65_000, 65_000))
    if name == "gif":
        return patched(content, 6, struct.pack("<HH", 65_000, 65_000))
    directory = struct.unpack("<I", content[4:8])[0]
    for entry in range(struct.unpack("<H", content[directory : directory + 2])[0]):
        at = directory + 2 + 12 * entry
        if struct.unpack("<H", content[at : at + 2])[0] in (256, 257):
            content = patched(content, at + 2, struct.pack("<HII", 4, 1, 65_000))
    return content


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads /proc")
@pytest.mark.parametrize("name", FORMATS)
def test_a_header_that_claims_a_huge_picture_costs_nothing(honest: dict[str, bytes], decode: Decode, name: str) -> None:
    with pytest.raises(MediaError) as caught:
        decode(huge(name, honest[name]))
    assert caught.value.code in ("media_too_large", "corrupt_media")
    if name not in ("avif", "heic"):  # their libraries compare the claim with the codec's own header first
        assert caught.value.code == "media_too_large"
    assert decoder_peak_bytes() < 300 * MIB


@pytest.mark.parametrize("name", [b"zTXt", b"iTXt", b"iCCP"])
def test_compressed_text_that_unpacks_to_half_a_gigabyte_is_not_kept(decode: Decode, name: bytes) -> None:
    packed = packed_zeros(1_000_000, 500)
    head = {b"zTXt": b"Comment\0\0", b"iCCP": b"profile\0\0", b"iTXt": b"Comment\0\1\0\0\0"}[name]
    content = bomb_png(1000, extra=chunk(name, head + packed))
    try:
        assert decode(content, limits=Limits(max_memory_bytes=300 * MIB)).shape == (1000, 1000, 3)
    except CorruptMediaError as error:
        assert "too large" in str(error).lower()


@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on processor time")
def test_a_jpeg_of_thousands_of_passes_ends_at_the_processor_limit(decode: Decode, honest: dict[str, bytes]) -> None:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((2048, 2048)).save(buffer, "JPEG", progressive=True)
    content = buffer.getvalue()
    last_pass = content[content.rindex(b"\xff\xda") : -2]
    stalling = content[:-2] + last_pass * (8 * MIB // len(last_pass)) + b"\xff\xd9"
    with pytest.raises((DecodeTimeoutError, CorruptMediaError)) as caught:
        decode(stalling, limits=Limits(decode_cpu_s=0.2, decode_timeout_s=200))
    assert caught.value.code == "decode_timeout"
    assert decode(honest["jpeg"]).shape == (72, 96, 3)


def mutate(content: bytes, draw: random.Random) -> bytes:
    """Return the file with one to eight random injuries; headers, where the structure is, are hit more often."""
    data = bytearray(content)
    for _ in range(draw.randint(1, 8)):
        reach = len(data) if draw.random() < 0.5 else min(len(data), 256)
        at = draw.randrange(reach)
        match draw.randrange(7):
            case 0:
                data[at] ^= 1 << draw.randrange(8)
            case 1:
                data[at] = draw.randrange(256)
            case 2:
                data[at : at + 4] = draw.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\x80\0\0\0"])
            case 3:
                del data[at : at + draw.randint(1, 64)]
            case 4:
                data[at:at] = draw.randbytes(draw.randint(1, 64))
            case 5:
                other = draw.randrange(len(data))
                data[at:at] = data[other : other + draw.randint(1, 200)]
            case 6:
                data[at : at + 32] = draw.randbytes(32)
        if not data:
            return b"\0"
    return bytes(data)


@pytest.mark.timeout(7200)
def test_mutated_pictures_are_a_named_error_or_a_picture(honest: dict[str, bytes], decode: Decode) -> None:
    limits = Limits(decode_timeout_s=10)
    outcome: collections.Counter[str] = collections.Counter()
    slowest = (0.0, "")
    peak = 0
    for number in range(MUTATIONS):
        name = FORMATS[number % len(FORMATS)]
        content = mutate(honest[name], random.Random(number))
        started = time.monotonic()
        try:
            pixels = decode(content, limits=limits)
            assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3
            assert 0 < pixels.shape[0] * pixels.shape[1] <= limits.max_pixels
            outcome["picture"] += 1
        except MediaError as error:
            outcome[error.code if "crashed" not in str(error) else f"crash of {name} ({number})"] += 1
        slowest = max(slowest, (time.monotonic() - started, f"{name} ({number})"))
        if os.path.exists("/proc/self/status") and number % 10 == 0:
            peak = max(peak, decoder_peak_bytes())
    print(f"{MUTATIONS} files: {dict(outcome)}; slowest {slowest[0]:.2f} s {slowest[1]}; peak {peak / MIB:.0f} MiB")
    assert slowest[0] < limits.decode_timeout_s + 5
    assert peak < 2000 * MIB
    assert outcome["corrupt_media"] > MUTATIONS // 10  # the injuries do injure
    assert outcome["picture"] > 0
    assert decode(honest["jpeg"]).shape == (72, 96, 3)
