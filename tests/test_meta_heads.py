"""Closed-form heads, worked out by hand or against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.covariance import ledoit_wolf as sklearn_ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from torch import nn

from sharewise.errors import DataError, OptionError
from sharewise.meta import (
    LDA,
    Constant,
    Episodes,
    FromScratch,
    Logistic,
    Neighbours,
    Prototypes,
    Ridge,
    meta_train,
)
from sharewise.meta._lda import ledoit_wolf
from sharewise.meta._solve import fit_ridge, solve_ridge


def blobs(rows: int = 12, width: int = 4, ways: int = 3, seed: int = 0):
    """Support (S, D) and labels, and eight query rows, in double precision."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % ways
    x = rng.normal(size=(rows, width)) + 2 * rng.normal(size=(ways, width))[y]
    return torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(rng.normal(size=(8, width)))


def bare(learner):
    """Features are the inputs; double precision."""
    return learner.double()


@pytest.fixture
def same():
    return nn.Identity()


def test_prototypes_are_class_means_and_logits_are_distances(same):
    x = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 4.0]], dtype=torch.float64)
    learner = bare(Prototypes(same, scale=6.0))
    model = learner.adapt(x, torch.tensor([0, 0, 1]))
    assert model.state["prototypes"].tolist() == [[[1.0, 0.0], [0.0, 4.0]]]
    # From (1, 1): squared distances 1 and 10, over D = 2, times 6.
    wanted = torch.tensor([-3.0, -30.0], dtype=torch.float64).log_softmax(0)
    torch.testing.assert_close(model.predict(torch.ones(1, 2, dtype=torch.float64))[0], wanted)


@pytest.mark.parametrize("width", [4, 30])
@pytest.mark.parametrize("penalty", [0.1, 5.0])
def test_ridge_predicts_numbers_as_sklearns(same, width, penalty):
    x, _, query = blobs(width=width)
    y = x[:, 0] * 3 + torch.arange(12)
    model = bare(Ridge(same, penalty=penalty)).adapt(x, y)
    wanted = SklearnRidge(alpha=penalty).fit(x.numpy(), y.numpy()).predict(query.numpy())
    np.testing.assert_allclose(model.predict(query).numpy(), wanted, rtol=1e-6)


@pytest.mark.parametrize("width", [4, 30])
def test_ridge_classifies_as_sklearns_on_one_hot_targets(same, width):
    x, y, query = blobs(width=width)
    model = bare(Ridge(same, penalty=2.0, scale=7.0)).adapt(x, y)
    wanted = SklearnRidge(alpha=2.0).fit(x.numpy(), np.eye(3)[y.numpy()]).predict(query.numpy())
    np.testing.assert_allclose(
        model.predict(query).numpy(),
        torch.from_numpy(7 * wanted).log_softmax(-1).numpy(),
        rtol=1e-5,
        atol=1e-6,
    )


def test_ridge_of_one_row_by_hand(same):
    # Centred on its only row, nothing is left to fit: every prediction is the row's label.
    model = bare(Ridge(same)).adapt(torch.ones(1, 2, dtype=torch.float64), torch.tensor([5.0]).double())
    assert model.predict(torch.randn(3, 2).double()).tolist() == pytest.approx([5.0] * 3)


def test_both_sides_of_the_identity_give_the_same():
    rows = torch.randn(2, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    wide = torch.cat([rows, torch.zeros(2, 5, 3, dtype=torch.float64)], -1)  # S < D now, and nothing new
    penalty, targets = torch.tensor([0.5, 2.0]).double(), rows[..., :2]
    torch.testing.assert_close(fit_ridge(wide, penalty, targets)[:, :5], fit_ridge(rows, penalty, targets))
    right = torch.cat([targets, torch.zeros(2, 3, 2, dtype=torch.float64)], 1)
    torch.testing.assert_close(solve_ridge(wide, penalty, right)[:, :5], solve_ridge(rows, penalty, targets))


@pytest.mark.parametrize("width", [4, 30])
@pytest.mark.parametrize("shrinkage", [0.1, 0.9])
def test_lda_is_sklearns_of_the_same_shrinkage(same, width, shrinkage):
    x, y, query = blobs(rows=13, width=width)  # classes of uneven sizes
    model = bare(LDA(same, shrinkage=shrinkage, even=False)).adapt(x, y)
    wanted = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(x.numpy(), y.numpy())
    np.testing.assert_allclose(
        model.predict(query).exp().numpy(), wanted.predict_proba(query.numpy()), rtol=1e-7, atol=1e-12
    )


def test_ledoit_wolf_is_sklearns_on_rows_around_their_means():
    x, y, _ = blobs(rows=15, width=6)
    residuals = x - torch.stack([x[y == way].mean(0) for way in range(3)])[y]
    _, wanted = sklearn_ledoit_wolf(residuals.numpy(), assume_centered=True)
    padded = torch.cat([residuals, torch.zeros(4, 6).double()])[None]
    assert float(ledoit_wolf(padded, torch.tensor([15.0]).double())) == pytest.approx(float(wanted))


def test_lda_of_one_row_a_class_is_nearest_mean(same):
    x, query = torch.randn(3, 6).double(), torch.randn(20, 6).double()
    nearest = torch.cdist(query, x).argmin(1)
    for shrinkage in ("learnt", "ledoit-wolf", 0.3):
        model = bare(LDA(same, shrinkage=shrinkage)).adapt(x, torch.arange(3))
        assert torch.equal(model.predict(query).argmax(1), nearest)


def test_learnt_shrinkage_by_hand(same):
    # One feature: residuals ±1 of four rows, so n C = 4; prior variance 2 worth 4 rows: (4·2 + 4) / 8 = 1.5.
    x = torch.tensor([[-1.0], [1.0], [4.0], [6.0]]).double()
    model = bare(LDA(same, variance=2.0, rows=4.0)).adapt(x, torch.tensor([0, 0, 1, 1]))
    # Between classes of means 0 and 5, at x = 1: log odds (5·1 − 12.5) / 1.5.
    found = model.predict(torch.ones(1, 1).double())[0]
    assert float(found[1] - found[0]) == pytest.approx((5 - 12.5) / 1.5)


@pytest.mark.parametrize("width", [3, 20])
@pytest.mark.parametrize("ways", [2, 3])
def test_logistic_is_sklearns_with_a_constant_feature(same, width, ways):
    x, y, query = blobs(width=width, ways=ways)
    model = bare(Logistic(same, penalty=2.0, steps=12)).adapt(x, y)
    constant = [np.column_stack([part.numpy(), np.ones(len(part))]) for part in (x, query)]
    sklearns = LogisticRegression(C=0.5, fit_intercept=False, tol=1e-10, max_iter=2000).fit(
        constant[0], y.numpy()
    )
    wanted = sklearns.predict_proba(constant[1])
    if ways == 2:
        # scikit-learn penalises one vector w for two classes; two vectors ±w/2 pay half as much.
        sklearns = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-10, max_iter=2000)
        wanted = sklearns.fit(constant[0], y.numpy()).predict_proba(constant[1])
    np.testing.assert_allclose(model.predict(query).exp().numpy(), wanted, rtol=1e-4, atol=1e-6)


def test_few_newton_steps_are_near_many(same):
    x, y, query = blobs(rows=25, ways=5, width=32)
    few, many = (bare(Logistic(same, steps=steps)).adapt(x, y).predict(query) for steps in (5, 20))
    assert float((few - many).abs().max()) < 1e-3


@pytest.mark.parametrize("k", [1, 3])
def test_neighbours_are_sklearns(same, k):
    x, y, query = blobs()
    votes = KNeighborsClassifier(k).fit(x.numpy(), y.numpy()).predict_proba(query.numpy())
    found = bare(Neighbours(k=k)).adapt(x, y).predict(query).exp().numpy()
    np.testing.assert_allclose(found, votes, atol=0.1)
    clear = np.sort(votes, 1)[:, -1] > np.sort(votes, 1)[:, -2]
    assert (found.argmax(1) == votes.argmax(1))[clear].all()
    numbers = x[:, 1] * 2
    wanted = KNeighborsRegressor(k).fit(x.numpy(), numbers.numpy()).predict(query.numpy())
    np.testing.assert_allclose(bare(Neighbours(k=k)).adapt(x, numbers).predict(query).numpy(), wanted)


def test_votes_that_tie_go_to_the_nearer_class():
    x = torch.tensor([[0.0], [1.0], [10.0]])
    model = Neighbours(k=2).adapt(x, torch.tensor([0, 1, 2]))
    assert model.predict(torch.tensor([[0.4], [0.6]])).argmax(1).tolist() == [0, 1]


def test_constant_by_hand():
    x = torch.zeros(4, 2)
    assert Constant().adapt(x, torch.tensor([1.0, 2.0, 3.0, 6.0])).predict(x[:2]).tolist() == [3.0, 3.0]
    chances = Constant().adapt(x, torch.tensor([0, 0, 0, 1])).predict(x[:1]).exp()
    assert chances[0].tolist() == pytest.approx([4 / 6, 2 / 6])


def test_scratch_fits_its_support():
    x, y, _ = blobs()
    learner = FromScratch(lambda outputs: nn.Linear(4, outputs), steps=300, rate=0.1)
    assert learner.adapt(x, y).predict(x).argmax(1).tolist() == y.tolist()


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Ridge(nn.Identity(), penalty=0.0), "penalty"),
        (lambda: LDA(nn.Identity(), shrinkage=1.5), "share"),
        (lambda: LDA(nn.Identity(), shrinkage="auto"), "ledoit-wolf"),
        (lambda: Logistic(nn.Identity(), steps=0), "step"),
        (lambda: Neighbours(k=0), "neighbour"),
        (lambda: FromScratch(nn.Linear, steps=0), "steps"),
        (lambda: Prototypes(nn.BatchNorm1d(3, track_running_stats=False)), "statistics"),
    ],
)
def test_options_out_of_range_are_refused(make, word):
    with pytest.raises(OptionError, match=word):
        make()


def test_numbers_are_refused_by_what_serves_classes(same):
    with pytest.raises(DataError, match="prototypes serves classification; got labels for regression"):
        Prototypes(same).adapt(torch.ones(2, 2), torch.tensor([0.5, 1.0]))


def test_penalty_is_learnt_across_tasks(same):
    # Labels are noise around zero: the best ridge predicts the mean, so its penalty rises.
    def draw(rng):
        x, y = (torch.from_numpy(rng.normal(size=size)).float() for size in ((8, 10, 3), (8, 10)))
        there = torch.ones(8, 5, dtype=torch.bool)
        return Episodes(x[:, :5], y[:, :5], there, x[:, 5:], y[:, 5:], there)

    learner = Ridge(same, penalty=0.1)
    meta_train(learner, draw, steps=60, rate=0.01)
    assert float(learner.log_penalty.detach()) > math.log(0.1) + 1
