"""Answers of their own shapes: their losses, how they are put together, stored and judged."""

from __future__ import annotations

import numpy as np
import pytest

from sharewise.families import Run, Sample
from sharewise.problems import Column, Problem, Table, Target, Task, fingerprint
from sharewise.strategies import fit_constant_model, greedy, mix, row_losses
from sharewise.studies._packing import packed, unpacked
from sharewise.tasks import (
    BoxRows,
    Detection,
    MaskRows,
    RaggedKind,
    Segmentation,
    Spans,
    Tagging,
    TagRows,
    cells,
    said,
)

TAGS = TagRows(Tagging(("DET", "NOUN", "VERB")))
SPANS = TagRows(Spans(("O", "B-PER", "I-PER")))
MASKS = MaskRows(Segmentation(("ground", "person")))
BOXES = BoxRows(Detection(("person", "dog")), (10, 10))


def _hot(codes, width):
    return np.eye(width, dtype=np.float32)[np.asarray(codes)]


def _masks(*codes):
    return cells([np.moveaxis(_hot(mask, 2), -1, 0) for mask in codes])


TRUTHS: dict[RaggedKind, tuple[np.ndarray, np.ndarray]] = {
    TAGS: (cells([np.array([0, 1]), np.array([2])]), cells([_hot([0, 1], 3), _hot([2], 3)])),
    SPANS: (cells([np.array([1, 2, 0]), np.array([0])]), cells([_hot([1, 2, 0], 3), _hot([0], 3)])),
    MASKS: (
        cells([np.array([[0, 1], [1, 255]], np.uint8), np.array([[0, 0], [1, 0]], np.uint8)]),
        _masks([[0, 1], [1, 0]], [[0, 0], [1, 0]]),
    ),
    BOXES: (
        cells([np.array([[1, 1, 5, 5, 0], [6, 6, 9, 9, 1]], np.float32), np.zeros((0, 5), np.float32)]),
        cells(
            [
                np.array([[6, 6, 9, 9, 1, 0.7], [1, 1, 5, 5, 0, 0.9]], np.float32),
                np.zeros((0, 6), np.float32),
            ]
        ),
    ),
}
KINDS = pytest.mark.parametrize("kind", TRUTHS, ids=lambda kind: kind.name)


@KINDS
def test_a_perfect_answer_costs_nothing_and_scores_one(kind: RaggedKind) -> None:
    truths, found = TRUTHS[kind]
    np.testing.assert_allclose(kind.losses(truths, found), 0.0, atol=1e-5)
    for name in kind.metrics:
        assert kind.metric(name)(truths, found[:, None]) == pytest.approx(1.0)


@KINDS
def test_the_constant_costs_more_and_fits_every_row(kind: RaggedKind) -> None:
    truths, found = TRUTHS[kind]
    lengths = [len(cell) for cell in truths] if isinstance(kind, TagRows) else [1, 1]
    constant = kind.spread(kind.template(truths), lengths)
    assert constant.shape == (2, 1)
    assert kind.losses(truths, constant[:, 0]).sum() > 0.1
    if isinstance(kind, TagRows | MaskRows):
        assert [cell.shape for cell in constant[:, 0]] == [cell.shape for cell in found]


def test_losses_worked_by_hand() -> None:
    truth = cells([np.array([0, 1])])
    half = cells([np.array([[0.5, 0.5, 0.0], [0.25, 0.25, 0.5]])])
    assert TAGS.losses(truth, half)[0] == pytest.approx(-(np.log(0.5) + np.log(0.25)) / 2)
    mask = cells([np.array([[0, 255]], np.uint8)])  # the second pixel counts for nothing
    assert MASKS.losses(mask, cells([np.array([[[0.8, 0.1]], [[0.2, 0.9]]])]))[0] == pytest.approx(
        -np.log(0.8)
    )
    boxes = cells([np.array([[1, 1, 5, 5, 0]])])
    twice = cells(
        [np.array([[1, 1, 5, 5, 1, 0.9], [1, 1, 5, 5, 0, 0.5]])]
    )  # the surer one has the wrong class
    assert BOXES.losses(boxes, twice)[0] == pytest.approx(1 - 2 / 3)
    assert BOXES.losses(cells([np.zeros((0, 5))]), twice)[0] == pytest.approx(0.9)


def test_mixing_averages_tags_and_masks_and_takes_the_heaviest_boxes() -> None:
    truths, found = TRUTHS[TAGS]
    other = cells([np.full_like(cell, 1 / 3) for cell in found])
    both = mix(np.array([0.0, 0.75, 0.25]), np.stack([truths, found, other])[..., None], TAGS)
    np.testing.assert_allclose(both[0, 0], 0.75 * found[0] + 0.25 / 3, rtol=1e-6)
    _, boxes = TRUTHS[BOXES]
    none = cells([np.zeros((0, 6))] * 2)
    assert mix(np.array([0.4, 0.6]), np.stack([none, boxes])[..., None], BOXES)[0, 0] is boxes[0]


def test_greedy_selection_takes_what_helps() -> None:
    rng = np.random.default_rng(0)
    truths = cells([rng.integers(0, 3, 6) for _ in range(30)])

    def blurred(seed: int) -> np.ndarray:
        noise = np.random.default_rng(seed)
        raw = [_hot(codes, 3) * 1.2 + noise.normal(0, 1, (6, 3)) for codes in truths]
        return cells([np.exp(one) / np.exp(one).sum(axis=1, keepdims=True) for one in raw])

    several = np.stack([blurred(1), blurred(2), cells([np.full((6, 3), 1 / 3)] * 30)])[..., None]
    weights = greedy(several, truths, TAGS)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights[:2] > 0).all()  # two with independent errors are better than either

    def loss(w: np.ndarray) -> float:
        return float(row_losses(mix(w, several, TAGS), truths, TAGS).mean())

    assert loss(weights) < min(loss(np.eye(3)[place]) for place in range(3))
    one_hot = greedy(
        np.stack([TRUTHS[BOXES][1], cells([np.zeros((0, 6))] * 2)])[..., None], TRUTHS[BOXES][0], BOXES
    )
    assert one_hot.tolist() == [1.0, 0.0]


@KINDS
def test_stored_and_read_back(kind: RaggedKind) -> None:
    _, found = TRUTHS[kind]
    with_gap = cells([*found, float("nan")])[:, None]
    plain = np.array([[0.5], [np.nan], [2.0]])
    first, second = unpacked(packed([with_gap, plain]))
    assert said(first)[:, 0].tolist() == [True, True, False]
    for before, after in zip(with_gap[:2, 0], first[:2, 0], strict=True):
        np.testing.assert_array_equal(np.asarray(before, dtype=np.float32), after)
        assert before.shape == after.shape
    np.testing.assert_array_equal(plain, second)


def _problem(tags: list[list[int] | None]) -> Problem:
    words = cells([("w",) * (len(one) if one else 2) for one in tags])
    answers = cells([None if one is None else np.array(one) for one in tags])
    labels = np.array([[np.nan if one is None else 0.0] for one in tags])
    return Problem(
        Table((Column("words", "sentence", words),), len(tags)),
        (Target("pos", TAGS, TAGS.metric()),),
        labels,
        (Task("pos", 0, None),),
        answers=(answers,),
    )


def test_the_constant_of_sentences_is_held_out_and_has_their_lengths() -> None:
    problem = _problem([[0, 0], [0, 1, 2], None, [2]])
    folds = ((np.array([0, 2]), np.array([1, 3])), (np.array([1, 3]), np.array([0, 2])))
    fit = fit_constant_model(Sample.of(problem, np.arange(4), folds), Run(0))
    held = fit.held_out[0][:, 0]
    assert [cell.shape for cell in held] == [(2, 3), (3, 3), (2, 3), (1, 3)]
    assert held[1][0].argmax() == 0  # of the first sentence's tags alone
    assert held[0][0, 0] == pytest.approx((1 + 1 / 3) / 5)


def test_another_tag_is_another_study() -> None:
    assert fingerprint(_problem([[0, 1], [2]])) == fingerprint(_problem([[0, 1], [2]]))
    assert fingerprint(_problem([[0, 1], [2]])) != fingerprint(_problem([[0, 2], [2]]))


def test_new_tasks_over_sentences_are_refused() -> None:
    import sharewise as sw
    from sharewise.errors import DataError

    with pytest.raises(DataError, match="new tasks"):
        sw.compare(_problem([[0, 1], [2]] * 30), question="new", quiet=True)
