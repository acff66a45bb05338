"""Masks and boxes: checks, scores by hand and beside scikit-learn, the anchor-free head and its parts."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score
from torch.nn import functional as F

from sharewise.errors import DataError, OptionError
from sharewise.tasks import Boxes, Detection, Segmentation
from sharewise.tasks.dense import (
    BACKGROUND,
    BoxHead,
    MaskHead,
    Places,
    assign,
    box_loss,
    centreness,
    corners,
    decode,
    dice_loss,
    focal,
    generalised_overlap,
    mask_loss,
    overlaps,
    suppress,
)

ROAD = Segmentation(("road", "car", "sky"))
PEOPLE = Detection(("person", "dog"))


def boxes(
    *corners: tuple[float, ...], labels: list[int] | None = None, scores: list[float] | None = None
) -> Boxes:
    given = np.array(corners, dtype=np.float64).reshape(-1, 4)
    codes = np.array(labels if labels is not None else [0] * len(given), dtype=np.int64)
    return Boxes(given, codes, (100, 80), None if scores is None else np.array(scores))


# Masks.


def test_mean_iou_by_hand() -> None:
    truth = np.array([[0, 0, 1, 1], [0, 0, 1, 255]])
    found = np.array([[0, 0, 0, 1], [0, 1, 1, 2]])  # the ignored pixel's answer does not count
    # road: 3 of 5; car: 2 of 4; sky is nowhere, so that it counts neither way.
    table = ROAD.confusion(truth, found)
    np.testing.assert_allclose(ROAD.ious(table), [3 / 5, 2 / 4, np.nan])
    scores = ROAD.scores([truth], [found])
    assert scores == {"mean_iou": pytest.approx(0.55), "pixel_accuracy": pytest.approx(5 / 7)}


def test_mean_iou_agrees_with_scikit_learn_over_all_pictures() -> None:
    rng = np.random.default_rng(0)
    truths = [rng.integers(0, 3, (rng.integers(3, 9), 7)) for _ in range(5)]
    found = [np.where(rng.random(t.shape) < 0.6, t, rng.integers(0, 3, t.shape)) for t in truths]
    flat = [np.concatenate([each.ravel() for each in side]) for side in (truths, found)]
    assert ROAD.scores(truths, found)["mean_iou"] == pytest.approx(jaccard_score(*flat, average="macro"))


def test_resampled_scores_are_paired_by_seed() -> None:
    rng = np.random.default_rng(0)
    truths = [rng.integers(0, 3, (6, 6)) for _ in range(8)]
    found = [np.where(rng.random((6, 6)) < 0.7, truth, 0) for truth in truths]
    one = ROAD.resampled(truths, found, draws=50)["mean_iou"]
    np.testing.assert_array_equal(one, ROAD.resampled(truths, found, draws=50)["mean_iou"])
    low, high = np.quantile(one, [0.025, 0.975])
    assert low < ROAD.scores(truths, found)["mean_iou"] < high
    assert (ROAD.resampled(truths, truths, draws=5)["mean_iou"] == 1).all()


def test_masks_without_labels_have_no_score() -> None:
    nothing = np.full((2, 2), 255)
    assert np.isnan(ROAD.scores([nothing], [np.zeros((2, 2), int)])["mean_iou"])


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (np.zeros((4, 6), int), r"has the size of its picture, 4 × 6 pixels; this one has 6 × 4"),
        (np.full((6, 4), 3), r"0 to 2, or 255 for no label; got 3"),
        (np.full((6, 4), -1), r"got -1"),
        (np.zeros((6, 4)), r"float64"),
        (np.zeros((6, 4, 3), int), r"\(6, 4, 3\)"),
    ],
)
def test_masks_that_are_none_are_refused_by_name(mask: np.ndarray, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        ROAD.check(mask, "a.png", (4, 6))
    assert str(caught.value).startswith("a.png: ")


def test_predictions_that_do_not_fit_are_refused() -> None:
    truth = np.zeros((2, 2), int)
    with pytest.raises(DataError, match=r"mask 1: .* \(2, 2\); got \(3, 3\)"):
        ROAD.scores([truth, truth], [truth, np.zeros((3, 3), int)])
    with pytest.raises(DataError, match=r"mask 0: .* got 7 to 7"):
        ROAD.scores([truth], [truth + 7])
    with pytest.raises(DataError, match="got 0 for 1"):
        ROAD.scores([truth], [])
    with pytest.raises(OptionError):
        Segmentation(("a", "b"), ignore=1)


def test_the_mask_loss_is_torchs_over_labelled_pixels() -> None:
    torch.manual_seed(0)
    scores, masks = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4))
    masks[0, :2] = 255
    expected = F.cross_entropy(scores, masks, ignore_index=255)
    torch.testing.assert_close(mask_loss(scores, masks), expected)
    assert mask_loss(scores, torch.full_like(masks, 255)) == 0
    with pytest.raises(DataError, match="Pair them"):
        mask_loss(scores, masks[:1])


def test_dice_by_hand() -> None:
    # One picture, two pixels, both of class 0; the network says 0.5 and 1: 2 · 1.5 / (0.25 + 1 + 2).
    scores = torch.tensor([[0.0, 30.0], [0.0, -30.0]]).reshape(1, 2, 1, 2)
    masks = torch.zeros(1, 1, 2, dtype=torch.long)
    known = torch.ones_like(masks, dtype=torch.bool)
    torch.testing.assert_close(dice_loss(scores, masks, known), torch.tensor(1 - 3 / 3.25))
    right = F.one_hot(masks, 2).movedim(3, 1) * 60.0
    assert dice_loss(right, masks, known) < 1e-6


# Box checks and average precision.


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            boxes((1, 1, 5, 5), (90, 10, 101, 20)),
            r"box 1: a box lies inside its picture of 100 × 80 .* to \(101, 20\)",
        ),
        (boxes((-1, 1, 5, 5)), r"box 0: a box lies inside"),
        (boxes((5, 1, 1, 5)), r"positive width and height; got \(5, 1\) to \(1, 5\)"),
        (boxes((5, 5, 5, 9)), r"positive width"),
        (boxes((5, np.nan, 7, 9)), r"finite"),
        (boxes((1, 1, 5, 5), labels=[2]), r"label is 0 to 1; got 2"),
        (boxes((1, 1, 5, 5), labels=[]), r"\(1, 4\) and \(0,\)"),
    ],
)
def test_boxes_that_are_none_are_refused_by_name(given: Boxes, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        PEOPLE.check(given, "a.jpg")
    assert str(caught.value).startswith("a.jpg")
    assert "\n" not in str(caught.value)
    PEOPLE.check(boxes(), "none")
    PEOPLE.check(boxes((0, 0, 100, 80)), "whole")


def test_average_precision_by_hand() -> None:
    truth = [boxes((10, 10, 30, 30), (50, 10, 70, 30)), boxes((0, 0, 20, 20))]
    perfect = [
        Boxes(each.corners, each.labels, each.size, np.linspace(0.9, 0.5, len(each.corners)))
        for each in truth
    ]
    assert PEOPLE.scores(truth, perfect) == {"map": pytest.approx(1.0), "map_50": pytest.approx(1.0)}
    # Two of three found, a false one ranked between them: precision 1 up to recall 1/3, 2/3 up to 2/3, then 0.
    # COCO reads it at recalls 0, 0.01 … 1: 34 times 1, 33 times 2/3, 34 times 0.
    found = [
        boxes((10, 10, 30, 30), (80, 50, 90, 60), scores=[0.9, 0.8]),
        boxes((0, 0, 20, 20), scores=[0.7]),
    ]
    assert PEOPLE.scores(truth, found)["map_50"] == pytest.approx((34 + 33 * 2 / 3) / 101)
    # An overlap of 0.75 counts at thresholds 0.50 to 0.75, six of ten.
    shifted = [boxes((0, 0, 20, 20))], [boxes((0, 0, 15, 20), scores=[0.9])]
    assert PEOPLE.scores(*shifted) == {"map": pytest.approx(0.6), "map_50": pytest.approx(1.0)}


def test_average_precision_without_boxes() -> None:
    none = boxes(scores=[])
    assert PEOPLE.scores([boxes((0, 0, 9, 9))], [none]) == {"map": 0.0, "map_50": 0.0}
    assert np.isnan(PEOPLE.scores([boxes()], [none])["map"])
    with pytest.raises(DataError, match="picture 0"):
        PEOPLE.scores([boxes((0, 0, 9, 9))], [boxes((0, 0, 9, 9))])


def test_average_precision_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = [boxes((0, 0, 9, 9))], [boxes((0, 0, 9, 9), scores=[1.0])]
    PEOPLE.scores(*pair)
    assert capsys.readouterr().out == ""
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    with pytest.raises(OptionError, match=r"sharewise\[detection\]"):
        PEOPLE.scores(*pair)


# Overlaps and suppression.


def test_overlaps_by_hand() -> None:
    one = torch.tensor([[0.0, 0, 2, 2]])
    many = torch.tensor([[0.0, 0, 2, 2], [1, 0, 3, 2], [4, 0, 6, 2], [0, 0, 0, 0]])
    torch.testing.assert_close(overlaps(one, many), torch.tensor([[1, 1 / 3, 0, 0]]))
    # The hull of the third pair is 6 × 2 = 12, of which 8 are covered.
    found = generalised_overlap(one.expand(3, 4), many[:3])
    torch.testing.assert_close(found, torch.tensor([1, 1 / 3, 0 - 4 / 12]))


def test_overlaps_agree_with_pycocotools() -> None:
    mask = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    start = rng.uniform(0, 50, (20, 2))
    size = rng.uniform(1, 40, (20, 2))
    expected = mask.iou(np.hstack([start, size]), np.hstack([start, size]), [0] * 20)
    given = torch.from_numpy(np.hstack([start, start + size]))
    np.testing.assert_allclose(overlaps(given, given).numpy(), expected, atol=1e-9)


def test_suppression_keeps_the_surest_of_each_class() -> None:
    given = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10], [2, 0, 12, 10], [50, 50, 60, 60]])
    scores = torch.tensor([0.8, 0.9, 0.7, 0.6, 0.1])
    labels = torch.tensor([0, 0, 1, 0, 0])
    assert suppress(given, scores, labels, 0.5).tolist() == [1, 2, 4]
    # What was suppressed suppresses nobody: 0 and 3 both overlap 1, not each other.
    apart = torch.tensor([[0.0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]])
    assert suppress(apart, torch.tensor([0.9, 0.8, 0.7]), torch.zeros(3), 0.3).tolist() == [0, 2]
    assert suppress(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0), 0.5).tolist() == []


# The anchor-free head.


def test_places_are_the_middles_of_their_cells() -> None:
    places = Places.of(16, 24, (8, 16))
    assert places.points[:6].tolist() == [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12]]
    assert places.points[6:].tolist() == [[8, 8], [24, 8]]
    assert places.largest.tolist() == [64] * 6 + [float("inf")] * 2
    assert places.smallest.tolist() == [0] * 6 + [64] * 2


def test_targets_by_hand() -> None:
    places = Places.of(32, 32, (8,))
    large, small = [0.0, 0, 32, 32], [8.0, 8, 24, 16]
    found = assign(places, torch.tensor([large, small]), torch.tensor([0, 1]))
    grid = found.labels.reshape(4, 4)
    # The small box's centre is (16, 12): of the places inside it (12, 12) and (20, 12), both are its own.
    assert grid[1].tolist() == [0, 1, 1, 0]
    assert grid[0].tolist() == [0, 0, 0, 0]  # 12 pixels from the large one's centre, 1.5 strides
    at = found.distances.reshape(4, 4, 4)[1, 1] * 8
    assert at.tolist() == [4, 4, 12, 4]  # from (12, 12) to the small box's sides
    middle = found.centreness.reshape(4, 4)
    assert middle[1, 1] == pytest.approx((4 / 12 * 1) ** 0.5)
    assert middle[0, 0] == pytest.approx(4 / 28)
    torch.testing.assert_close(corners(places, found.distances).reshape(4, 4, 4)[1, 1], torch.tensor(small))


def test_targets_go_to_the_level_that_is_for_their_size() -> None:
    places = Places.of(64, 64, (4, 8))
    found = assign(places, torch.tensor([[8.0, 8, 24, 24], [0, 0, 63, 63]]), torch.tensor([0, 1]))
    fine, coarse = found.labels[:256], found.labels[256:]
    assert set(fine.tolist()) == {BACKGROUND, 0}
    assert set(coarse.tolist()) == {BACKGROUND, 1}
    nothing = assign(places, torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))
    assert (nothing.labels == BACKGROUND).all()
    with pytest.raises(DataError, match="Reshape"):
        assign(places, torch.zeros(2, 4), torch.zeros(1, dtype=torch.long))


def test_centreness_is_one_in_the_middle() -> None:
    given = torch.tensor([[2.0, 3, 2, 3], [1, 1, 4, 1], [0, 1, 2, 1]])
    torch.testing.assert_close(centreness(given), torch.tensor([1, 0.5, 0]))


def test_focal_loss_by_hand() -> None:
    given = torch.tensor([0.0, 2.0], dtype=torch.double)
    chance = torch.sigmoid(given[1])
    expected = torch.stack([0.25 * 0.25 * torch.tensor(2.0).log(), -0.75 * chance**2 * (1 - chance).log()])
    found = focal(given, torch.tensor([1.0, 0.0], dtype=torch.double))
    torch.testing.assert_close(found, expected.double())
    plain = focal(given, torch.ones(2, dtype=torch.double), alpha=1, gamma=0)
    torch.testing.assert_close(plain, F.softplus(-given))


def said(targets: torch.Tensor | object, places: Places, sure: float = 30.0) -> torch.Tensor:
    """The outputs of a head that says exactly what it should."""
    labels, distances, middle = targets
    classes = torch.full((len(labels), 2), -sure)
    inside = labels >= 0
    classes[inside, labels[inside]] = sure
    return torch.cat([distances, torch.logit(middle, 1e-6)[:, None], classes], 1)[None]


def test_what_a_head_should_say_decodes_to_the_boxes_and_costs_least() -> None:
    places = Places.of(64, 96, (8, 16, 32))
    given = torch.tensor([[4.0, 6, 30, 60], [40, 8, 90, 50], [42, 10, 60, 30]])
    labels = torch.tensor([0, 1, 0])
    targets = assign(places, given, labels)
    outputs = said(targets, places)
    (found,) = decode(outputs, places, (96, 64))
    order = np.lexsort((found.corners[:, 0],))
    np.testing.assert_allclose(found.corners[order], given.numpy(), atol=1e-3)
    assert found.labels[order].tolist() == labels.tolist()
    assert found.scores is not None
    assert (np.diff(found.scores) <= 0).all()
    least = box_loss(outputs, places, [targets])
    # Centreness keeps its own entropy: that is all that remains.
    middle = targets.centreness[targets.labels >= 0]
    entropy = F.binary_cross_entropy(middle, middle)
    torch.testing.assert_close(least, entropy, atol=1e-4, rtol=1e-4)
    worse = outputs.clone()
    worse[..., :4] *= 1.2
    assert box_loss(worse, places, [targets]) > least


def test_decoding_drops_the_unsure_and_clips_to_the_picture() -> None:
    places = Places.of(16, 16, (8,))
    outputs = torch.full((2, 4, 6), -20.0)
    outputs[..., :4] = 9.0
    outputs[0, 0, 4:] = 5.0
    one, none = decode(outputs, places, (16, 16))
    assert one.corners.tolist() == [[0, 0, 16, 16]]
    assert none.corners.shape == (0, 4)


def test_heads_have_the_shapes_they_promise_and_start_unsure() -> None:
    torch.manual_seed(0)
    maps = [torch.randn(2, 8, 6, 5), torch.randn(2, 8, 3, 3)]
    outputs = BoxHead(8, 2, 3)(maps)
    assert outputs.shape == (2, 39, 8)
    assert outputs[..., 5:].sigmoid().mean().item() == pytest.approx(0.01, abs=0.005)
    assert (outputs[..., :4] > 0).all()
    assert MaskHead(8, 3)(maps).shape == (2, 3, 6, 5)
    empty = assign(Places.of(48, 40, (8, 16)), torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))
    assert box_loss(outputs, Places.of(48, 40, (8, 16)), [empty, empty]).isfinite()
    for wrong in (lambda: BoxHead(0, 1, 1), lambda: MaskHead(8, 1), lambda: Detection(())):
        with pytest.raises(OptionError):
            wrong()


def test_one_pyramid_learns_boxes_and_masks_of_squares() -> None:
    """Bright squares on grey, a handful of steps: both heads must find them."""
    from sharewise.modalities.images import FeaturePyramid, ResNet

    torch.manual_seed(0)
    kind = Detection(("square",))
    x, truths, masks = torch.full((8, 1, 32, 32), 0.3), [], torch.zeros(8, 32, 32, dtype=torch.long)
    for row in range(8):
        left, top = torch.randint(2, 16, (2,)).tolist()
        x[row, 0, top : top + 12, left : left + 12] = 1.0
        masks[row, top : top + 12, left : left + 12] = 1
        truths.append(boxes((left, top, left + 12, top + 12)))
    pyramid = FeaturePyramid(ResNet(1, (8, 16), stem=4), 16)
    places = Places.of(32, 32, pyramid.strides)
    heads = BoxHead(16, 2, 1, depth=1), MaskHead(16, 2)
    targets = [assign(places, torch.from_numpy(each.corners), torch.tensor([0])) for each in truths]
    parameters = [parameter for part in (pyramid, *heads) for parameter in part.parameters()]
    optimizer = torch.optim.Adam(parameters, 0.01)
    for _ in range(60):
        maps = pyramid(x)
        loss = box_loss(heads[0](maps), places, targets) + mask_loss(heads[1](maps), masks, dice=0.5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    maps = pyramid(x)
    assert kind.scores(truths, decode(heads[0](maps), places, (32, 32)))["map_50"] > 0.9
    found = F.interpolate(heads[1](maps), size=(32, 32), mode="bilinear").argmax(1)
    assert (
        Segmentation(("ground", "square")).scores(list(masks.numpy()), list(found.numpy()))["mean_iou"] > 0.8
    )
