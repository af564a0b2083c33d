"""The PDF is drawn by the real WeasyPrint where it is installed, and reads nothing but what the page carries."""

from __future__ import annotations

import contextlib
import re
import zlib

import numpy as np
import pytest

from detect.render.html import PageItem, format_page
from detect.render.pdf import dress_charts
from tests.unit.render.samples import picture_report, recording_report

pytest.importorskip("weasyprint", reason="needs the extra report", exc_type=(ImportError, OSError))  # type: ignore[arg-type]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # of its font library
]


def test_reports_become_pdf_ua() -> None:
    from detect.render.pdf import format_pdf

    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    items = [PageItem(picture_report(), pixels), PageItem(recording_report())]
    pdf = format_pdf(format_page(items, count=2))
    assert pdf.startswith(b"%PDF-")
    assert b"/MarkInfo" in unpacked(pdf)  # tagged, as PDF/UA asks for
    assert b"pdfuaid:part" in unpacked(pdf)


def unpacked(pdf: bytes) -> bytes:
    """Return a PDF with its packed parts beside it, as plain bytes to search in."""
    parts = [pdf]
    for part in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        with contextlib.suppress(zlib.error):
            parts.append(zlib.decompress(part))
    return b"\n".join(parts)


def test_charts_keep_their_colours_in_the_pdf() -> None:
    dressed = dress_charts(format_page([PageItem(picture_report())], count=1))
    assert dressed.count("<svg") == dressed.count("<style>.") + dressed.count("<style>svg") > 2
    style = dressed[dressed.index("<svg") :].partition("<style>")[2].partition("</style>")[0]
    assert ".toward-machine { fill: #b3261e }" in style
    assert ".point { fill: #b3261e; stroke: #fff; stroke-width: 3 }" in style  # the tone of this verdict
    assert "var(" not in style


def test_pdf_reads_no_file_and_no_address(tmp_path: object, caplog: pytest.LogCaptureFixture) -> None:
    from detect.render.pdf import format_pdf

    html = '<html lang="en"><title>x</title><img alt="a" src="file:///etc/hostname"><img alt="b" src="http://127.0.0.1:9/">'
    assert format_pdf(html).startswith(b"%PDF-")
    refused = [record for record in caplog.records if "disallowed protocol" in record.getMessage()]
    assert len(refused) == 2
