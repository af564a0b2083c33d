"""What a caller may show while a measurement runs; apart from the measurement, which is slow to import."""

from __future__ import annotations


class Progress:
    """Takes the steps of a measurement; this one shows nothing."""

    def update(self, done: int, total: int, what: str) -> None:
        """Take the rows done so far."""

    def note(self, what: str) -> None:
        """Take what is going on besides rows."""
