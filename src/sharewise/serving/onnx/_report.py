"""What an export came to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Report:
    """A file that was written and how close it is to its model.

    Attributes:
        path: The file.
        size_bytes: Its size.
        inputs: What each input holds: ``number``, ``date``, ``category``, ``text``, ``tensor`` or ``task``.
        outputs: Names, in order.
        rows: Rows that it was checked on.
        differences: Each target's largest difference from the model, as a share of the value or, where that is
            larger, of the output's spread over the rows.
        notes: What a user should know, one sentence each.
    """

    path: Path
    size_bytes: int
    inputs: dict[str, str]
    outputs: tuple[str, ...]
    rows: int
    differences: dict[str, float]
    notes: tuple[str, ...] = ()

    @property
    def largest(self) -> float:
        """The largest difference of any target."""
        return max(self.differences.values(), default=0.0)

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.size_bytes:,} bytes, {len(self.inputs)} columns in, {len(self.differences)} targets "
            f"out; on {self.rows:,} rows it differs from the model by at most {self.largest:.1e}."
        )
