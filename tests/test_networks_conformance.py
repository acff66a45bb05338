"""The shipped suite over every architecture, and that it catches what breaks its rules."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from sharewise.networks import (
    ARCHITECTURES,
    MTAN,
    PLE,
    Conditioned,
    CrossStitch,
    DSelectK,
    MMoE,
    MultiTaskNetwork,
)
from sharewise.networks.conformance import CHECKS, check_architecture, exportable, run_check
from sharewise.networks.conformance import LAYOUTS as FORMS


class Bent(nn.Module):
    """An expert of a user's own: a gain, a bend and dropout, in any layout."""

    def __init__(self, _width):
        super().__init__()
        self.gain = nn.Parameter(torch.rand(()) + 0.5)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x):
        return self.dropout(torch.tanh(self.gain * x))


VARIANTS = {
    "ple of one level": partial(PLE, levels=1),
    "ple of three levels": partial(PLE, levels=3, common=1, own=2),
    "dselect_k by example": partial(DSelectK, per_example=True, entropy=0.1),
    "dselect_k of one": partial(DSelectK, experts=8, k=1),
    "conditioned by embedding": partial(Conditioned, by="embedding", size=4),
    "cross_stitch pretrained": partial(CrossStitch, pretrained=True),
    "mmoe of own experts": partial(MMoE, experts=2, expert=Bent),
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_every_architecture(architecture, form, check):
    run_check(check, architecture, FORMS[form])


@pytest.mark.parametrize("factory", VARIANTS.values(), ids=VARIANTS)
def test_options(factory):
    check_architecture(factory, layouts=["vector", "map"])


@pytest.mark.slow  # some seconds each on a busy machine
@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_export(architecture):
    run_check(exportable, architecture, FORMS["vector"])


class Users(MultiTaskNetwork):
    """What somebody would write: an encoder with a private layer a task."""

    flaw = ""

    def __init__(self, encoder, heads):
        super().__init__(heads)
        self.encoder = encoder
        self.private = nn.ModuleList(nn.Linear(12, 12) for _ in self.tasks)
        if self.flaw == "idle":
            self.idle = nn.Linear(2, 2)

    def _encode(self, x, tasks):
        z = self.encoder(x)
        return (z, z * 2) if self.flaw == "nested" else z

    def _decode(self, features, tasks):
        def read(task):
            part = features[task] if isinstance(features, dict) else features
            part = part[0] + part[1] if isinstance(part, tuple) else part
            place = self.tasks.index(task)
            if self.flaw == "neighbour":
                place = (place + 1) % len(self.tasks)
            if self.flaw == "company":
                part = part * len(tasks)
            if self.flaw == "memory":
                part = part.detach()
            return self.private[place](part)

        found = self.heads({task: read(task) for task in tasks}, tasks)
        return dict(reversed(found.items())) if self.flaw == "order" else found

    def _own(self, task):
        return () if self.flaw == "silent" else (self.private[self.tasks.index(task)],)


def test_a_users_architecture_joins_in_one_line():
    check_architecture(Users, layouts=["vector", "sequence", "picture"])


@pytest.mark.parametrize(
    ("flaw", "check"),
    [
        ("idle", "gradients"),
        ("memory", "gradients"),
        ("nested", "features"),
        ("neighbour", "privacy"),
        ("neighbour", "partition"),
        ("silent", "partition"),
        ("company", "gaps"),
        ("order", "shapes"),
    ],
)
def test_the_suite_catches(flaw, check):
    flawed = type("Flawed", (Users,), {"flaw": flaw})
    with pytest.raises(AssertionError):
        run_check(CHECKS[check], flawed, FORMS["vector"])


def test_the_suite_leaves_torchs_generator():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    check_architecture(MTAN, layouts=["vector"])
    assert torch.equal(torch.get_rng_state(), before)
