"""Texts to ids to features: what padding, scripts, gaps, length and storage may not change."""

import copy
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sharewise.errors import DataError, StorageError
from sharewise.modalities.text import (
    TEXT_STATE,
    LengthBatches,
    TokenRows,
    Vocabulary,
    batches,
)
from sharewise.modalities.text._vocabulary import EMPTY, FIRST, HASHED
from sharewise.modalities.text._words import grams_of, words_of
from sharewise.serving._state import decode, encode

KNOWN: dict[str, type] = {cls.__name__: cls for cls in TEXT_STATE}
TEXTS = [
    "Free prize, call now!",
    "see you at home",
    "call me at home",
    "free call",
    "now or never: call",
    "ok",
]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.fit(TEXTS)


# Words, pieces, ids


def test_words_of_any_script() -> None:
    assert words_of("Don't CALL 0800-12!", True) == ["don", "'", "t", "call", "0800", "-", "12", "!"]
    assert words_of("Größe İ", False) == ["Größe", "İ"]
    assert words_of("明日 abc日本", True) == ["明", "日", "abc", "日", "本"]
    assert words_of("שלום עולם", True) == ["שלום", "עולם"]
    assert words_of("hi🎉🎉 ok", True) == ["hi", "🎉", "🎉", "ok"]
    assert words_of("ﬁt ＡＢ", True) == ["fit", "ab"], "compatible forms are one"


def test_grams_are_counted_by_words_and_weighed_by_length() -> None:
    # Letters by words they stand in, then "ing" (3 words, weight 2), "in" and "ng" (3, 1).
    found = grams_of(["king", "ring", "sing"], 9)
    assert set(found[:6]) == set("kingrs")
    assert found[6:] == ("ing", "in", "ng")


def test_ids_by_hand() -> None:
    vocabulary = Vocabulary(("call", "home"), ("c", "a", "l", "ca", "all"), length=5)
    call, home, _, _, one_l, ca, _ = range(FIRST + HASHED, FIRST + HASHED + 7)
    tokens = vocabulary.encode(["Call home", "calls", "", None, "home home home home home home"])
    assert tokens.lengths.tolist() == [2, 4, 1, 1, 5]
    assert tokens.padded(slice(0, 1)).tolist() == [[call, home]]
    # "calls" from its left: "ca" is the longest known beginning, then "l" and "l"; "s" is known nowhere.
    *known, hashed = tokens.padded(slice(1, 2))[0].tolist()
    assert known == [ca, one_l, one_l]
    assert FIRST <= hashed < FIRST + HASHED
    assert tokens.padded(slice(2, 4)).tolist() == [[EMPTY], [EMPTY]]
    assert tokens.notes == (
        "1 text is longer than 5 tokens; what follows those is not read. Raise length= to read more.",
    )


def test_only_training_texts_shape_a_vocabulary_and_row_order_does_not(vocabulary: Vocabulary) -> None:
    vocabulary.encode(["something else entirely 明日"])
    assert vocabulary == Vocabulary.fit(TEXTS) == Vocabulary.fit(TEXTS[::-1])
    assert "call" in vocabulary.words
    assert "ok" not in vocabulary.words, "one occurrence is not kept whole"


def test_size_bounds_every_id() -> None:
    vocabulary = Vocabulary.fit([f"word{i} other{i % 7}" for i in range(500)], size=100)
    assert vocabulary.size <= 100
    assert vocabulary.encode(["word1 never-seen 🎉 明日 other3"]).flat.max() < vocabulary.size


@given(st.lists(st.one_of(st.none(), st.text(max_size=60)), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_any_text_is_at_least_one_id_and_the_same_alone_as_among_others(texts: list[str | None]) -> None:
    vocabulary = Vocabulary.fit(TEXTS, length=16)
    try:
        tokens = vocabulary.encode(texts)
    except DataError:
        assert any("\ud800" <= letter <= "\udfff" for text in texts for letter in text or "")
        return
    assert tokens.lengths.min() >= 1
    assert tokens.lengths.max() <= 16
    assert tokens.flat.min() > 0
    assert tokens.flat.max() < vocabulary.size
    for row, text in enumerate(texts):
        alone = vocabulary.encode([text]).padded()[0]
        assert np.array_equal(alone, tokens.padded(np.array([row]))[0])


def test_unseen_words_scripts_and_emoji_are_told_apart(vocabulary: Vocabulary) -> None:
    texts = ["homecalling", "🎉", "🦊", "明日", "日明", "שלום", "مرحبا", "", "?!"]
    rows = [tuple(row[row > 0]) for row in vocabulary.encode(texts).padded()]
    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize("letter", ["a", "a ", "明", "🎉", " ", "a\n"], ids=repr)
def test_a_hundred_thousand_characters_are_cut_with_a_note(vocabulary: Vocabulary, letter: str) -> None:
    tokens = vocabulary.encode(["see you", letter * (100_000 // len(letter))])
    assert tokens.lengths.max() <= vocabulary.length
    assert "longer than" in tokens.notes[0]
    fitted = Vocabulary.fit([letter * 100_000, "a word"])
    assert fitted.length <= 256


def test_a_vocabulary_survives_storage(vocabulary: Vocabulary) -> None:
    texts = ["call me 明日 🎉", "nevermore", None]
    vocabulary.encode(texts)  # what is remembered of unseen words is no state
    tree, arrays, strings = encode(vocabulary, KNOWN)
    again = decode(tree, arrays, strings, KNOWN)
    assert again == vocabulary
    assert np.array_equal(again.encode(texts).flat, vocabulary.encode(texts).flat)
    assert isinstance(tree, dict)
    assert isinstance(tree["fields"], dict)
    for field, value in (("length", 0), ("length", "9"), ("words", [3]), ("words", [""])):
        damaged = copy.deepcopy(tree)
        damaged["fields"][field] = value  # type: ignore[call-overload, index]
        with pytest.raises(StorageError, match="whole and of a known form"):
            decode(damaged, arrays, strings, KNOWN)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ("a single string", "texts come as a column, one string a row; got str 'a single string'"),
        (7, "texts come as a column"),
        (["a", 7], "a text is a string or missing; row 1 holds int 7. Convert it to str."),
        ([b"caf\xe9"], r"row 0 holds bytes b'caf\xe9'. Decode the bytes first"),
        ([b"caf\xe9".decode("utf-8", "surrogateescape")], "row 0 holds '\\udce9' at character 3"),
        (["", None, float("nan")], "a text column must hold words; all 3 texts are empty or missing."),
        ([], "all 0 texts are empty"),
        (pd.DataFrame({"text": ["a b"]}), "texts come as a column"),
        ({"text": ["a b"]}, "texts come as a column"),
    ],
)
def test_a_column_that_is_none_is_refused_in_a_sentence(texts: object, words: str) -> None:
    with pytest.raises(DataError, match=re.escape(words)):
        Vocabulary.fit(texts)  # type: ignore[arg-type]


def test_letters_lost_in_reading_are_noted(vocabulary: Vocabulary) -> None:
    assert "1 of 2 texts hold the replacement character" in vocabulary.encode(["caf\ufffd", "ok"]).notes[0]


# Rows and batches


def test_padding_by_hand() -> None:
    tokens = TokenRows(np.array([5, 6, 7, 8], dtype=np.int32), np.array([0, 1, 4]), padding=9)
    assert tokens.padded().tolist() == [[5, 9, 9], [6, 7, 8]]
    assert tokens.padded(np.array([1, 0, 1]), length=2).tolist() == [[6, 7], [5, 9], [6, 7]]
    assert tokens.padded().dtype == np.int64


def test_batches_hold_every_row_once_and_repeat_by_seed(vocabulary: Vocabulary) -> None:
    tokens = vocabulary.encode([("call " * (i % 9)) + "me" for i in range(101)])
    plan, twin = (LengthBatches(tokens.lengths, 8, seed=3) for _ in range(2))
    for _ in range(2):
        pairs = list(batches(tokens, plan))
        assert len(pairs) == len(plan) == 13
        assert sorted(int(row) for rows, _ in pairs for row in rows) == list(range(101))
        assert [rows.tolist() for rows, _ in pairs] == list(twin)
        for rows, ids in pairs:
            assert ids.shape == (len(rows), tokens.lengths[rows.numpy()].max())
    sizes = sum(ids.numel() for _, ids in batches(tokens, plan))
    assert sizes < 1.2 * tokens.lengths.sum(), "like lengths together leave little padding"
    loader = torch.utils.data.DataLoader(list(range(101)), batch_sampler=LengthBatches(tokens.lengths, 8))  # type: ignore[arg-type]
    assert sum(len(batch) for batch in loader) == 101


def test_a_vocabulary_needs_no_torch() -> None:
    code = "import sys; from sharewise.modalities.text import Vocabulary; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
