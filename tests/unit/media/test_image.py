from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms, ImageOps

from detect.errors import CorruptMediaError, MediaTooLargeError, UnsupportedMediaError
from detect.media import Limits
from detect.media.image import DECODER
from detect.types import DecodedImage, MediaKind

Encode = Callable[..., bytes]
Decode = Callable[..., DecodedImage]


def notes(picture: DecodedImage) -> list[str]:
    return [note.code for note in picture.facts.notes]


def _chunk(kind: bytes, body: bytes, *, flip: int = 0) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) ^ flip)


def png_of(width: int, height: int, *, depth: int, colour: int, rows: bytes) -> bytes:
    """Return a PNG of raw, already filtered rows; Pillow itself writes no 16-bit colour."""

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = _chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(rows)), _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_a_png_with_damaged_text_is_opened_without_it(scene: Image.Image, encode: Encode, decode: Decode) -> None:
    whole = encode(scene, "PNG")
    head = 8 + 25  # signature and IHDR
    damaged = whole[:head] + _chunk(b"tEXt", b"prompt\0a cat", flip=1) + _chunk(b"tEXt", b"a\0b") + whole[head:]
    decoded = decode(damaged)
    np.testing.assert_array_equal(decoded.pixels_rgb, np.asarray(scene))
    assert "damaged_text" in notes(decoded)
    assert "damaged_text" not in notes(decode(whole))


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE"])
def test_a_png_with_a_damaged_critical_chunk_stays_corrupt(
    scene: Image.Image, encode: Encode, decode: Decode, kind: bytes
) -> None:
    whole = encode(scene.convert("P"), "PNG")
    at = whole.index(kind) + 5
    with pytest.raises(CorruptMediaError):
        decode(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])


@pytest.mark.parametrize(
    ("file_format", "options", "tolerance"),
    [
        ("JPEG", {"quality": 95}, 1.0),
        ("JPEG", {"quality": 95, "progressive": True}, 1.0),
        ("PNG", {}, 0.0),
        ("WEBP", {"lossless": True}, 0.0),
        ("WEBP", {"quality": 90}, 2.0),
        ("AVIF", {"quality": 90}, 2.0),
        ("HEIF", {"quality": 90}, 2.0),
        ("TIFF", {}, 0.0),
        ("TIFF", {"compression": "tiff_lzw"}, 0.0),
        ("TIFF", {"compression": "tiff_adobe_deflate"}, 0.0),
        ("TIFF", {"compression": "jpeg"}, 1.0),
        ("BMP", {}, 0.0),
    ],
)
def test_a_picture_of_each_format_comes_back(
    scene: Image.Image, encode: Encode, decode: Decode, file_format: str, options: dict[str, object], tolerance: float
) -> None:
    content = encode(scene, file_format, **options)
    picture = decode(content)
    assert picture.pixels_rgb.dtype == np.uint8
    assert picture.pixels_rgb.flags.c_contiguous
    difference = np.abs(picture.pixels_rgb.astype(int) - np.asarray(scene)).mean()
    assert difference <= tolerance
    assert notes(picture) == []
    facts = picture.facts
    assert (facts.width, facts.height, facts.bytes, facts.kind) == (96, 64, len(content), MediaKind.IMAGE)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_every_orientation_is_undone(
    scene: Image.Image, encode: Encode, decode: Decode, file_format: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if file_format == "WEBP" else {}
    content = encode(scene, file_format, exif=exif, **options)
    with Image.open(io.BytesIO(content)) as stored:
        stored.load()
        expected = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"))
    picture = decode(content)
    np.testing.assert_array_equal(picture.pixels_rgb, expected)
    assert (picture.facts.width, picture.facts.height) == ((96, 64) if orientation < 5 else (64, 96))
    assert notes(picture) == ([] if orientation == 1 else ["turned_upright"])


@pytest.mark.parametrize("file_format", ["AVIF", "HEIF"])
def test_a_turned_phone_picture_stands_upright(
    scene: Image.Image, encode: Encode, decode: Decode, file_format: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn the stored picture 90 degrees clockwise
    picture = decode(encode(scene, file_format, exif=exif.tobytes(), quality=95))
    expected = np.asarray(scene.transpose(Image.Transpose.ROTATE_270)).astype(int)
    assert np.abs(picture.pixels_rgb - expected).mean() < 2


@pytest.mark.parametrize("exif", [b"Exif\0\0" + b"\xff" * 40, b"Exif\0\0II*\0\xff\xff\xff\x7f", b"garbage"])
def test_damaged_exif_costs_no_picture(scene: Image.Image, encode: Encode, decode: Decode, exif: bytes) -> None:
    assert decode(encode(scene, "JPEG", exif=exif)).pixels_rgb.shape == (64, 96, 3)


def wide_profile() -> bytes:
    """An RGB profile that swaps red and green: sRGB with its red and green columns exchanged, under another name."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * profile[131], 12)}
    red, green = tags[b"rXYZ"] + 4, tags[b"gXYZ"] + 4
    profile[red : red + 8], profile[green : green + 8] = profile[green : green + 8], profile[red : red + 8]
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


@pytest.mark.parametrize(("file_format", "options"), [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})])
def test_an_embedded_profile_is_applied(
    scene: Image.Image, encode: Encode, decode: Decode, file_format: str, options: dict[str, object]
) -> None:
    picture = decode(encode(scene, file_format, icc_profile=wide_profile(), **options))
    swapped = np.asarray(scene)[..., [1, 0, 2]].astype(int)
    assert np.abs(picture.pixels_rgb - swapped).mean() < 1.5
    assert notes(picture) == ["icc_to_srgb"]
    assert "swap" in picture.facts.notes[0].text


def test_a_profile_is_applied_under_transparency(scene: Image.Image, encode: Encode, decode: Decode) -> None:
    scene.putalpha(255)
    picture = decode(encode(scene, "PNG", icc_profile=wide_profile()))
    assert np.abs(picture.pixels_rgb - np.asarray(scene)[..., [1, 0, 2]].astype(int)).mean() < 1.5


def test_an_srgb_profile_changes_no_pixel(scene: Image.Image, encode: Encode, decode: Decode) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = decode(encode(scene, "PNG", icc_profile=profile))
    np.testing.assert_array_equal(picture.pixels_rgb, np.asarray(scene))
    assert notes(picture) == []


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_damaged_or_unfit_profile_is_ignored(scene: Image.Image, encode: Encode, decode: Decode, mode: str) -> None:
    profile = b"no profile at all" if mode == "RGB" else wide_profile()
    picture = decode(encode(scene.convert(mode), "TIFF", icc_profile=profile))
    np.testing.assert_array_equal(picture.pixels_rgb, np.asarray(scene.convert(mode).convert("RGB")))
    assert "icc_ignored" in notes(picture)


@pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
def test_print_colours_become_screen_colours(
    scene: Image.Image, encode: Encode, decode: Decode, file_format: str
) -> None:
    picture = decode(encode(scene.convert("CMYK"), file_format))
    assert np.abs(picture.pixels_rgb.astype(int) - np.asarray(scene)).mean() < 1.5
    assert notes(picture) == ["converted_from_cmyk"]


def test_lab_becomes_srgb(scene: Image.Image, encode: Encode, decode: Decode) -> None:
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    lab = ImageCms.applyTransform(scene, to_lab)
    assert lab is not None
    assert np.abs(decode(encode(lab, "TIFF")).pixels_rgb.astype(int) - np.asarray(scene)).mean() < 1.5


@pytest.mark.parametrize("mode", ["L", "1"])
def test_grey_pictures_have_three_equal_channels(scene: Image.Image, encode: Encode, decode: Decode, mode: str) -> None:
    grey = scene.convert(mode)
    picture = decode(encode(grey, "PNG"))
    np.testing.assert_array_equal(picture.pixels_rgb, np.asarray(grey.convert("RGB")))
    assert notes(picture) == []


def test_a_palette_is_resolved_and_noted(scene: Image.Image, encode: Encode, decode: Decode) -> None:
    few = scene.quantize(64)
    picture = decode(encode(few, "PNG"))
    np.testing.assert_array_equal(picture.pixels_rgb, np.asarray(few.convert("RGB")))
    assert notes(picture) == ["converted_from_palette"]


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_transparent_parts_become_white(scene: Image.Image, encode: Encode, decode: Decode, file_format: str) -> None:
    alpha = np.full((64, 96), 255, np.uint8)
    alpha[:, :48] = 0
    scene.putalpha(Image.fromarray(alpha))
    options = {} if file_format in ("PNG", "TIFF") else {"lossless": True} if file_format == "WEBP" else {"quality": 95}
    picture = decode(encode(scene, file_format, **options))
    assert picture.pixels_rgb[:, :40].min() >= 250
    assert np.abs(picture.pixels_rgb[:, 56:].astype(int) - np.asarray(scene.convert("RGB"))[:, 56:]).mean() < 2
    assert notes(picture) == ["alpha_flattened"]


def test_half_transparent_parts_are_mixed_with_white(encode: Encode, decode: Decode) -> None:
    picture = decode(encode(Image.new("RGBA", (8, 8), (100, 0, 200, 128)), "PNG"))
    np.testing.assert_allclose(picture.pixels_rgb[0, 0], [177, 127, 227], atol=1)


@pytest.mark.parametrize("mode", ["LA", "P", "RGB"])
def test_the_other_ways_to_be_transparent_are_known(encode: Encode, decode: Decode, mode: str) -> None:
    ground = Image.new("RGBA", (8, 8), (0, 0, 0, 255))
    ground.paste((0, 0, 0, 0), (0, 0, 4, 8))
    options: dict[str, object] = {}
    if mode == "LA":
        ground = ground.convert("LA")
    elif mode == "P":
        ground = Image.new("P", (8, 8), 1)
        ground.putpalette([255, 0, 0, 0, 0, 0])
        ground.paste(0, (0, 0, 4, 8))
        options["transparency"] = 0
    else:
        ground = Image.new("RGB", (8, 8))
        ground.paste((9, 9, 9), (0, 0, 4, 8))
        options["transparency"] = (9, 9, 9)
    picture = decode(encode(ground, "PNG", **options))
    assert picture.pixels_rgb[0, 0].tolist() == [255, 255, 255]
    assert picture.pixels_rgb[0, 7].tolist() == [0, 0, 0]
    assert "alpha_flattened" in notes(picture)


def test_an_opaque_alpha_channel_is_dropped_without_a_word(scene: Image.Image, encode: Encode, decode: Decode) -> None:
    expected = np.asarray(scene)
    scene.putalpha(255)
    picture = decode(encode(scene, "PNG"))
    np.testing.assert_array_equal(picture.pixels_rgb, expected)
    assert notes(picture) == []


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_sixteen_bit_grey_keeps_its_high_byte(encode: Encode, decode: Decode, file_format: str) -> None:
    values = np.arange(64 * 96, dtype=np.uint16).reshape(64, 96) * 10
    picture = decode(encode(Image.fromarray(values), file_format))
    np.testing.assert_array_equal(picture.pixels_rgb[..., 0], values >> 8)
    assert notes(picture) == ["reduced_to_8_bit"]


def test_sixteen_bit_colour_is_reduced_and_noted(scene: Image.Image, decode: Decode) -> None:
    wide = np.asarray(scene).astype(">u2") * 257
    picture = decode(png_of(96, 64, depth=16, colour=2, rows=b"".join(b"\0" + row.tobytes() for row in wide)))
    np.testing.assert_array_equal(picture.pixels_rgb, np.asarray(scene))
    assert notes(picture) == ["reduced_to_8_bit"]


def test_ten_bit_heic_is_reduced_and_noted(scene: Image.Image, decode: Decode) -> None:
    wide = np.asarray(scene).astype("<u2") * 257
    buffer = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", (96, 64), wide.tobytes()).save(buffer, quality=95)
    picture = decode(buffer.getvalue())
    assert np.abs(picture.pixels_rgb.astype(int) - np.asarray(scene)).mean() < 2
    assert notes(picture) == ["reduced_to_8_bit"]


@pytest.mark.parametrize("top", [1.0, 200.0, 40_000.0, 1e6])
def test_numbers_without_a_range_are_scaled_to_the_next_usual_white(encode: Encode, decode: Decode, top: float) -> None:
    values = np.tile(np.linspace(0, top, 96, dtype=np.float32), (8, 1))
    values[0, :3] = [np.nan, np.inf, -np.inf]
    picture = decode(encode(Image.fromarray(values), "TIFF"))
    white = next((limit for limit in (1.0, 255.0, 65_535.0) if top <= limit), top)
    np.testing.assert_allclose(picture.pixels_rgb[1, :, 0], values[1] / white * 255, atol=0.51)
    assert picture.pixels_rgb[0, :3].max() == 0
    assert notes(picture) == ["rescaled_to_8_bit"]


@pytest.mark.parametrize(
    ("file_format", "options", "note"),
    [
        ("GIF", {}, "first_frame_only"),
        ("WEBP", {"lossless": True}, "first_frame_only"),
        ("PNG", {}, "first_frame_only"),
        ("AVIF", {"quality": 95}, "first_frame_only"),
        ("TIFF", {}, "first_page_only"),
        ("MPO", {"quality": 95}, "main_picture_only"),
        ("HEIF", {"quality": 95}, "main_picture_only"),
    ],
)
def test_of_several_pictures_the_first_is_looked_at_and_noted(
    scene: Image.Image, encode: Encode, decode: Decode, file_format: str, options: dict[str, object], note: str
) -> None:
    others = [scene.transpose(Image.Transpose.ROTATE_180)]
    picture = decode(encode(scene, file_format, save_all=True, append_images=others, **options))
    assert np.abs(picture.pixels_rgb.astype(int) - np.asarray(scene)).mean() < 4
    assert note in notes(picture)


@pytest.mark.parametrize("file_format", ["GIF", "TIFF", "PNG", "WEBP"])
def test_a_single_picture_is_not_called_one_of_several(
    scene: Image.Image, encode: Encode, decode: Decode, file_format: str
) -> None:
    assert not any("only" in note for note in notes(decode(encode(scene, file_format))))


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (30_000, 1), (1, 30_000)])
def test_odd_sizes_decode(encode: Encode, decode: Decode, size: tuple[int, int]) -> None:
    picture = decode(encode(Image.new("RGB", size, (9, 8, 7)), "JPEG"))
    assert picture.pixels_rgb.shape == (size[1], size[0], 3)


def test_a_picture_of_several_strips_has_no_seams(encode: Encode, decode: Decode) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2100, 2000, 4), dtype=np.uint8)
    noise[..., 3] = 255
    noise[2050:, :, 3] = 0  # transparent in the last strip only
    picture = decode(encode(Image.fromarray(noise), "TIFF"))
    np.testing.assert_array_equal(picture.pixels_rgb[:2050], noise[:2050, :, :3])
    assert picture.pixels_rgb[2050:].min() == 255


@pytest.mark.parametrize("limits", [Limits(max_pixels=6143), Limits(max_side=95)], ids=["pixels", "side"])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF", "BMP", "GIF"])
def test_a_picture_over_a_limit_is_too_large(
    scene: Image.Image, encode: Encode, decode: Decode, file_format: str, limits: Limits
) -> None:
    with pytest.raises(MediaTooLargeError, match="scale it down"):
        decode(encode(scene, file_format), limits=limits)


def test_the_limits_are_inclusive(scene: Image.Image, encode: Encode, decode: Decode) -> None:
    picture = decode(encode(scene, "WEBP"), limits=Limits(max_pixels=6144, max_side=96))
    assert picture.pixels_rgb.shape == (64, 96, 3)


def test_a_camera_raw_file_that_poses_as_tiff_is_refused(scene: Image.Image, encode: Encode, decode: Decode) -> None:
    with pytest.raises(UnsupportedMediaError, match="camera raw"):
        decode(encode(scene, "TIFF", tiffinfo={50706: b"\1\4\0\0"}))


def test_sound_is_not_a_picture(decode: Decode) -> None:
    with pytest.raises(UnsupportedMediaError, match="not a picture"):
        decode(b"RIFF\0\0\0\0WAVE" + bytes(100))


def test_a_picture_without_extent_is_corrupt(decode: Decode) -> None:
    with pytest.raises(CorruptMediaError):
        decode(png_of(0, 5, depth=8, colour=2, rows=b""))


def test_the_decoder_is_where_the_constant_says() -> None:
    from detect.media.sandbox import SANDBOX

    SANDBOX.warm(DECODER)
    assert any(worker.module == "detect.media.pixels" for worker in SANDBOX._idle)
