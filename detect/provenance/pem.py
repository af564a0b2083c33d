"""PEM text taken apart and put together again without losing a certificate.

Joining two PEM files whose first lacks a final newline makes the library drop the second file's first anchor without
an error, so nothing here ever concatenates files: the blocks are found, normalised and written one by one.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable

_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_LINE_LENGTH = 64


def certificate_blocks(text: str) -> list[str]:
    """Return each certificate of `text` as a normalised PEM block ending in a newline; broken blocks are left out."""
    blocks = (_normalise(body) for body in _BLOCK.findall(text))
    return [block for block in blocks if block]


def join_blocks(*groups: Iterable[str]) -> str:
    """Return all blocks as one PEM text, first occurrence first, without repeats."""
    return "".join(dict.fromkeys(block for group in groups for block in group))


def block_from_der(der_base64: str) -> str:
    """Return the PEM block of a base64 DER certificate, as trust lists in JSON hold it; empty when it is no base64."""
    return _normalise(der_base64)


def _normalise(body: str) -> str:
    packed = "".join(body.split())
    try:
        base64.b64decode(packed, validate=True)
    except binascii.Error:
        return ""
    if not packed:
        return ""
    lines = [packed[start : start + _LINE_LENGTH] for start in range(0, len(packed), _LINE_LENGTH)]
    return "\n".join(("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""))
