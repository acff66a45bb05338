"""The loop with the raw parts, on photographs of faces: short, as the README shows it, and it trains."""

import inspect
import math
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import sharewise as sw

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import faces
import faces_data
import faces_fit
import faces_found
import faces_study
from faces_fit import WIDTH, Effort, Setting

ROOT = Path(__file__).parents[1]
LOOP = re.compile(
    r"^ *network = sw\.networks\.HardSharing\(.*?optimizer\.step\(\)$", re.MULTILINE | re.DOTALL
)


def loop_in(text: str) -> list[str]:
    """The lines from building the network to the optimizer's step."""
    found = LOOP.search(text)
    assert found is not None, "no loop from `network = sw.networks.HardSharing(` to `optimizer.step()`"
    return textwrap.dedent(found[0]).splitlines()


@pytest.fixture(scope="module")
def photographs(dataset: Callable[[str], Path]) -> faces_data.Faces:
    pytest.importorskip("PIL", reason="photographs are read with Pillow")
    dataset("cmu_faces")
    return faces_data.load()


# --- the loop -----------------------------------------------------------------------------------------


def test_the_loop_is_short() -> None:
    lines = loop_in(inspect.getsource(faces.learn))
    assert len(lines) < 15
    assert {"sw.networks.HardSharing(", "sw.balancing.backward("} <= set(
        re.findall(r"sw\.\w+\.\w+\(", "\n".join(lines))
    )


def test_the_readme_shows_the_same_lines() -> None:
    assert loop_in((ROOT / "README.md").read_text(encoding="utf-8")) == loop_in(
        inspect.getsource(faces.learn)
    )


@pytest.mark.parametrize("name", ["sum", "nash-mtl"])
def test_the_loop_trains_every_parameter(name: str, photographs: faces_data.Faces) -> None:
    """Some epochs over some rows: every task's loss falls below that of guessing, every weight is reached."""
    torch.manual_seed(0)
    rows = torch.randperm(len(photographs))[:192]
    x = photographs.x[rows] - photographs.x[rows].mean()
    y = {task: codes[rows] for task, codes in photographs.y.items()}
    heads = sw.networks.heads(faces_data.CLASSES, WIDTH)
    epochs = faces.learn(faces_fit.make_encoder(8), heads, x, y, 0.003, 0.01, sw.balancing.BALANCERS[name]())
    seen = []
    for network in islice(epochs, 15):
        seen.append(
            {task: float(F.cross_entropy(out, y[task])) for task, out in faces_fit.scores(network, x).items()}
        )
        assert set(seen[-1]) == set(faces_data.CLASSES)
    assert all(parameter.grad is not None for parameter in network.parameters())
    unmoved = [n for n, parameter in network.named_parameters() if not parameter.grad.abs().sum() > 0]
    assert unmoved == []
    for task, classes in faces_data.CLASSES.items():
        assert seen[-1][task] < seen[0][task], (task, seen)
        assert seen[-1][task] < math.log(classes), (task, seen)


# --- data and splits ----------------------------------------------------------------------------------


def test_photographs_carry_four_labels(photographs: faces_data.Faces) -> None:
    assert photographs.x.shape == (624, 1, 30, 32)
    assert 0 <= float(photographs.x.min()) < float(photographs.x.max()) <= 1
    for task, classes in faces_data.CLASSES.items():
        assert photographs.y[task].unique().tolist() == list(range(classes))
    assert photographs.y["identity"].bincount().min() >= 28


@pytest.mark.parametrize("by", ["photograph", "person"])
def test_every_photograph_is_tested_once(by: str, photographs: faces_data.Faces) -> None:
    splits = faces_data.splits(photographs, by)
    assert sorted(np.concatenate([split.test for split in splits])) == list(range(624))
    who = photographs.y["identity"].numpy()
    for split in splits:
        parts = [split.train, split.valid, split.test]
        assert sorted(np.concatenate(parts)) == list(range(624))
        people = [set(who[part]) for part in parts]
        if by == "person":
            assert sum(map(len, people)) == 20
        else:
            assert people == [set(range(20))] * 3
    assert ("identity" in faces_data.tasks_by(by)) is (by == "photograph")


# --- best weights of each task ------------------------------------------------------------------------


def scripted(*biases: dict[str, float]) -> Callable[..., Iterator[sw.networks.MultiTaskNetwork]]:
    """A loop whose networks say after each epoch how likely they find each task's second class (a logit)."""

    def learn(encoder: nn.Module, heads: nn.Module, *rest: object) -> Iterator[sw.networks.MultiTaskNetwork]:
        network = sw.networks.HardSharing(encoder, heads)
        for each in biases:
            with torch.no_grad():
                for parameter in network.heads.parameters():
                    parameter.zero_()
                logits = torch.tensor([v for task in sorted(each) for v in (0.0, each[task])])
                network.heads.biases[0].copy_(logits)
            yield network

    return learn


def blank_faces() -> tuple[faces_data.Faces, faces_data.Split]:
    """Twelve blank photographs, all of the second class."""
    x = torch.rand(12, 1, 30, 32)
    y = {task: torch.ones(12, dtype=torch.long) for task in ("a", "b")}
    rows = np.arange(12)
    return faces_data.Faces(x, y), faces_data.Split(rows[:4], rows[4:8], rows[8:])


def test_each_task_keeps_the_weights_of_its_own_best_epoch() -> None:
    given, split = blank_faces()
    learn = scripted({"a": 3.0, "b": 0.0}, {"a": 0.0, "b": 2.0}, {"a": 2.0, "b": 1.9}, {"a": 9.0, "b": 9.0})
    effort = Effort(epochs=3, patience=3)
    found = faces_fit.train(
        learn, given, split, {"a": 2, "b": 2}, Setting(0.1, 0.0, 2), 0, effort, sw.balancing.Sum
    )

    def share(logit: float) -> float:
        return 1 / (1 + math.exp(-logit))

    assert found.own["a"][:, 1] == pytest.approx(share(3.0))
    assert found.own["b"][:, 1] == pytest.approx(share(2.0))
    assert found.common["a"][:, 1] == pytest.approx(share(2.0))  # the third epoch is best for the mean
    assert found.common["b"][:, 1] == pytest.approx(share(1.9))
    assert found.valid["a"] == pytest.approx(-math.log2(share(3.0)))


def test_it_stops_when_no_task_gets_better() -> None:
    given, split = blank_faces()
    asked = []

    def learn(*arguments: object) -> Iterator[sw.networks.MultiTaskNetwork]:
        steps = [{"a": 1.0, "b": 1.0}, {"a": 0.0, "b": 2.0}, *[{"a": 0.0, "b": 0.0}] * 9]
        for epoch, network in enumerate(scripted(*steps)(*arguments)):
            asked.append(epoch)
            yield network

    faces_fit.train(
        learn, given, split, {"a": 2, "b": 2}, Setting(0.1, 0.0, 2), 0, Effort(patience=2), sw.balancing.Sum
    )
    assert asked == [0, 1, 2, 3]  # the last gain was in epoch 1


def test_the_setting_is_chosen_on_validation_rows_and_runs_with_all_seeds() -> None:
    settings = (Setting(0.1, 0.0, 2), Setting(0.2, 0.0, 2))
    calls = []

    def fit(setting: Setting, seed: int) -> faces_fit.Trained:
        calls.append((setting.rate, seed))
        return faces_fit.Trained({"a": setting.rate, "b": 1.0}, {}, {})

    best, runs = faces_study.tune(fit, Effort(settings, seeds=3), lambda: None)
    assert best == settings[0]
    assert len(runs) == 3
    assert calls == [(0.1, 0), (0.2, 0), (0.1, 1), (0.1, 2)]


# --- findings -----------------------------------------------------------------------------------------


def study_of(change: np.ndarray) -> faces_study.Study:
    """Two tasks over 100 photographs in five folds: the joint log loss of the first differs by ``change``."""
    random = np.random.default_rng(0)
    sides = [faces_study.Side.empty(["a", "b"], 2, 100) for _ in range(4)]
    base = random.uniform(0.4, 0.6, (2, 100))
    for place, side in enumerate(sides):
        joint = place in (1, 2)
        side.loss["a"][:] = base + (change if joint else 0.0)
        side.loss["b"][:] = base
        side.hit["a"][:], side.hit["b"][:] = (0.8 if joint else 0.9), 1.0
    chosen = {side: Counter([Setting(0.1, 0.0, 4)]) for side in ("joint", "a", "b")}
    return faces_study.Study({"a": 3, "b": 2}, np.arange(100) % 5, *sides, chosen=chosen)


def test_differences_are_paired_and_verdicts_follow() -> None:
    change = np.random.default_rng(1).normal(0.1, 0.02, 100)
    for sign, word in ((1, "separate"), (-1, "share")):
        study = study_of(sign * change)
        found = faces_found.findings(study, study.joint)
        assert found["a"].word == word
        assert found["b"].word == "equivalent"
        assert found["a"].change["log loss"].mean == pytest.approx(sign * change.mean())
        low, high = found["a"].change["log loss"].interval
        assert low < sign * change.mean() < high
        assert high - low < 0.05  # the scatter of photographs, 0.1 wide, is paired away
        assert found["a"].change["accuracy"].mean == pytest.approx(-0.1)
        assert found["a"].ratio == pytest.approx(1 + sign * change.mean() / study.apart.loss["a"].mean())


def test_noise_is_undecided() -> None:
    noise = np.repeat(np.array([0.3, -0.25, 0.2, -0.2, 0.05]), 20)
    study = study_of(noise[np.argsort(np.tile(np.arange(5), 20), kind="stable").argsort()])
    assert faces_found.findings(study, study.joint)["a"].word == "undecided"


def test_too_few_folds_give_no_verdict() -> None:
    study = study_of(np.random.default_rng(1).normal(0.1, 0.02, 100))
    study.fold[study.fold > 1] = -1
    assert {one.word for one in faces_found.findings(study, study.joint).values()} == {"undecided"}


def test_one_network_is_smaller_than_several() -> None:
    study = study_of(np.zeros(100))
    cost = faces_found.cost(study, torch.zeros(64, 1, 30, 32), repeats=3)
    encoder = sum(parameter.numel() for parameter in faces_fit.make_encoder(4).parameters())
    heads = (WIDTH + 1) * 3, (WIDTH + 1) * 2
    assert cost.parameters == (encoder + sum(heads), 2 * encoder + sum(heads))
    assert all(value > 0 for value in (*cost.one, *cost.many))
