"""What a loop that anyone may call says when something is off: the rule, the value found, the way out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from sharewise.balancing import MGDA, Sum, backward
from sharewise.errors import DataError, OptionError, SharewiseError
from sharewise.networks import HardSharing
from sharewise.tasks import Multiclass, Regression
from sharewise.training import fit, lookahead_affinity
from sharewise.training._feed import make_feed
from training_jobs import GAP, KINDS, Table, loader, network, own_loaders


def changed(task: str, value: float, rows: slice = slice(None)) -> DataLoader[Any]:
    table = Table(40)
    table.y[task][rows] = value  # type: ignore[call-overload]
    return DataLoader(table, 20)


def run(**options: Any) -> None:
    given = {"network": network(), "loaders": loader(40), "tasks": KINDS, "progress": False, "epochs": 1}
    fit(**{**given, **options})


class Projection(nn.Module):
    """An encoder whose width nothing tells before it runs."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(inputs, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight


def built(inputs: int = 5, width: int = 8, classes: int = 3) -> HardSharing:
    heads = {"size": nn.Linear(width, 1), "side": nn.Linear(width, classes), "odd": nn.Linear(width, 2)}
    return HardSharing(Projection(inputs), heads)


class Endless:
    """A loader without a length."""

    def __iter__(self) -> Iterator[Any]:
        return iter(loader(40))


CASES: dict[str, tuple[dict[str, Any], type[SharewiseError], str]] = {
    "a head missing": (
        {"tasks": {**KINDS, "more": Regression()}},
        OptionError,
        "every task has a head.*'more' is not among",
    ),
    "a width that does not fit": ({"network": built(width=9)}, OptionError, "head of task 'size'.*8"),
    "inputs that do not fit": ({"network": built(inputs=6)}, OptionError, "encoder.*(20, 5)"),
    "outputs that do not fit": ({"network": built(classes=4)}, OptionError, "task 'side' gives 3 output"),
    "labels out of range": (
        {"loaders": changed("side", 3, slice(25, 26))},
        DataError,
        "labels of task 'side' are codes from 0 to 2.*got 3",
    ),
    "labels out of range, own inputs": (
        {"loaders": own_loaders(size=40, side=40, odd=40), "tasks": {**KINDS, "side": Multiclass(2)}},
        (SharewiseError),
        "task 'side'",
    ),
    "an empty task": (
        {"loaders": changed("odd", GAP)},
        DataError,
        "all training labels of task 'odd' are gaps",
    ),
    "an empty task, found later": (
        {"loaders": changed("odd", GAP), "scale": "none"},
        DataError,
        "all training labels of task 'odd' are gaps",
    ),
    "an empty task in validation": (
        {"validation": changed("odd", GAP)},
        DataError,
        "all validation labels of task 'odd' are gaps",
    ),
    "a loader that yields nothing": ({"loaders": []}, DataError, "at least one batch; got none"),
    "a loader that drops all": (
        {"loaders": DataLoader(Table(10), 20, drop_last=True)},
        DataError,
        "at least one batch; got none",
    ),
    "validation that yields nothing": ({"validation": []}, DataError, "at least one batch; got none"),
    "an empty loader of one task": (
        {"loaders": {**own_loaders(size=20, side=20), "odd": DataLoader(Table(10), 20, drop_last=True)}},
        DataError,
        "loader of task 'odd' has a length of at least one",
    ),
    "a loader missing": (
        {"loaders": own_loaders(size=20, side=20)},
        DataError,
        "one loader for every task; 'odd'",
    ),
    "a column missing": (
        {"loaders": [(torch.zeros(2, 5), {"size": torch.zeros(2)})]},
        DataError,
        "labels for every task.*'side' is missing among 'size'",
    ),
    "no labels by task": (
        {"loaders": [(torch.zeros(2, 5), torch.zeros(2))]},
        DataError,
        "its labels are a Tensor",
    ),
    "no pairs": ({"loaders": [torch.zeros(2, 5).unbind()[0]]}, DataError, "yields pairs"),
    "no task": ({"tasks": {}}, OptionError, "at least one task"),
    "patience without validation": ({"patience": 2}, OptionError, "stopping early needs validation rows"),
    "no epochs": ({"epochs": 0}, OptionError, "epochs is at least 1; got 0"),
    "a wrong word": ({"keep": "all"}, OptionError, "keep is one of per-task, best, last; got 'all'"),
    "a wrong mode": ({"mode": "fast"}, OptionError, "mode is one of .*; got 'fast'"),
    "a wrong precision": ({"precision": "8"}, OptionError, "precision is one of"),
    "a wrong sampling": ({"sampling": "all"}, OptionError, "sampling is one of"),
    "a wrong scale": ({"scale": {"size": 1.0}}, OptionError, "scale is 'constant', 'none', or a number"),
    "a wrong clip": ({"clip": 0.0}, OptionError, "clip is a length above 0"),
    "no balancer": ({"balancer": "mgdo"}, OptionError, "balancer"),
    "a balancer's class": ({"balancer": MGDA}, OptionError, "[Bb]alancer is an instance"),
    "no optimizer": ({"optimizer": lambda p: None}, OptionError, "it gave a NoneType"),
    "a schedule over an unknown length": (
        {"loaders": Endless(), "schedule": lambda o, n: None, "scale": "none"},
        OptionError,
        "schedule needs to know how many updates.*no length",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_fit_says_what_is_off(case: str) -> None:
    options, error, words = CASES[case]
    with pytest.raises(error, match=re.sub(r"\((\d+), (\d+)\)", r"\\(\1, \2\\)", words)) as found:
        run(**options)
    assert "\n" not in str(found.value)


def test_a_loss_that_is_not_finite_is_an_error_of_the_raw_pass_and_a_record_of_the_loop() -> None:
    weight = torch.ones(2, requires_grad=True)
    features = weight * 1.0
    with pytest.raises(SharewiseError, match="finite"):
        backward({"a": features.sum() * float("inf"), "b": features.sum()}, features, Sum())
    table = Table(40)
    table.x[:] = float("inf")
    fitted = fit(network(), DataLoader(table, 4), KINDS, epochs=2, progress=False, max_bad_steps=3)
    assert fitted.status == "diverged"
    assert fitted.steps == fitted.skipped == 3
    assert "is not finite, for 3 steps in a row" in fitted.because


def test_a_frozen_network_is_refused() -> None:
    frozen = network().requires_grad_(False)
    with pytest.raises(OptionError, match="parameters that require a gradient; got none"):
        run(network=frozen)


def test_labels_are_checked_by_every_feed() -> None:
    feed = make_feed(own_loaders(size=20, side=20), {"size": Regression(), "side": Multiclass(2)}, seed=0)
    with pytest.raises(DataError, match="task 'side' are codes from 0 to 1"):
        list(feed.every_row())


def test_a_lookahead_needs_a_step() -> None:
    with pytest.raises(OptionError, match="rate above 0; got 0"):
        lookahead_affinity(network(), torch.zeros(2, 5), {}, KINDS, rate=0.0)
