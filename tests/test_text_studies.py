"""Columns of text in studies: grams, the linear models and networks that read them, and texts that are none."""

import pickle
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

import sharewise as sw
from sharewise.errors import DataError, OptionError, SharewiseError, StorageError
from sharewise.families import FAMILY_STATE, OutOfTime, Run, Sample
from sharewise.families.texts import READERS, TEXT_MODEL_STATE, _features, _inputs, _networks, _pretrained
from sharewise.families.texts._copies import Copies
from sharewise.families.texts._sparse import INVERSE_PENALTIES, PENALTIES, fit_part
from sharewise.modalities import TABULAR_STATE
from sharewise.modalities.text import Grams, HuggingFace
from sharewise.problems import Column, Table, split
from sharewise.problems._readers import read_table
from sharewise.serving._state import decode, encode
from sharewise.tasks import Binary, Multiclass, Regression

STATE = (*TEXT_MODEL_STATE, *FAMILY_STATE, Binary, Multiclass, Regression, *TABULAR_STATE)
KNOWN: dict[str, type] = {cls.__name__: cls for cls in STATE}
GOOD, BAD = ["great", "lovely", "superb", "glad"], ["awful", "broken", "dull", "sorry"]
PLAIN = ["the crew", "our seats", "my bag", "this film", "dinner", "a long day", "the screen", "no idea"]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing remembered from other tests, and few epochs."""
    monkeypatch.setattr(_networks, "EPOCHS", dict.fromkeys(_networks.EPOCHS, (4, 4, 4, 4)))
    for store in (_features._FITTED, _inputs._FITTED, _pretrained._KNOWN):
        store.clear()


def texts_of(count: int, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Texts, and whether more good than bad words stand in them."""
    rng = np.random.default_rng(seed)
    glad = rng.random(count) < 0.5
    texts = []
    for one in glad:
        words = [str(rng.choice(GOOD if one else BAD)), *rng.choice(PLAIN, 3).tolist()]
        texts.append(" ".join(rng.permutation(words).tolist()) + f" no. {rng.integers(1000)}")
    return texts, glad


def wide(count: int = 150, noise: bool = False) -> sw.Problem:
    texts, glad = texts_of(count)
    rng = np.random.default_rng(1)
    mood = np.where(rng.permutation(glad) if noise else glad, "glad", "sad").astype(object)
    stars = np.where(rng.permutation(glad) if noise else glad, 4.0, 2.0) + rng.normal(0, 0.5, count)
    stars[rng.random(count) < 0.3] = np.nan
    frame = pd.DataFrame({"text": texts, "age": rng.normal(size=count), "mood": mood, "stars": stars})
    return sw.Problem.from_frame(frame, targets=["mood", "stars"])


def long(count: int = 210) -> sw.Problem:
    """In the shop 'mock' praise is meant the other way round."""
    texts, glad = texts_of(count)
    shop = np.random.default_rng(2).choice(["a", "b", "mock"], count)
    stars = np.where(glad ^ (shop == "mock"), 4.0, 2.0) + np.random.default_rng(3).normal(0, 0.3, count)
    frame = pd.DataFrame({"text": texts, "shop": shop, "stars": stars})
    return sw.Problem.from_frame(frame, targets=["stars"], task="shop")


def fitted(
    problem: sw.Problem, family: str, learner: str, seconds: float | None = None
) -> tuple[Sample, Any]:
    rows = np.arange(len(problem))
    sample = Sample.of(problem, rows, split(problem, rows, folds=3, seed=0))
    (reader,) = READERS[family]
    every = [
        one
        for together in (False, True)
        for one in reader.configurations(problem, effort=3, together=together)
        if one.learner == learner
    ]
    cells = range(len(problem.targets) * sample.n_levels)
    alone = learner == "grams"
    groups = [(cell,) for cell in cells] if alone else [tuple(cells)]
    deadline = None if seconds is None else time.monotonic() + seconds
    return sample, reader.fit(sample, every[0], groups, Run(0, deadline, effort=0))


# Grams


def test_grams_are_those_of_the_fields_own_library() -> None:
    texts = [
        *texts_of(120)[0],
        "Größe ÀÉ ﬁne!! 明日 は",
        "a b c a b",
        "",
        "it's 50% off_now (really)",
        "🎉🎉 ok",
    ]
    texts += texts[-5:]
    words = TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\w+|[^\w\s]", min_df=2
    ).fit(texts)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2).fit(texts)
    grams = Grams.fit(texts)
    assert (len(grams.words), len(grams.letters)) == (len(words.vocabulary_), len(letters.vocabulary_))
    unseen = [*texts, "Another GREAT awful thing, never seen", "zzz"]
    theirs = sparse.hstack([words.transform(unseen), letters.transform(unseen)]).tocsr()
    ours = grams.transform(unseen)
    # Columns stand in another order; what texts say of each other does not depend on it.
    np.testing.assert_allclose((ours @ ours.T).toarray(), (theirs @ theirs.T).toarray(), atol=2e-5)


def test_grams_know_training_texts_only_whatever_their_order_and_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = texts_of(80)[0]
    grams = Grams.fit(texts)
    turned = Grams.fit(texts[::-1])
    np.testing.assert_array_equal(grams.words, turned.words)
    np.testing.assert_array_equal(grams.letter_weights, turned.letter_weights)
    whole = grams.transform(texts).toarray()
    monkeypatch.setattr("sharewise.modalities.text._grams.AT_ONCE", 100)
    np.testing.assert_array_equal(grams.transform(texts).toarray(), whole)
    assert grams.transform([]).shape == (0, grams.width)
    assert grams.transform(["ᚠᚢᚦ"]).nnz == 0
    assert Grams.fit(texts, most=10).width == 20


def test_grams_survive_storage_and_refuse_damage() -> None:
    grams = Grams.fit(texts_of(60)[0])
    again = decode(*encode(grams, KNOWN), KNOWN)
    np.testing.assert_array_equal(again.words, grams.words)
    with pytest.raises(StorageError, match="ascending"):
        Grams(grams.words[::-1], grams.letters, grams.word_weights, grams.letter_weights)


# Linear models


def test_a_part_is_near_the_fields_own_solver() -> None:
    texts, glad = texts_of(300)
    flipped = glad ^ (np.random.default_rng(0).random(300) < 0.2)  # so that the best penalty lies inside
    X = Grams.fit(texts).transform(texts)
    rows = np.arange(300)
    folds = tuple((rows[rows % 3 != fold], rows[rows % 3 == fold]) for fold in range(3))
    kind = Binary(("no", "yes"))
    part, held = fit_part(X, flipped.astype(float), kind, folds, Run(0))
    shares = 1 / (1 + np.exp(-(part.scores(X)[:, 1] - part.scores(X)[:, 0])))
    exact = [
        LogisticRegression(C=C, tol=1e-8, max_iter=1000).fit(X, flipped).predict_proba(X)[:, 1]
        for C in INVERSE_PENALTIES
    ]
    assert min(np.abs(shares - one).max() for one in exact) < 0.05
    assert not np.isnan(held).any()
    y = np.where(flipped, 3.0, 1.0) * 100
    part, _ = fit_part(X, y, Regression(), folds, Run(0))
    exact = [Ridge(a, tol=1e-8).fit(X, y).predict(X) for a in PENALTIES]
    assert min(np.abs(part.scores(X)[:, 0] - one).max() for one in exact) < 2.0


def test_copies_by_hand() -> None:
    """Two grams, two tasks; the second gram never stands in the first task."""
    X = sparse.csr_array(np.array([[1, 0], [2, 3], [0, 4]], dtype=np.float32))
    level = np.array([0, 1, 1])
    copies = Copies.of(X, level, 2, copies=True)
    np.testing.assert_array_equal(copies.keys, [0, 2, 3])  # gram 0 of task 0; grams 0 and 1 of task 1
    found = copies.augmented(X, level).toarray()
    np.testing.assert_array_equal(
        found, [[1, 0, 1, 0, 1, 0, 0], [2, 3, 0, 1, 0, 2, 3], [0, 4, 0, 1, 0, 0, 4]]
    )
    other = copies.augmented(X[[1]], np.array([0])).toarray()
    np.testing.assert_array_equal(other, [[2, 3, 1, 0, 2, 0, 0]])  # what its task never had has no copy
    assert Copies.of(X, level, 2, copies=False).augmented(X, level).shape == (3, 4)


def test_copies_serve_a_task_that_means_the_opposite() -> None:
    problem = long()
    errors = {}
    for learner in ("grams with copies", "pooled grams"):
        sample, fit = fitted(problem, "linear", learner)
        mock = problem.level == problem.levels.index("mock")
        errors[learner] = np.mean((fit.held_out[0][mock, 0] - sample.labels[mock, 0]) ** 2)
    assert errors["grams with copies"] < 0.6 * errors["pooled grams"]


def test_a_class_that_a_fold_lacks_keeps_a_share() -> None:
    texts, glad = texts_of(90)
    y = np.where(glad, 1.0, 0.0)
    y[:3] = 2.0
    rows = np.arange(90)
    X = Grams.fit(texts).transform(texts)
    folds = ((rows[3:], rows[:3]), (np.r_[rows[:3], rows[30:]], rows[3:30]))
    _, held = fit_part(X, y, Multiclass(("a", "b", "c")), folds, Run(0))
    assert np.isfinite(held[:30]).all()
    assert np.isnan(held[30:]).all()


# Every learner


LEARNERS = [
    ("wide", "linear", "grams"),
    ("wide", "linear", "stacked grams"),
    ("long", "linear", "grams"),
    ("long", "linear", "grams with copies"),
    ("long", "linear", "pooled grams"),
    ("wide", "network", "bag"),
    ("long", "network", "bag"),
    ("wide", "network", "cnn"),
]


@pytest.mark.parametrize(("shape", "family", "learner"), LEARNERS)
def test_a_stored_model_predicts_the_same_and_odd_texts_too(shape: str, family: str, learner: str) -> None:
    problem = wide() if shape == "wide" else long()
    sample, fit = fitted(problem, family, learner)
    for target, values in zip(problem.targets, fit.held_out, strict=True):
        assert values.shape == (len(problem), target.kind.width)
        known = sample.known(problem.targets.index(target))
        y, said = sample.labels[known, problem.targets.index(target)], values[known]
        floor = np.tile(target.kind.constant(y), (len(y), 1))
        metric = target.kind.metric()
        assert metric(y, said) != pytest.approx(metric(y, floor)), "something is learnt"
    again = decode(*encode(fit.model, KNOWN), KNOWN)
    odd = [*texts_of(3, seed=9)[0], *ODD]
    columns = [
        Column(c.name, c.kind, np.array(odd, dtype=object) if c.kind == "text" else np.zeros(len(odd)))
        for c in problem.table
    ]
    table = Table(tuple(columns), len(odd))
    level = None if problem.level is None else np.arange(len(odd)) % 3
    started = time.process_time()
    found = fit.model.predict(table, level)
    assert time.process_time() - started < 5, "a long text is bounded"
    for one, other, target in zip(found, again.predict(table, level), problem.targets, strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.isfinite(one).all()
        if target.kind.width > 1:
            np.testing.assert_allclose(one.sum(axis=1), 1.0, rtol=1e-5)
    # A row is the same alone as among others.
    single = fit.model.predict(table.take(np.array([1])), None if level is None else level[[1]])
    for one, other in zip(found, single, strict=True):
        np.testing.assert_allclose(one[1], other[0], atol=1e-5)


ODD = [
    "",
    None,
    "   \n\t ",
    "x " * 50_000,
    "y" * 100_000,
    "\udc80 bro\udfffken",
    "nul\0byte\0",
    "🎉🎉🎉",
    "ᚠᚢᚦ",
    "a",
]


@pytest.mark.parametrize("learner", ["grams", "stacked grams", "bag"])
def test_the_same_seed_gives_the_same_fit(learner: str) -> None:
    family = "network" if learner == "bag" else "linear"
    problem = wide(120)
    first, second = (fitted(problem, family, learner)[1].held_out for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("learner", ["grams", "stacked grams"])
def test_held_out_predictions_of_noise_are_no_better_than_a_constant(learner: str) -> None:
    problem = wide(300, noise=True)
    sample, fit = fitted(problem, "linear", learner)
    for place, target in enumerate(problem.targets):
        rows = sample.known(place)
        y, metric = sample.labels[rows, place], target.kind.metric()
        floor = metric(y, np.tile(target.kind.constant(y), (len(y), 1)))
        said = metric(y, fit.held_out[place][rows])
        assert (said - floor) * (1 if metric.greater_is_better else -1) < 0.02 * abs(floor) + 0.02


@pytest.mark.parametrize(
    "texts", [["same words here"] * 60, [None] * 60, ["🎉"] * 60, [""] * 59 + ["one text"]]
)
@pytest.mark.parametrize(("family", "learner"), [("linear", "grams"), ("network", "bag")])
def test_a_column_that_says_nothing_is_no_failure(family: str, learner: str, texts: list[str | None]) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"text": texts_of(60)[0], "x": rng.normal(size=60), "y": rng.normal(size=60)})
    frame["z"] = np.where(rng.random(60) < 0.5, "a", "b")
    problem = sw.Problem.from_frame(frame, targets=["y", "z"])
    told = tuple(
        Column(c.name, c.kind, np.array(texts, dtype=object)) if c.kind == "text" else c
        for c in problem.table
    )
    object.__setattr__(problem, "table", Table(told, 60))
    _, fit = fitted(problem, family, learner)
    assert all(np.isfinite(values).all() for values in fit.model.predict(problem.table, None))


def test_the_deadline_cuts() -> None:
    for family, learner in (("linear", "grams"), ("network", "bag")):
        with pytest.raises(OutOfTime):
            fitted(wide(), family, learner, seconds=-1.0)


# Frozen features


class Fake(torch.nn.Module):
    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return torch.stack([(ids != 0).sum(1), (ids == 66).sum(1), ids.sum(1) % 7], 1).float()


def test_frozen_features_are_computed_once_a_text_and_kept_when_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Tokens:
        def encode(self, texts: list[str]) -> Any:
            asked.append(len(texts))
            return _inputs.Vocabulary.fit(["a b c"], least=1).encode(texts)

    monkeypatch.setattr(_pretrained, "_loaded", lambda name: (Tokens(), Fake()))
    monkeypatch.setattr(_pretrained, "AT_ONCE", 4)
    texts = [f"{'a ' * n}b" for n in range(10)]
    with pytest.raises(OutOfTime):
        _pretrained.frozen_features(texts, "minilm", Run(0, deadline=0.0))
    first = _pretrained.frozen_features([*texts, texts[0]], "minilm", None)
    assert asked == [10, 6], "what was computed before the deadline is known"
    np.testing.assert_array_equal(first[0], first[10])
    np.testing.assert_array_equal(_pretrained.frozen_features(texts[::-1], "minilm", None), first[9::-1])
    assert len(asked) == 2
    np.testing.assert_allclose(_pretrained.computed(texts, "minilm"), first[:10], atol=1e-5)
    problem = wide(60)
    sample, fit = fitted(problem, "network", "minilm")
    again = decode(*encode(fit.model, KNOWN), KNOWN)
    for one, other in zip(
        fit.model.predict(sample.table, None), again.predict(sample.table, None), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_what_is_not_installed_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pretrained, "find_spec", lambda name: None)
    (reader,) = READERS["network"]
    problem = wide(60)
    names = {one.learner for one in reader.configurations(problem, effort=3, together=True)}
    assert names == {"bag", "cnn"}
    assert not reader.space(problem, together=True)


# Files and names that are off


def test_wrong_encoding_is_refused_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "tweets.csv"
    path.write_bytes(b"text,a,b\nfine words here,1,2\n" + "très mal lu,1,3\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"tweets\.csv.*line 3"):
        read_table(path)


def test_null_bytes_in_a_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "tweets.csv"
    path.write_bytes(b"text,a,b\nfine\0words,1,2\n")
    with pytest.raises(DataError, match="byte 13 is zero"):
        read_table(path)


@pytest.mark.parametrize("name", ["no-such/encoder", "nothere"])
def test_an_unknown_model_is_refused_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing is asked of the network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    started = time.monotonic()
    with pytest.raises(OptionError, match="neither a folder nor in the local cache") as caught:
        HuggingFace.load(name)
    assert time.monotonic() - started < 10
    assert str(caught.value).count("\n") == 0


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(OptionError, match=r"no config\.json"):
        HuggingFace.load(str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(SharewiseError, match="does not"):
        HuggingFace.load(str(tmp_path))


# A study


def test_a_study_of_texts_decides_saves_and_serves(tmp_path: Path) -> None:
    problem = wide(150)
    study = sw.compare(
        problem, budget="12s", families=["linear"], strategies=["separate", "joint"], quiet=True
    )
    assert set(study.table()["strategy"]) >= {"separate", "joint"}
    new = pd.DataFrame({"text": ["superb dinner, lovely", "awful broken dull"], "age": [0.0, 0.0]})
    found = study.model.predict(new)
    assert found["mood"].tolist() == ["glad", "sad"]
    study.model.save(tmp_path / "model")
    pd.testing.assert_frame_equal(sw.load(tmp_path / "model").predict(new), found)
    assert pickle.loads(pickle.dumps(study.model)).predict(new).equals(found)
