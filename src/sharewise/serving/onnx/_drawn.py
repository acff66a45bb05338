"""Rows to check a file on: gaps, words never seen, tensors of noise, and numbers that lie just where the model decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.problems import Column, Schema, Table

ROWS = 400
TENSORS = 40
"""Rows where one is a tensor: each may be a picture."""
GAPS = 0.1
UNSEEN = ("never seen", "Étranger 7", "ß\u00a0 naïve  词")
HARD = (
    "😀👩\u200d🚀 🫨", "İstanbul IĞDIR", "ΟΔΥΣΣΕΥΣ Σ ΑΣ.", "e\u0301 \ufb01ne ＡＢＣ ½", "\uac00\u1100\u1161 ไทย",
    "_under_ it's 50% (off)", "\uf8ff \U000e0001 \ufffd", "a\u2028b\tc\r\nd", "x" * 300,
)  # fmt: skip
"""Capitals that are two letters or depend on their place, characters that compose, that no script has, that are spaces."""
LONG = 25_000
"""Characters of one text, which is more than any model reads."""


def draw(
    schema: Schema, points: Mapping[str, Sequence[Any]], seed: int = 0
) -> tuple[Table, NDArray[np.intp] | None]:
    """`ROWS` rows, and levels of the task column or None.

    Args:
        points: By column values at which something changes (numbers), or known words and n-grams.
        seed: Same seed, same rows.
    """
    rng = np.random.default_rng(seed)
    columns = []
    rows = TENSORS if "tensor" in schema.kinds else ROWS
    values: NDArray[Any]
    for place, (name, kind) in enumerate(zip(schema.features, schema.kinds, strict=True)):
        if kind == "tensor":
            values = _tensors(rng, rows, schema.shape or (), np.dtype(schema.dtype or "float32"))
        elif kind in ("number", "date"):
            truth = name in schema.bools
            values = (
                rng.integers(0, 2, ROWS).astype(np.float64) if truth else _numbers(rng, points.get(name, ()))
            )
            values[rng.random(ROWS) < GAPS] = np.nan
        else:
            words = [word for group in points.get(name, ()) for word in group]
            words += list(schema.values[place] or ()) if place < len(schema.values) else []
            values = _texts(rng, words) if kind == "text" else _categories(rng, words)
        columns.append(Column(name, kind, values))
    count = 0 if schema.levels is None else len(schema.levels)
    level = rng.permutation(np.arange(rows) % count) if count else None
    return Table(tuple(columns), rows), level


def _tensors(
    rng: np.random.Generator, rows: int, shape: tuple[int, ...], element: np.dtype[Any]
) -> NDArray[Any]:
    """Noise: of bytes all values, of other whole numbers 0 and 1, which most encoders take."""
    if element.kind == "f":
        return rng.normal(size=(rows, *shape)).astype(element)
    most = 256 if element == np.uint8 else 2
    found = rng.integers(0, most, (rows, *shape))
    found[:2] = np.array([0, most - 1]).reshape(2, *[1] * len(shape))
    # Half of them are coarse, as pictures are: neighbours mostly alike.
    if len(shape) == 3 and most == 256:
        blocks = rng.integers(0, most, (rows, shape[0], -(-shape[1] // 4), -(-shape[2] // 4)))
        coarse = blocks.repeat(4, axis=2).repeat(4, axis=3)[:, :, : shape[1], : shape[2]]
        found[rows // 2 :] = coarse[rows // 2 :]
    return found.astype(element)


def _numbers(rng: np.random.Generator, points: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """A third on the points, a third beside them by the last bit, the rest anywhere around them."""
    known = np.unique(np.concatenate(points)) if len(points) else np.linspace(-3.0, 3.0, 7)
    known = known[np.isfinite(known)]
    chosen = rng.choice(known, ROWS)
    beside = np.nextafter(chosen, rng.choice([-np.inf, np.inf], ROWS))
    low, high = np.quantile(known, [0.05, 0.95])
    spread = max(float(high - low), 1e-9 * max(abs(float(low)), 1.0))
    anywhere = rng.uniform(low - 0.2 * spread, high + 0.2 * spread, ROWS)
    found: NDArray[np.float64] = np.select(
        [rng.random(ROWS) < 1 / 3, rng.random(ROWS) < 1 / 2], [chosen, beside], anywhere
    )
    return found


def _categories(rng: np.random.Generator, words: Sequence[str]) -> NDArray[np.object_]:
    known = sorted(set(words))
    return _objects(
        None
        if chance < GAPS
        else str(rng.choice(UNSEEN))
        if chance < 2 * GAPS or not known
        else str(rng.choice(known))
        for chance in rng.random(ROWS)
    )


def _texts(rng: np.random.Generator, grams: Sequence[str]) -> NDArray[np.object_]:
    """Some n-grams in a row with blanks and capitals among them, now and then words of other alphabets."""
    known = sorted(set(grams)) or ["a"]
    texts: list[str | None] = []
    for chance in rng.random(ROWS):
        parts = [str(part) for part in rng.choice(known, rng.integers(1, 12))]
        if chance > 0.7:
            parts.append(str(rng.choice(UNSEEN)))
        text = str(rng.choice(["", " ", "  ", "\t"])).join(parts)
        text = text.upper() if rng.random() < 0.2 else text
        if rng.random() < 0.15:
            text = f"{text} {rng.choice(HARD)}"
        texts.append(text if chance > GAPS and text.strip() else None)
    texts[-1] = (" ".join(known) * (1 + LONG // len(" ".join(known))))[:LONG]
    return _objects(texts)


def _objects(cells: Any) -> NDArray[np.object_]:
    held = list(cells)
    array = np.empty(len(held), dtype=object)
    array[:] = held
    return array
