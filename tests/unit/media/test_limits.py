from __future__ import annotations

import pytest

from detect.errors import ConfigError
from detect.media import Limits


@pytest.mark.parametrize("knob", ["max_bytes", "max_pixels", "decode_timeout_s", "max_memory_bytes"])
@pytest.mark.parametrize("value", [0, -1])
def test_limits_that_would_refuse_everything_are_rejected(knob: str, value: int) -> None:
    with pytest.raises(ConfigError, match=knob):
        Limits(**{knob: value})


def test_nan_is_no_limit() -> None:
    with pytest.raises(ConfigError, match="decode_timeout_s"):
        Limits(decode_timeout_s=float("nan"))


def test_the_defaults_keep_one_file_under_two_gigabytes() -> None:
    assert Limits().max_memory_bytes <= 1.5 * 2**30
    assert Limits().max_image_bytes < Limits().max_bytes
