"""Losses of a head's outputs, with gaps."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sharewise.errors import DataError, OptionError
from sharewise.tasks import Binary, Kind, Multiclass, Regression
from sharewise.tasks._torch_loss import labelled, loss_of, predict_of

GAP = float("nan")
CASES: list[tuple[Kind, int, torch.Tensor]] = [
    (Regression(), 1, torch.tensor([1.0, GAP, -3.0, GAP, 2.0])),
    (Multiclass(4), 4, torch.tensor([0, -1, 3, -7, 2])),
    (Multiclass(4), 4, torch.tensor([0.0, GAP, 3.0, -1.0, 2.0])),
    (Binary((0, 1)), 2, torch.tensor([0, -1, 1, -1, 1])),
    (Binary((0, 1)), 1, torch.tensor([0.0, GAP, 1.0, GAP, 1.0])),
]


def test_multiclass_of_a_number_is_the_codes_below_it() -> None:
    assert Multiclass(10) == Multiclass(tuple(range(10)))
    assert Multiclass(10).outputs == 10
    with pytest.raises(DataError, match="two or more classes; got 1"):
        Multiclass(1)


@pytest.mark.parametrize(("kind", "width", "target"), CASES)
def test_masked_loss_is_the_loss_of_the_labelled_rows_alone(
    kind: Kind, width: int, target: torch.Tensor
) -> None:
    outputs = torch.randn(5, width, generator=torch.Generator().manual_seed(1), requires_grad=True)
    known = labelled(kind, target)
    assert known.tolist() == [True, False, True, False, True]
    masked, alone = loss_of(kind, outputs, target), loss_of(kind, outputs[known], target[known])
    torch.testing.assert_close(masked, alone)
    slopes = [torch.autograd.grad(loss, outputs)[0] for loss in (masked, alone)]
    torch.testing.assert_close(*slopes)
    assert (slopes[0][~known] == 0).all()


def test_values_worked_out_by_hand() -> None:
    squares = loss_of(Regression(), torch.tensor([[1.0], [5.0], [0.0]]), torch.tensor([3.0, GAP, 1.0]))
    assert squares.item() == pytest.approx((4.0 + 1.0) / 2)
    scores = torch.tensor([[math.log(3.0), 0.0], [7.0, 9.0]])
    assert loss_of(Binary((0, 1)), scores, torch.tensor([1, -1])).item() == pytest.approx(math.log(4.0))
    logit = torch.tensor([[math.log(3.0)]])
    assert loss_of(Binary((0, 1)), logit, torch.tensor([1])).item() == pytest.approx(math.log(4.0 / 3.0))


@pytest.mark.parametrize(("kind", "width", "target"), CASES)
def test_without_labels_the_loss_is_a_zero_with_its_graph(
    kind: Kind, width: int, target: torch.Tensor
) -> None:
    outputs = torch.randn(5, width, requires_grad=True)
    nothing = torch.full_like(target, GAP if target.is_floating_point() else -1)
    loss = loss_of(kind, outputs, nothing)
    assert loss.item() == 0.0
    (slope,) = torch.autograd.grad(loss, outputs)
    assert (slope == 0).all()


def test_unweighted_losses_are_torchs_own() -> None:
    outputs, codes = torch.randn(6, 4), torch.randint(0, 4, (6,))
    torch.testing.assert_close(loss_of(Multiclass(4), outputs, codes), F.cross_entropy(outputs, codes))
    values = torch.randn(6)
    torch.testing.assert_close(
        loss_of(Regression(), outputs[:, 0], values), F.mse_loss(outputs[:, 0], values)
    )


def test_half_precision_outputs_give_a_full_precision_loss() -> None:
    outputs = torch.full((4, 1), 300.0, dtype=torch.float16)
    assert loss_of(Regression(), outputs, torch.zeros(4)).item() == 90000.0  # more than float16 holds


@pytest.mark.parametrize(
    ("kind", "outputs", "target", "error", "words"),
    [
        (Multiclass(3), torch.zeros(2, 3), torch.tensor([0, 3]), DataError, "codes from 0 to 2.*got 3"),
        (Multiclass(3), torch.zeros(2, 3), torch.tensor([0.5, 1.0]), DataError, "got 0.5"),
        (Multiclass(3), torch.zeros(2, 3), torch.zeros(2, 1), DataError, r"one column.*\(2, 1\)"),
        (Multiclass(3), torch.zeros(2, 4), torch.tensor([0, 1]), OptionError, r"3 output.*\(2, 4\)"),
        (Regression(), torch.zeros(2, 2), torch.zeros(2), OptionError, "1 output"),
        (Regression(), torch.zeros(3, 1), torch.zeros(2), OptionError, "2 rows"),
    ],
)
def test_what_does_not_fit_is_refused(
    kind: Kind, outputs: torch.Tensor, target: torch.Tensor, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        loss_of(kind, outputs, target)


def test_predictions_are_values_or_probabilities() -> None:
    values = predict_of(Regression(), torch.tensor([1.5, -2.0]))
    assert values.dtype == np.float64
    assert values.tolist() == [[1.5], [-2.0]]
    classes = predict_of(Multiclass(2), torch.tensor([[math.log(3.0), 0.0]], dtype=torch.float64))
    assert classes == pytest.approx(np.array([[0.75, 0.25]]))
    one = predict_of(Binary((0, 1)), torch.tensor([[math.log(3.0)]], dtype=torch.float64))
    assert one == pytest.approx(np.array([[0.25, 0.75]]))
