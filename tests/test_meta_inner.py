"""The inner loop's modes, memory, statistics and refusals; MAML on sinusoids."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from sharewise.errors import DataError, OptionError
from sharewise.meta._anil import ANIL
from sharewise.meta._chunks import Need, PeakMemory, measure, slices, tied
from sharewise.meta._episodes import Episodes
from sharewise.meta._first_order_maml import FirstOrderMAML
from sharewise.meta._gradient import GradientLearner
from sharewise.meta._inner import better_looped
from sharewise.meta._maml import MAML
from sharewise.meta._meta_sgd import MetaSGD
from sharewise.meta._reptile import Reptile
from sharewise.meta.conformance import CHECKS, run_check

MAKERS: dict[str, Callable[..., GradientLearner]] = {
    "maml": MAML,
    "first-order-maml": FirstOrderMAML,
    "meta-sgd": MetaSGD,
    "reptile": Reptile,
    "anil": lambda network, **options: ANIL(network[:-1], network[-1], **options),
}


def mlp(inputs: int = 4, outputs: int = 3, norm: Callable[[int], nn.Module] = nn.LayerNorm) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(inputs, 8), norm(8), nn.Tanh(), nn.Linear(8, outputs)).double()


def episodes_of(
    tasks: int = 6, *, rows: int = 6, queries: int = 5, ways: int = 3, inputs: int = 4
) -> Episodes:
    draw = torch.Generator().manual_seed(3)
    x = torch.randn(tasks, rows + queries, inputs, generator=draw, dtype=torch.float64)
    y = torch.arange(rows + queries).remainder(ways).expand(tasks, -1)
    there = torch.ones_like(y, dtype=torch.bool)
    sides = [(part[:, :rows], part[:, rows:]) for part in (x, y, there)]
    return Episodes(*(side[0] for side in sides), *(side[1] for side in sides), torch.full((tasks,), ways))


def gradients(learner: GradientLearner, episodes: Episodes) -> list[Tensor]:
    learner.zero_grad()
    learner.meta_loss(episodes).backward()
    return [weight.grad for weight in learner.parameters() if weight.grad is not None]


def farthest(some: list[Tensor], other: list[Tensor]) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(some, other, strict=True))


@pytest.mark.parametrize("method", MAKERS)
@pytest.mark.parametrize("check", sorted(CHECKS.keys() - {"gradients", "learns"}))
def test_conformance_with_batch_normalisation(method: str, check: str) -> None:
    def factory(inputs: int, outputs: int) -> GradientLearner:
        network = nn.Sequential(nn.Linear(inputs, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, outputs))
        return MAKERS[method](network, steps=2, rate=0.1)

    for kind in ("classification", "regression"):
        run_check(CHECKS[check], factory, kind)


@pytest.mark.parametrize("method", MAKERS)
def test_modes_and_parts_give_the_same_numbers(method: str) -> None:
    network, episodes = mlp(norm=nn.BatchNorm1d), episodes_of()
    learners = {
        mode: MAKERS[method](network, steps=2, rate=0.1, mode=mode) for mode in ("vectorised", "looped")
    }
    whole = gradients(learners["vectorised"], episodes)
    assert farthest(gradients(learners["looped"], episodes), whole) < 1e-10
    some = [learner.predict(episodes) for learner in learners.values()]
    assert (some[0] - some[1]).abs().max() < 1e-10
    need = measured(MAKERS[method](network, steps=2, rate=0.1), episodes)
    bounded = MAKERS[method](network, steps=2, rate=0.1, memory=need.fixed + 2 * need.task)
    assert farthest(gradients(bounded, episodes), whole) < 1e-10


def measured(learner: GradientLearner, episodes: Episodes) -> Need:
    learner.memory = 2**40
    learner.meta_loss(episodes)
    (need,) = learner._needs.values()
    return need


@pytest.mark.parametrize("method", MAKERS)
def test_the_memory_bound_is_kept(method: str) -> None:
    network, episodes = mlp(), episodes_of(40)
    need = measured(MAKERS[method](network, steps=2, rate=0.1), episodes)
    bound = need.fixed + 4 * need.task
    learner = MAKERS[method](network, steps=2, rate=0.1, memory=bound)
    learner.meta_loss(episodes)  # measures
    peaks = []
    for one in (learner, MAKERS[method](network, steps=2, rate=0.1)):
        with PeakMemory([*one.parameters(), episodes.support_x, episodes.query_x]) as counted:
            one.meta_loss(episodes)
        peaks.append(counted.peak)
    assert 0.5 * bound < peaks[0] <= bound < 0.5 * peaks[1]


def test_our_count_of_bytes_is_that_of_the_allocator() -> None:
    learner, episodes = MAML(mlp(), rate=0.1, steps=2), episodes_of()
    with PeakMemory([*learner.parameters(), episodes.support_x, episodes.query_x]) as counted:
        learner.meta_loss(episodes)
    assert profiled_peak(learner, episodes) == counted.peak


def profiled_peak(learner: GradientLearner, episodes: Episodes) -> int:
    """The most bytes held at any time, as torch's allocator reports them, not by our own count."""
    with torch.profiler.profile(
        profile_memory=True, activities=[torch.profiler.ProfilerActivity.CPU]
    ) as seen:
        loss = learner.meta_loss(episodes)
    del loss
    alive = peak = 0
    changes = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    for event in sorted(changes, key=lambda event: event.start_ns()):
        alive += event.nbytes()
        peak = max(peak, alive)
    return peak


def test_a_bound_below_one_task_is_refused() -> None:
    learner = MAML(mlp(), memory=1000)
    with pytest.raises(OptionError, match=r"one task at least, here \d+ bytes; got 1000"):
        learner.meta_loss(episodes_of())


def test_needs_by_hand() -> None:
    assert Need(fixed=100, task=30).tasks(205) == 3
    kept: list[Tensor] = []

    def run(tasks: int) -> None:
        kept.append(torch.zeros(5, dtype=torch.float64))  # 40 bytes whatever the number
        kept.append(torch.zeros(tasks, 10, dtype=torch.float64))  # 80 bytes a task
        kept.append(kept[-1][0])  # a view, nothing new
        kept.clear()

    assert measure(run) == Need(fixed=40, task=80)
    assert [(part.start, part.stop) for part in slices(10, 4)] == [(0, 3), (3, 6), (6, 10)]


def test_peak_memory_forgets_what_is_gone() -> None:
    with PeakMemory() as counted:
        first = torch.zeros(1000, dtype=torch.uint8)
        del first
        second = torch.zeros(700, dtype=torch.uint8)
    assert (counted.alive, counted.peak) == (700, 1000)
    assert len(second) == 700


def test_tied_gradients_are_scaled_by_what_comes_from_above() -> None:
    weight = torch.ones(2, requires_grad=True)
    (3 * tied(torch.tensor(5.0), [weight], [torch.tensor([1.0, 2.0])])).backward()
    assert torch.equal(weight.grad, torch.tensor([3.0, 6.0]))


@pytest.mark.parametrize("method", MAKERS)
def test_query_rows_meet_only_with_transduction(method: str) -> None:
    network, episodes = mlp(norm=nn.BatchNorm1d), episodes_of()
    fewer = replace(
        episodes,
        query_x=episodes.query_x[:, :3],
        query_y=episodes.query_y[:, :3],
        query_mask=episodes.query_mask[:, :3],
    )
    for transductive in (False, True):
        learner = MAKERS[method](network, rate=0.1, transductive=transductive)
        assert learner.transductive is transductive
        alike = torch.allclose(learner.predict(fewer), learner.predict(episodes)[:, :3], atol=1e-12)
        assert alike is not transductive
    assert not MAKERS[method](mlp(), transductive=True).transductive  # nothing in it reads other rows


def test_the_network_that_is_given_stays_as_it_is() -> None:
    network = mlp(norm=nn.BatchNorm1d)
    before = copy.deepcopy(network.state_dict())
    learner = MAML(network)
    gradients(learner, episodes_of())
    assert isinstance(network[1], nn.BatchNorm1d)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert {path for path, _ in learner.network.named_parameters()} == {
        p for p, _ in network.named_parameters()
    }


def test_frozen_weights_stay_and_unused_ones_get_zero() -> None:
    network = mlp()
    network[0].requires_grad_(False)
    network.append(nn.Identity())
    network[-1].register_parameter("unused", nn.Parameter(torch.ones(2, dtype=torch.float64)))
    learner = MAML(network)
    gradients(learner, episodes_of())
    assert learner.network[0].weight.grad is None
    assert torch.equal(learner.network[-1].unused.grad, torch.zeros(2, dtype=torch.float64))


class Attentive(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.out = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        parts = x.unflatten(-1, (3, 4))
        return self.out(self.attention(parts, parts, parts, need_weights=False)[0].mean(1))


def test_attention_is_differentiated_twice() -> None:
    torch.manual_seed(0)
    network, episodes = Attentive().double(), episodes_of(3, inputs=12)
    learners = [MAML(network, steps=2, rate=0.5, mode=mode) for mode in ("vectorised", "looped")]
    found = gradients(learners[0], episodes)
    assert farthest(found, gradients(learners[1], episodes)) < 1e-10
    weight = learners[0].network.attention.in_proj_weight
    losses = []
    for sign in (1, -1):
        with torch.no_grad():
            weight[2, 1] += sign * 1e-5
        losses.append(learners[0].meta_loss(episodes).item())
        with torch.no_grad():
            weight[2, 1] -= sign * 1e-5
    place = [path for path, _ in learners[0].named_parameters()].index("network.attention.in_proj_weight")
    assert (losses[0] - losses[1]) / 2e-5 == pytest.approx(found[place][2, 1].item(), rel=1e-5)


def test_the_mode_is_chosen_by_convolutions_and_device() -> None:
    conv = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2, 2))
    assert better_looped(conv, torch.device("cpu"))
    assert not better_looped(conv, torch.device("cuda"))
    assert not better_looped(mlp(), torch.device("cpu"))
    assert not ANIL(conv[:2], conv[2]).looped(torch.device("cpu"))  # only the head moves
    assert MAML(conv).looped(torch.device("cpu"))
    assert not MAML(conv, mode="vectorised").looped(torch.device("cpu"))


@pytest.mark.slow  # for what torch imports when it records
def test_what_is_compiled_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The record that compilation starts from; compiling itself takes longer than a test may."""
    shapes = []
    monkeypatch.setattr(torch, "compile", lambda record, **_: shapes.append(1) or record)
    network, episodes = mlp(norm=nn.BatchNorm1d), episodes_of()
    learner, plain = (MetaSGD(network, rate=0.1, compiled=compiled) for compiled in (True, False))
    assert farthest(gradients(learner, episodes), gradients(plain, episodes)) < 1e-10
    for one in (learner, plain):  # nothing of the weights is baked in
        with torch.no_grad():
            next(one.parameters()).add_(0.1)
    assert farthest(gradients(learner, episodes), gradients(plain, episodes)) < 1e-10
    assert len(shapes) == 1


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (nn.SyncBatchNorm(8), "is a SyncBatchNorm"),
        (nn.InstanceNorm1d(8, track_running_stats=True), "tracks running statistics"),
        (nn.LazyLinear(8), "is not initialised"),
    ],
)
def test_layers_that_cannot_be_served_are_refused(layer: nn.Module, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        MAML(nn.Sequential(nn.Linear(4, 8), layer, nn.Linear(8, 3)))


def test_options_and_rows_that_break_a_rule_are_refused() -> None:
    with pytest.raises(OptionError, match="got steps=0"):
        MAML(mlp(), steps=0)
    with pytest.raises(OptionError, match="got 'fast'"):
        MAML(mlp(), mode="fast")
    with pytest.raises(OptionError, match="it has 2 and the task 3 ways"):
        MAML(mlp(outputs=2)).meta_loss(episodes_of())
    numbers = replace(
        episodes_of(2), support_y=torch.ones(2, 6).double(), query_y=torch.ones(2, 5).double(), ways=None
    )
    with pytest.raises(OptionError, match="one output a row; this one has 3"):
        MAML(mlp()).meta_loss(numbers)
    single = Episodes.of(
        [(torch.ones(1, 4).double(), torch.ones(1).double())],
        [(torch.ones(1, 4).double(), torch.ones(1).double())],
    )
    with pytest.raises(DataError, match="episode 0 has 1"):
        MAML(mlp(outputs=1, norm=nn.BatchNorm1d)).predict(single)


def test_dropout_draws_for_each_task_and_not_at_rest() -> None:
    network = mlp(norm=lambda _: nn.Dropout(0.5))
    learner, episodes = MAML(network, rate=0.1), episodes_of()
    assert learner.meta_loss(episodes) != learner.meta_loss(episodes)
    assert torch.equal(learner.predict(episodes), learner.predict(episodes))
    same = replace(
        episodes,
        **{
            name: getattr(episodes, name)[:1].expand(6, *getattr(episodes, name).shape[1:])
            for name in ("support_x", "query_x")
        },
    )
    learner.adapt_steps = 1
    assert torch.allclose(learner.predict(same)[0], learner.predict(same)[1])


def sinusoids(tasks: int, draw: torch.Generator, queries: int = 10) -> Episodes:
    """a sin(x − b), a in 0.1 to 5, b in 0 to π, x in −5 to 5, ten support rows (Finn et al. 2017, section 5.1)."""
    a, b = torch.rand(2, tasks, 1, generator=draw)
    x = 10 * torch.rand(tasks, 10 + queries, 1, generator=draw) - 5
    y = (0.1 + 4.9 * a) * (x[..., 0] - math.pi * b).sin()
    there = torch.ones_like(y, dtype=torch.bool)
    sides = [(part[:, :10], part[:, 10:]) for part in (x, y, there)]
    return Episodes(*(side[0] for side in sides), *(side[1] for side in sides))


@pytest.mark.slow
def test_on_sinusoids_maml_halves_the_error_of_a_pretrained_network() -> None:
    """Both see the same 300 batches; the pretrained network's rate of fine-tuning is the best of five for it."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))
    learner, pretrained = MAML(network, steps=1, rate=0.02, adapt_steps=5), copy.deepcopy(network)
    ours, theirs = (torch.optim.Adam(model.parameters(), 5e-3) for model in (learner, pretrained))
    draw = torch.Generator().manual_seed(0)
    for _ in range(300):
        episodes = sinusoids(25, draw)
        ours.zero_grad()
        learner.meta_loss(episodes).backward()
        ours.step()
        theirs.zero_grad()
        x, y = (
            torch.cat([getattr(episodes, f"{side}_{part}") for side in ("support", "query")], 1)
            for part in "xy"
        )
        nn.functional.mse_loss(pretrained(x)[..., 0], y).backward()
        theirs.step()
    unseen = sinusoids(100, torch.Generator().manual_seed(1), queries=50)

    def error(model: GradientLearner) -> float:
        return float((model.predict(unseen) - unseen.query_y).square().mean())

    tuned = min(error(MAML(pretrained, rate=rate)) for rate in (0.001, 0.003, 0.01, 0.02, 0.03))
    assert error(learner) < 0.5 * tuned


def test_transduction_needs_query_sets_of_one_size() -> None:
    network = mlp(norm=nn.BatchNorm1d)
    episodes = episodes_of()
    mask = episodes.query_mask.clone()
    mask[0, -1] = False
    uneven = replace(episodes, query_mask=mask)
    with pytest.raises(DataError, match="query sets of one size"):
        MAML(network, transductive=True).predict(uneven)
    assert MAML(network).predict(uneven).shape == (6, 5, 3)
