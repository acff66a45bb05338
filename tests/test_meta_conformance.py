"""Every learner of the room keeps what meta-learners must."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sharewise.meta import (
    LDA,
    BayesianHead,
    ConditionalProcess,
    Constant,
    FromScratch,
    Logistic,
    Neighbours,
    Prototypes,
    Ridge,
    TransformerProcess,
)
from sharewise.meta.conformance import CHECKS, Factory, check_meta_learner, run_check


def trunk(inputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.LayerNorm(8))


def narrow(inputs: int) -> nn.Sequential:
    """Fewer features than support rows."""
    return nn.Sequential(nn.Linear(inputs, 4), nn.Tanh())


def small(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 6), nn.Tanh(), nn.Linear(6, outputs))


def ways_of(outputs: int) -> int | None:
    """As the processes are told: None for numbers."""
    return None if outputs == 1 else outputs


FACTORIES: dict[str, Factory] = {
    "prototypes": lambda inputs, outputs: Prototypes(trunk(inputs)),
    "ridge": lambda inputs, outputs: Ridge(trunk(inputs)),
    "ridge-narrow": lambda inputs, outputs: Ridge(narrow(inputs), penalty=0.1),
    "lda": lambda inputs, outputs: LDA(trunk(inputs)),
    "lda-ledoit-wolf": lambda inputs, outputs: LDA(narrow(inputs), shrinkage="ledoit-wolf"),
    "lda-fixed": lambda inputs, outputs: LDA(trunk(inputs), shrinkage=0.2, even=False),
    "logistic": lambda inputs, outputs: Logistic(trunk(inputs)),
    "bayes": lambda inputs, outputs: BayesianHead(inputs),
    "bayes-wide": lambda inputs, outputs: BayesianHead(8, encoder=trunk(inputs)),
    "bayes-low-rank": lambda inputs, outputs: BayesianHead(8, encoder=trunk(inputs), rank=2),
    "cnp": lambda inputs, outputs: ConditionalProcess(inputs, ways_of(outputs), width=8),
    "cnp-encoder": lambda inputs, outputs: ConditionalProcess(
        8, ways_of(outputs), encoder=trunk(inputs), width=6
    ),
    "tnp": lambda inputs, outputs: TransformerProcess(inputs, ways_of(outputs), width=8, heads=2),
    "tnp-encoder": lambda inputs, outputs: TransformerProcess(
        8, ways_of(outputs), encoder=trunk(inputs), width=6, heads=1, depth=1
    ),
    "neighbours": lambda inputs, outputs: Neighbours(k=3),
    "neighbours-learnt": lambda inputs, outputs: Neighbours(trunk(inputs).requires_grad_(False)),
    "scratch": lambda inputs, outputs: FromScratch(lambda width: small(inputs, width), steps=5),
    "constant": lambda inputs, outputs: Constant(),
}
CASES = [
    (name, kind)
    for name, factory in FACTORIES.items()
    for kind in sorted(factory(5, 3).serves)
]  # fmt: skip


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_learner_keeps(check, name, kind):
    run_check(check, FACTORIES[name], kind)


class Peeking(nn.Module):
    """Batch statistics over all rows that it is given."""

    def forward(self, x):
        return x - x.mean(0)


def test_suite_finds_what_reads_other_rows():
    with pytest.raises(AssertionError, match="the same"):
        check_meta_learner(
            lambda inputs, outputs: Prototypes(nn.Sequential(nn.Linear(inputs, 4), Peeking()), scale=1.0)
        )


def test_suite_finds_a_wrong_gradient():
    class Detached(nn.Module):
        def __init__(self, inputs: int) -> None:
            super().__init__()
            self.layer = nn.Linear(inputs, 4)

        def forward(self, x):
            return self.layer(x) + self.layer(x).detach() ** 2

    with pytest.raises(AssertionError, match="central differences"):
        run_check(CHECKS["gradients"], lambda inputs, outputs: Prototypes(Detached(inputs)), "classification")


def test_torchs_generator_is_left_alone():
    before = torch.random.get_rng_state()
    run_check(CHECKS["learns"], FACTORIES["prototypes"], "classification")
    assert torch.equal(before, torch.random.get_rng_state())
