"""Sentences and the files they come from."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from sharewise.errors import DataError, OptionError
from sharewise.problems import Sentences, read_conll, read_conllu, read_iob2

CONLLU = """# newdoc id = letter
# sent_id = a
# text = I don't go
1\tI\ti\tPRON\tPRP\t_\t4\tnsubj\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tAUX\tVBP\t_\t4\taux\t_\t_
3\tn't\tnot\tPART\tRB\t_\t4\tadvmod\t_\t_
4\tgo\tgo\tVERB\tVB\t_\t0\troot\t_\t_
4.1\thome\thome\tADV\tRB\t_\t_\t_\t_\t_

# sent_id = b
1\tNew York\tNew York\t_\tNNP\t_\t0\troot\t_\t_

"""
IOB2 = "# sent_id = b\n1\tNew York\tB-LOC\t-\n\n# sent_id = a\n1\tI\tO\t-\n2\tdo\tO\t-\n3\tn't\tO\t-\n4\tgo\tO\t-\n"

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def put(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return put


def test_conllu_gives_syntactic_words_and_passes_over_the_rest(write: Write) -> None:
    read = read_conllu(write("a.conllu", CONLLU), {"pos": "upos", "fine": "xpos"})
    assert read.words == (("I", "do", "n't", "go"), ("New York",))
    assert read.tags["pos"] == (("PRON", "AUX", "PART", "VERB"), None)  # "_" throughout is a gap
    assert read.tags["fine"][1] == ("NNP",)
    assert (read.ids, read.documents) == (("a", "b"), ("letter", "letter"))
    assert (read.files, read.lines) == (("a.conllu",) * 2, (4, 12))
    assert (len(read), read.tokens) == (2, 5)


def test_packed_marked_and_windows_files_read_the_same(tmp_path: Path, write: Write) -> None:
    plain = read_conllu(write("a.conllu", CONLLU))
    with gzip.open(tmp_path / "a.conllu.gz", "wt", encoding="utf-8", newline="") as packed:
        packed.write("\ufeff" + CONLLU.replace("\n", "\r\n"))
    assert read_conllu(tmp_path / "a.conllu.gz").tags == plain.tags
    assert read_conllu(tmp_path / "a.conllu.gz").words == plain.words


def test_a_line_separator_inside_a_word_ends_no_line(write: Write) -> None:
    read = read_conll(write("a.txt", "one\u2028two\tX\nthree\tY\n"), {"tag": 1})
    assert read.words == (("one\u2028two", "three"),)


def test_columns_parted_by_blanks_with_document_marks(write: Write) -> None:
    text = (
        "-DOCSTART- -X- O O\n\nEU NNP B-NP B-ORG\n# SYM O O\n\n-DOCSTART- -X- O O\n\n# sent_id = z\n# = O O\n"
    )
    read = read_conll(write("eng.train", text), {"pos": 1, "ner": -1})
    assert read.words == (("EU", "#"), ("#",))
    assert read.tags["ner"] == (("B-ORG", "O"), ("O",))
    assert read.documents == ("eng.train:1", "eng.train:2")
    assert (read.ids, read.lines) == ((None, "z"), (3, 9))


def test_iob2_finds_its_columns_and_joins_by_id(write: Write) -> None:
    entities = read_iob2(write("a.iob2", IOB2))
    assert entities.tags["entities"] == (("B-LOC",), ("O",) * 4)
    both = read_conllu(write("a.conllu", CONLLU)).with_tags(entities)
    assert both.tags["entities"] == (("O",) * 4, ("B-LOC",))
    last = read_iob2(write("conll.txt", "EU NNP B-NP B-ORG\nsays VB B-VP O\n"))
    assert last.tags["entities"] == (("B-ORG", "O"),)  # chunks are B- and I- too; the last column wins


def test_other_words_in_the_other_source_are_refused_or_left(write: Write) -> None:
    words = read_conllu(write("a.conllu", CONLLU))
    entities = read_iob2(write("a.iob2", IOB2.replace("4\tgo\tO\t-\n", "")))
    with pytest.raises(
        DataError, match=r"'a.conllu', the sentence from line 4 .*'a.iob2'.* \(4 and 3 words\)"
    ):
        words.with_tags(entities)
    assert words.with_tags(entities, unlike="leave").tags["entities"] == (None, ("B-LOC",))


def test_sums_and_choices_keep_every_column() -> None:
    first = Sentences.of([["He", "ran"]], pos=[["PRON", "VERB"]])
    both = first + Sentences.of([["Rome"]], ner=[["B-LOC"]])
    assert both.tags == {"pos": (("PRON", "VERB"), None), "ner": (None, ("B-LOC",))}
    assert both.take([1]).tags == {"pos": (None,), "ner": (("B-LOC",),)}
    assert first.with_tags(Sentences.of([["He", "ran"]], ner=[["O", "O"]])).column("ner") == (("O", "O"),)
    with pytest.raises(DataError, match=r"'po'\. Did you mean 'pos'"):
        both.column("po")
    with pytest.raises(DataError, match="got 1 and 2"):
        first.with_tags(Sentences.of([["He", "ran"], ["Rome"]]))
    with pytest.raises(DataError, match="got 'pos' twice"):
        first.with_tags(first)


@pytest.mark.parametrize(
    ("words", "tags", "message"),
    [
        ([["a"], []], {}, "a sentence holds words; got none in sentence 1"),
        ([["a", ""]], {}, "got an empty word in sentence 0"),
        ([["a", "b"]], {"pos": [["X"]]}, "2 words and 1 tags in column 'pos'"),
        ([["a"]], {"pos": [["X"], None]}, "got 2 for 1"),
    ],
)
def test_records_that_do_not_fit_are_refused(words: list[list[str]], tags: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(DataError, match=message):
        Sentences.of(words, **tags)


WORD = "1\ta\ta\tX\tX\t_\t0\troot\t_\t_\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (WORD + "2\tb\tb\n", "line 2 of 'f' has 3"),
        (WORD + WORD, "line 2 of 'f' has '1' where 2 is due"),
        (WORD.replace("1\ta", "x\ta"), "line 1 of 'f' has 'x' where 1"),
        (WORD.replace("1\ta", "1\t "), "line 1 of 'f' has none"),
        ("1.1" + WORD[1:], "that on line 1 of 'f' has none but"),
        (WORD + "2" + WORD[1:].replace("X", "_"), "line 2 of 'f' has no upos"),
        ("# sent_id = a\n\n" + WORD, "'f' has comments from line 1 and no word before line 2"),
        (WORD + "\n# sent_id = b\n", "comments from line 3 and no word before line"),
        ("# nothing\n\n", "'f' has none"),
        ("", "'f' is empty"),
    ],
)
def test_broken_conllu_is_told_with_its_line(write: Write, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_conllu(write("f", text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a O\nb I-PER\n", "on line 2 of 'f' 'I-PER' continues no PER: 'O' stands before it"),
        ("a B-LOC\nb I-PER\n", "on line 2 of 'f' 'I-PER' continues no PER: 'B-LOC' stands before it"),
        ("a O\n\nb I-PER\n", "on line 3 of 'f' 'I-PER' continues no PER: it is the sentence's first"),
        ("a O\nb E-PER\n", "on line 2 of 'f' 'E-PER' is no O, B-type or I-type"),
        ("a O\nb B-\n", "on line 2 of 'f' 'B-' is no O"),
        ("a O\nb\n", "line 2 of 'f' has 1, line 1 2"),
        ("a O\nb O O\n", "line 2 of 'f' has 3, line 1 2"),
        ("a x\nb y\n", "'f' has none among its 2"),
        ("a\tO\n\tO\n", "line 2 of 'f' has nothing in column 0"),
        ("# sent_id = 1\n\na O\n", "comments from line 1 and no word before line 2"),
        ("-DOCSTART- O\n\n", "'f' has none"),
    ],
)
def test_broken_iob2_is_told_with_its_line(write: Write, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_iob2(write("f", text))
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.conllu' cannot be opened"):
        read_conllu(tmp_path / "nowhere.conllu")
    with pytest.raises(DataError, match="is a folder"):
        read_iob2(tmp_path)
    latin = tmp_path / "latin.iob2"
    latin.write_bytes(b"Paris\tB-LOC\nOrl\xe9ans\tB-LOC\n")
    with pytest.raises(DataError, match=r"must be UTF-8; 'latin.iob2' holds 0xe9 at byte 15 \(line 2\)"):
        read_iob2(latin)
    wide = tmp_path / "wide.conllu"
    wide.write_text(CONLLU, encoding="utf-16")
    with pytest.raises(DataError, match=r"'wide\.conllu' is UTF-16"):
        read_conllu(wide)


def test_columns_that_are_not_there_are_told(write: Write) -> None:
    path = write("f", "a O\n")
    with pytest.raises(OptionError, match="from 0 to 1 in 'f'; got 5 for ner"):
        read_conll(path, {"ner": 5})
    with pytest.raises(OptionError, match=r"'upo'\. Did you mean 'upos'"):
        read_conllu(path, {"pos": "upo"})


def test_a_very_long_word_is_read_whole_and_shown_short(write: Write) -> None:
    long = "x" * 100_000
    assert read_conll(write("f", f"{long} O\n"), {}).words[0][0] == long
    with pytest.raises(DataError) as caught:
        read_conllu(write("g", f"{long} O\n"))
    assert len(str(caught.value)) < 300


def test_the_treebank_and_its_entities(dataset: Callable[[str], Path]) -> None:
    folder = dataset("ud_ewt_pos_ner")
    words = read_conllu(folder / "en_ewt-ud-dev.conllu", {"pos": "upos"})
    entities = read_iob2(folder / "uner_en_ewt-ud-dev.iob2")
    assert (len(words), words.tokens, len(entities)) == (2001, 25147, 2001)
    assert len({tag for row in words.column("pos") for tag in row or ()}) == 17
    both = words.with_tags(entities, unlike="leave")
    assert sum(row is not None for row in both.column("entities")) == 1998  # as SOURCE.txt counts them
    assert len(set(words.documents)) > 100
