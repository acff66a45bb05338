"""A Pareto front by preference vectors: trained, filtered, picked from, drawn."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
import torch

import sharewise as sw
from sharewise.balancing import ParetoFront, Weighted
from sharewise.errors import OptionError
from sharewise.networks import HardSharing, heads, mlp
from sharewise.reports import front_plot
from sharewise.training import fit_front


class Tug:
    """Two tasks that want the opposite of one another from one number of features."""

    def __init__(self) -> None:
        rng = torch.Generator().manual_seed(0)
        self.x = torch.randn(64, 3, generator=rng)
        self.y = {"up": self.x[:, 0], "down": -self.x[:, 0]}

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Any:
        yield self.x, self.y


def _network() -> HardSharing:
    torch.manual_seed(0)
    network = HardSharing(mlp(3, [1]), heads({"up": 1, "down": 1}, 1))
    for task in ("up", "down"):  # heads that cannot turn the sign themselves: a true conflict
        for parameter in network.task_parameters(task):
            parameter.requires_grad_(False).fill_(1.0)
    return network


TASKS = {"up": sw.tasks.Regression(), "down": sw.tasks.Regression()}


def test_preferences_lead_along_the_front_and_one_is_picked() -> None:
    front = fit_front(
        _network, Tug(), TASKS, validation=Tug(), preferences=[[0.95, 0.05], [0.5, 0.5], [0.05, 0.95]],
        make=lambda p: Weighted(p), epochs=150, scale="none", progress=False,
        optimizer=lambda p: torch.optim.Adam([q for q in p if q.requires_grad], lr=0.05),
    )  # fmt: skip
    losses = front.points.losses
    assert losses.shape == (3, 2)
    assert losses[0, 0] < losses[2, 0]
    assert losses[2, 1] < losses[0, 1]
    assert front.pick([0.95, 0.05]) is front.runs[int(np.argmin(losses[:, 0]))]
    assert not front.failed
    picture = ET.fromstring(front_plot(front.points))
    assert len(picture.findall(".//{http://www.w3.org/2000/svg}circle")) == 3


def test_a_front_chooses_the_balancer_itself() -> None:
    with pytest.raises(OptionError, match="balancer and keep itself"):
        fit_front(_network, Tug(), TASKS, validation=Tug(), balancer=None)


def test_a_beaten_model_is_drawn_hollow_and_names_are_escaped() -> None:
    front = ParetoFront.of(["a<b", "c"], [[0.5, 0.5]] * 3, [[1.0, 2.0], [2.0, 1.0], [3.0, 3.0]])
    picture = ET.fromstring(front_plot(front))
    circles = picture.findall(".//{http://www.w3.org/2000/svg}circle")
    assert [circle.get("fill") == "#ffffff" for circle in circles] == [False, False, True]
    titles = [title.text or "" for title in picture.iter("{http://www.w3.org/2000/svg}title")]
    assert any("a<b" in title for title in titles)
    assert "beaten" in titles[-1]


def test_a_front_is_drawn_over_two_of_its_tasks() -> None:
    front = ParetoFront.of(["a", "b"], [[0.5, 0.5]], [[1.0, 2.0]])
    with pytest.raises(OptionError, match="'a' and 'x'"):
        front_plot(front, ("a", "x"))
    assert "<svg" in front_plot(front)
