"""Texts as weighted counts of words and of runs of letters: what a plain linear model reads.

The same numbers as scikit-learn's ``TfidfVectorizer`` gives, but grams are told apart by 64-bit hashes that are
computed for all texts at once, so that reading takes a third of its time and the vocabulary is an array.

Symbols: ``n`` texts, ``C`` characters of all of them, ``V`` grams that are kept, ``M`` grams that occur.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import StorageError
from sharewise.modalities.text._texts import clean_texts

if TYPE_CHECKING:
    from scipy import sparse

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]
Texts = Sequence[str | None] | NDArray[Any]
Sort = Callable[[NDArray[np.uint32]], tuple[Rows, Hashes]]

PRIME = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that it has an inverse modulo 2^64 (the golden ratio's bits)."""
INVERSE = np.uint64(pow(int(PRIME), -1, 2**64))
LETTERS = (2, 3, 4, 5)
"""Lengths of the runs of letters, the spaces around a word among them."""
MOST = 100_000
"""Grams kept of each sort, the most frequent."""
LONGEST = 20_000
"""Characters of a text that are read: a longer one says what it is about before, and time stays bounded."""
AT_ONCE = 500_000
"""Characters read at once, which bounds memory."""
BREAK = 10
"""The code of the line break, which separates texts here and stands in none."""


@final
@dataclass(frozen=True)
class Grams:
    """Final. Words and pairs of words, and runs of 2 to 5 letters within words, each sort as TF-IDF of length one.

    Counts enter as ``1 + log(count)``, a gram weighs ``log((1 + n) / (1 + texts with it)) + 1`` (Salton & Buckley
    1988, as scikit-learn smooths it).

    Attributes:
        words, letters: ``(V,)`` hashes of the grams, ascending.
        word_weights, letter_weights: ``(V,)`` float32.
    """

    words: Hashes
    letters: Hashes
    word_weights: NDArray[np.float32]
    letter_weights: NDArray[np.float32]

    def __post_init__(self) -> None:
        for known, weights in ((self.words, self.word_weights), (self.letters, self.letter_weights)):
            if known.dtype != np.uint64 or known.shape != weights.shape or not (known[1:] > known[:-1]).all():
                raise StorageError(
                    "a vocabulary of grams holds ascending hashes, a weight each. Fit it again."
                )

    @classmethod
    def fit(cls, texts: Texts, *, least: int = 2, most: int = MOST) -> Grams:
        """The grams of these texts, which should be training texts only.

        Args:
            least: Texts that a gram stands in at least; one where there are fewer than 50 texts.
            most: Grams kept of each sort.
        """
        column = clean_texts(texts, LONGEST)
        least = least if len(column) >= 50 else 1
        kept = []
        for sort in (_words, _letters):
            found = [_distinct(rows, hashes) for rows, hashes in _read(column, sort)]
            # Each (text, gram) once: how often a hash occurs is in how many texts it stands.
            known, texts_with = np.unique(np.concatenate(found), return_counts=True)
            chosen = np.flatnonzero(texts_with >= least)
            if len(chosen) > most:
                # Equally frequent ones go by their hash, so that the order of rows is of no matter.
                chosen = np.sort(chosen[np.argsort(-texts_with[chosen], kind="stable")[:most]])
            weights = np.log((1 + len(column)) / (1 + texts_with[chosen])) + 1
            kept.append((known[chosen], weights.astype(np.float32)))
        (words, word_weights), (letters, letter_weights) = kept
        return cls(words, letters, word_weights, letter_weights)

    @property
    def width(self) -> int:
        """Columns of what `transform` gives, words first."""
        return len(self.words) + len(self.letters)

    def transform(self, texts: Texts) -> sparse.csr_array:
        """``(n, V)`` float32."""
        from scipy import sparse

        column = clean_texts(texts, LONGEST)
        words = _weighted(column, _words, self.words, self.word_weights)
        letters = _weighted(column, _letters, self.letters, self.letter_weights)
        found: sparse.csr_array = sparse.hstack([words, letters], format="csr", dtype=np.float32)
        return found


def _distinct(rows: Rows, hashes: Hashes) -> Hashes:
    """The hashes of each row, every one once a row."""
    order = np.lexsort((hashes, rows))
    rows, hashes = rows[order], hashes[order]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = (hashes[1:] != hashes[:-1]) | (rows[1:] != rows[:-1])
    return hashes[first]


def _weighted(column: list[str], sort: Sort, known: Hashes, weights: NDArray[np.float32]) -> sparse.csr_array:
    """TF-IDF ``(n, V)`` of one sort of grams, rows of length one."""
    from scipy import sparse

    parts: list[sparse.csr_array] = []
    size = len(known)
    for (rows, hashes), count in _read_counted(column, sort):
        place = np.searchsorted(known, hashes) if size else np.zeros(len(hashes), dtype=np.int64)
        place[place == size] = 0
        there = known[place] == hashes if size else np.zeros(len(hashes), dtype=bool)
        ones = np.ones(int(there.sum()), dtype=np.float32)
        cells = rows[there].astype(np.int32), place[there].astype(np.int32)
        counts = sparse.coo_array((ones, cells), shape=(count, size)).tocsr()
        counts.data = (1 + np.log(counts.data)) * weights[counts.indices]
        length = np.sqrt(np.add.reduceat(np.append(counts.data**2, 0), counts.indptr[:-1])) if count else ones
        filled = np.diff(counts.indptr)
        length[filled == 0] = 1
        counts.data /= np.repeat(length, filled)
        parts.append(counts)
    if not parts:
        parts = [sparse.csr_array(np.zeros((0, size), dtype=np.float32))]
    found: sparse.csr_array = sparse.vstack(parts, format="csr", dtype=np.float32)
    return found


def _read(column: list[str], sort: Sort) -> Iterator[tuple[Rows, Hashes]]:
    for found, _ in _read_counted(column, sort):
        yield found


def _read_counted(column: list[str], sort: Sort) -> Iterator[tuple[tuple[Rows, Hashes], int]]:
    """The grams of some texts after the other: their rows ``(M,)`` within these texts, their hashes ``(M,)``; and
    how many texts these are."""
    start = 0
    while start < len(column):
        stop, size = start, 0
        while stop < len(column) and (stop == start or size + len(column[stop]) <= AT_ONCE):
            size += len(column[stop])
            stop += 1
        yield sort(_codes(column[start:stop])), stop - start
        start = stop


def _codes(column: list[str]) -> NDArray[np.uint32]:
    """Code points ``(C,)`` of all texts: lower case, one space around every run of what is no space, a line break
    after each text."""
    spaced = "".join(f" {' '.join(text.lower().split())} \n" for text in column)
    return np.frombuffer(spaced.encode("utf-32-le"), dtype=np.uint32)


def _letters(codes: NDArray[np.uint32]) -> tuple[Rows, Hashes]:
    """Runs of letters within words and the spaces around them."""
    row = np.cumsum(codes == BREAK) - (codes == BREAK)
    space, broken = codes == ord(" "), codes == BREAK
    wide = codes.astype(np.uint64)
    rows, hashes = [], []
    running = wide.copy()
    usable = ~broken
    inside = np.ones(len(codes), dtype=bool)  # no space strictly between the run's ends
    for length in range(2, max(LETTERS) + 1):
        count = len(codes) - length + 1
        if count <= 0:
            break
        last = slice(length - 1, length - 1 + count)
        running = running[:count] * PRIME + wide[last]
        usable = usable[:count] & ~broken[last]
        inside = inside[:count] & ~space[length - 2 : length - 2 + count] if length > 2 else inside[:count]
        chosen = np.flatnonzero(usable & inside & ~(space[:count] & space[last] & (length == 2)))
        rows.append(row[chosen])
        hashes.append(_mixed(running[chosen], length))
    if not rows:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64)
    return np.concatenate(rows), np.concatenate(hashes)


def _words(codes: NDArray[np.uint32]) -> tuple[Rows, Hashes]:
    """Words, every other visible character, and pairs of neighbours among both."""
    distinct, place = np.unique(codes, return_inverse=True)
    characters = [chr(code) for code in distinct.tolist()]
    is_word = np.array([one.isalnum() or one == "_" for one in characters], dtype=bool)[place]
    is_space = np.array([one.isspace() for one in characters], dtype=bool)[place]
    before = np.concatenate([[False], is_word[:-1]])
    start = np.flatnonzero(~is_space & ~(is_word & before))
    # A word ends where no further letter follows; anything else is one character.
    after_word = np.flatnonzero(~is_word)
    end = start + 1
    long = is_word[start]
    end[long] = after_word[np.searchsorted(after_word, start[long])]
    # Sums over c_j PRIME^j, less those before the word, moved back to the power 0.
    power = np.cumprod(np.full(len(codes), PRIME, dtype=np.uint64))
    back = np.cumprod(np.full(len(codes), INVERSE, dtype=np.uint64))
    total = np.concatenate([[np.uint64(0)], np.cumsum((codes.astype(np.uint64) + np.uint64(1)) * power)])
    single = _mixed((total[end] - total[start]) * back[start], 1)
    row = (np.cumsum(codes == BREAK) - (codes == BREAK))[start]
    both = np.flatnonzero(row[1:] == row[:-1])
    pair = _mixed(single[both] * PRIME + single[both + 1], 2)
    return np.concatenate([row, row[both]]), np.concatenate([single, pair])


def _mixed(hashes: Hashes, salt: int) -> Hashes:
    """Bits spread over the whole word (the finaliser of SplitMix64: Steele, Lea & Flood 2014)."""
    x = hashes + np.uint64(salt * 0xD1B54A32D192ED03 % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    found: Hashes = x ^ (x >> np.uint64(31))
    return found
