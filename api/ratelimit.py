"""A moving window of calls for each caller, and the headers that tell what is left of it."""

from __future__ import annotations

import math
import time

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from detect.errors import ConfigError


class Limiter:
    """Counts in this process; behind several processes each counts on its own."""

    def __init__(self, rate: str) -> None:
        try:
            self._item = parse(rate)
        except ValueError as error:
            raise ConfigError(f"rate_limit must look like '600/minute', not {rate!r}") from error
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._policy = f'"default";q={self._item.amount};w={self._item.get_expiry()}'

    def hit(self, caller: str) -> tuple[bool, dict[str, str], int]:
        """Count one call; returns whether it may go on, headers, and the seconds until the next may."""
        is_allowed = self._limiter.hit(self._item, caller)
        stats = self._limiter.get_window_stats(self._item, caller)
        wait_s = max(1, math.ceil(stats.reset_time - time.time()))
        headers = {"RateLimit-Policy": self._policy, "RateLimit": f'"default";r={stats.remaining};t={wait_s}'}
        return is_allowed, headers, wait_s
