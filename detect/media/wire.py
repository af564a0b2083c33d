"""What travels between this process and the guarded child: one JSON header, then raw arrays. No pickle.

    8 bytes   length of the header, little endian
    header    JSON: {"kind": ..., "facts": {...}, "arrays": [{"name", "dtype", "shape"}, ...]}
    arrays    their bytes, C order, one after the other

Both ends import this module, so it needs numpy and the standard library only. The parent trusts nothing that it reads:
sizes are checked against a limit before memory is spent, element types against a list.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import RawIOBase
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_HEADER_BYTES = 16 * 1024 * 1024
"""A million time stamps fit; a header that claims more is broken."""

DTYPES = frozenset({"bool", "uint8", "uint16", "int16", "int32", "int64", "float32", "float64"})
_MAX_DIMENSIONS = 5


@dataclass(frozen=True)
class Payload:
    """What a guarded function returns, or yields: JSON-ready facts and arrays by name."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Frame:
    """One message: `kind` is `ready`, `call`, `taken`, `value`, `item`, `end` or `error`."""

    kind: str
    payload: Payload = field(default_factory=Payload)


class WireError(Exception):
    """The other end closed the pipe or wrote what this protocol does not allow."""


def write_frame(pipe: RawIOBase, frame: Frame) -> None:
    """Write one message to a pipe.

    Raises:
        BrokenPipeError: The other end is gone.
        TypeError: The facts are not JSON, or an array has an element type outside `DTYPES`.
    """
    arrays = [(name, np.ascontiguousarray(values)) for name, values in frame.payload.arrays.items()]
    for name, values in arrays:
        if values.dtype.name not in DTYPES:
            raise TypeError(f"array {name!r} of {values.dtype} does not travel; use one of {', '.join(sorted(DTYPES))}")
    described = [{"name": name, "dtype": values.dtype.name, "shape": values.shape} for name, values in arrays]
    body = {"kind": frame.kind, "facts": frame.payload.facts, "arrays": described}
    header = json.dumps(body, allow_nan=False).encode("ascii")
    _write_all(pipe, len(header).to_bytes(8, "little") + header)
    for _, values in arrays:
        if values.size:
            _write_all(pipe, values.reshape(-1).view(np.uint8).data)


def read_frame(pipe: RawIOBase, *, max_bytes: int) -> Frame:
    """Read one message from a pipe.

    Args:
        pipe: The pipe, blocking and unbuffered.
        max_bytes: All arrays of the message together may have at most so many bytes.

    Raises:
        WireError: The pipe ended, or the message breaks a rule; the other end must not be used again.
    """
    length = int.from_bytes(_read_exactly(pipe, 8), "little")
    if length > MAX_HEADER_BYTES:
        raise WireError(f"a header of {length} bytes")
    try:
        header = json.loads(bytes(_read_exactly(pipe, length)))
        kind, facts, described = str(header["kind"]), dict(header["facts"]), list(header["arrays"])
        plans = [_plan(entry) for entry in described]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise WireError(f"a header that is not understood ({type(error).__name__})") from error
    total = sum(math.prod(shape) * dtype.itemsize for _, dtype, shape in plans)
    if total > max_bytes:
        raise WireError(f"{total} bytes of arrays, more than {max_bytes}")
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, dtype, shape in plans:
        values = np.empty(shape, dtype)
        if values.size:
            _read_into(pipe, memoryview(values.reshape(-1).view(np.uint8).data))
        arrays[name] = values
    return Frame(kind, Payload(facts, arrays))


def _plan(entry: Mapping[str, Any]) -> tuple[str, np.dtype[Any], tuple[int, ...]]:
    """Return name, element type and shape of an announced array, or raise ValueError."""
    shape = tuple(int(side) for side in entry["shape"])
    if entry["dtype"] not in DTYPES or len(shape) > _MAX_DIMENSIONS or any(side < 0 for side in shape):
        raise ValueError("array outside the rules")
    return str(entry["name"]), np.dtype(entry["dtype"]), shape


def _write_all(pipe: RawIOBase, data: bytes | memoryview) -> None:
    """Write every byte, however little the pipe takes at once."""
    view = memoryview(data)
    while view:
        view = view[pipe.write(view) or 0 :]


def _read_exactly(pipe: RawIOBase, count: int) -> bytearray:
    """Return exactly `count` bytes or raise WireError."""
    data = bytearray(count)
    if count:
        _read_into(pipe, memoryview(data))
    return data


def _read_into(pipe: RawIOBase, view: memoryview) -> None:
    """Fill a buffer from the pipe or raise WireError."""
    while view:
        count = pipe.readinto(view)
        if not count:
            raise WireError("the pipe ended")
        view = view[count:]
