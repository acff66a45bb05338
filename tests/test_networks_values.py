"""Each architecture against values worked out by hand, or against its parts called one by one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sharewise.errors import OptionError
from sharewise.networks import (
    MTAN,
    PLE,
    Adapters,
    Conditioned,
    CrossStitch,
    DSelectK,
    HardSharing,
    LowRank,
    MMoE,
    heads,
    mlp,
    small_cnn,
)
from sharewise.networks._dselect_k import Selector, smooth_step

TWO = {"a": 1, "b": 1}


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def runs_of(module: nn.Module) -> list[int]:
    """Rows of each call of a module, as they come."""
    rows: list[int] = []
    module.register_forward_hook(lambda _m, _i, out: rows.append(len(out)))
    return rows


def fill(parameters, value):
    with torch.no_grad():
        for parameter in parameters:
            parameter.fill_(value)


def test_hard_sharing_runs_the_encoder_once_for_common_and_own_inputs():
    network = HardSharing(mlp(3, [4]), heads(TWO, 4))
    rows = runs_of(network.encoder)
    network(torch.randn(5, 3))
    network({"a": torch.randn(2, 3), "b": torch.randn(4, 3)})
    assert rows == [5, 6]


def test_own_inputs_of_different_shapes_run_one_by_one():
    network = HardSharing(nn.Sequential(nn.AdaptiveAvgPool1d(3), nn.Flatten()), heads(TWO, 6))
    own = {"a": torch.randn(2, 2, 7), "b": torch.randn(4, 2, 9)}
    assert {task: len(out) for task, out in network(own).items()} == {"a": 2, "b": 4}


def test_a_dict_that_names_no_task_goes_to_the_encoder():
    class Tokens(nn.Module):
        def forward(self, x):
            return x["ids"] * x["mask"]

    network = HardSharing(Tokens(), heads(TWO, 3))
    ids, mask = torch.randn(4, 3), torch.ones(4, 3)
    assert network({"ids": ids, "mask": mask})["a"].shape == (4, 1)
    own = network({"b": {"ids": ids[:2], "mask": mask[:2]}})
    assert own["b"].shape == (2, 1)


def test_mmoe_mixes_as_the_gates_say():
    network = MMoE(mlp(3, [4]), heads(TWO, 4), experts=3)
    x = torch.randn(5, 3)
    experts, _ = network.encode(x)
    assert experts.shape == (5, 3, 4)
    fill(network.gates.parameters(), 0.0)  # a softmax of zeros: the mean of the experts
    wanted = network.heads(experts.mean(dim=1), ["a", "b"])
    torch.testing.assert_close(network(x), wanted)
    with torch.no_grad():
        network.gates.biases[0].view(2, 3)[1, 2] = 50.0  # b takes the third expert, a the mean still
    torch.testing.assert_close(network(x)["a"], wanted["a"])
    torch.testing.assert_close(network(x)["b"], network.heads(experts[:, 2], ["b"])["b"])


def test_mmoe_in_the_papers_form_reads_the_inputs():
    network = MMoE(
        nn.Identity(), heads(TWO, 6), expert=lambda width: nn.Linear(width, 6), example=torch.zeros(1, 3)
    )
    x = torch.randn(5, 3)
    experts, read = network.encode(x)
    assert torch.equal(read, x)
    assert torch.equal(experts[:, 1], network.experts.each[1](x))


def test_cgc_is_softmax_over_own_and_common_experts():
    network = PLE(mlp(3, [4]), heads(TWO, 4), levels=1, common=2, own=1)
    x = torch.randn(5, 3)
    z = network.encoder(x)
    level = network.levels[0]
    experts = torch.cat([level.own["b"](z), level.common(z)], dim=1)
    weights = level.gates["b"](z).softmax(dim=1)
    wanted = sum(weights[:, e, None] * experts[:, e] for e in range(3))
    torch.testing.assert_close(network(x)["b"], network.heads(wanted, ["b"])["b"])


def test_ples_common_path_reads_all_experts():
    network = PLE(mlp(3, [4]), heads(TWO, 4), levels=2, common=1, own=1)
    x = torch.randn(5, 3)
    first, last = network.levels
    fill([*first.common_gate.parameters(), *first.gates["a"].parameters()], 0.0)
    z = network.encoder(x)
    own_a, own_b, common = first.own["a"](z)[:, 0], first.own["b"](z)[:, 0], first.common(z)[:, 0]
    outputs, path = network.encode(x)["a"]
    torch.testing.assert_close(path, (own_a + common) / 2)
    torch.testing.assert_close(outputs, last.common((own_a + own_b + common) / 3))


def test_cross_stitch_starts_at_nine_tenths_and_mixes_by_its_units():
    network = CrossStitch(mlp(3, [4, 4]), heads({"a": 1, "b": 1, "c": 1}, 4))
    wanted = torch.tensor([[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.05, 0.05, 0.9]])
    assert len(network.units) == 2
    torch.testing.assert_close(network.units[0].data, wanted)
    x = torch.randn(5, 3)
    fill(network.units, 0.0)
    with torch.no_grad():
        network.units[0][1, 2] = 2.0  # into b's second stage goes twice c's first
        network.units[1][0, 1] = -1.0  # a's features are minus b's
    found = network.encode(x)["a"]
    torch.testing.assert_close(found, -network.networks[1][1](2 * network.networks[2][0](x)))


@pytest.mark.parametrize("pretrained", [True, False])
def test_cross_stitchs_copies(pretrained):
    encoder = mlp(3, [4])
    network = CrossStitch(encoder, heads(TWO, 4), pretrained=pretrained)
    mine, copy = (next(each.parameters()) for each in network.networks)
    assert mine is next(encoder.parameters())
    assert mine is not copy
    assert torch.equal(mine, copy) == pretrained


def test_mtan_attends_to_half_where_the_mask_is_zero():
    network = MTAN(small_cnn(1, [4, 6], pool=False), {"a": nn.Sequential(nn.Flatten(), nn.Linear(24, 1))})
    fill(network.attention["a"].mask.parameters(), 0.0)
    seen = []
    network.heads.of["a"].register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    x = torch.randn(2, 1, 8, 8)
    network(x)
    torch.testing.assert_close(seen[0], network.stages[1](network.stages[0](x)) / 2)


def test_mtans_second_mask_reads_the_stage_and_what_the_first_let_through():
    network = MTAN(mlp(3, [4, 5]), heads({"a": 1}, 5))
    attention, x = network.attention["a"], torch.randn(2, 3)
    first, second = network.encode(x)
    own = attention.mask[0](attention.read[0](first).relu()).sigmoid() * first
    seen = torch.cat([second, attention.carry[1](own).relu()], dim=1)
    own = attention.mask[1](attention.read[1](seen).relu()).sigmoid() * second
    torch.testing.assert_close(network(x)["a"], network.heads(own, ["a"])["a"])


def test_smooth_step():
    t = torch.tensor([-3.0, -0.5, 0.0, 0.25, 0.5, 3.0])
    torch.testing.assert_close(smooth_step(t, 1.0), torch.tensor([0.0, 0.0, 0.5, 0.84375, 1.0, 1.0]))
    torch.testing.assert_close(smooth_step(2 * t, 2.0), smooth_step(t, 1.0))


def test_selectors_choose_by_binary_numbers():
    gate = Selector(8, 2, None, 1.0)
    with torch.no_grad():
        gate.logits.copy_(torch.tensor([[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0]]))  # 101 is 5; 010 is 2
        gate.scores.copy_(torch.tensor([3.0, 1.0]).log())
    wanted = torch.zeros(4, 8)
    wanted[:, 5], wanted[:, 2] = 0.75, 0.25
    torch.testing.assert_close(gate(torch.zeros(4, 3)), wanted)
    undecided = Selector(4, 1, None, 1.0)
    fill([undecided.logits], 0.0)
    torch.testing.assert_close(undecided(torch.zeros(1, 3)), torch.full((1, 4), 0.25))


@pytest.mark.parametrize("per_example", [False, True])
def test_dselect_ks_weights_and_penalty(per_example):
    network = DSelectK(mlp(3, [4]), heads(TWO, 4), experts=4, k=2, per_example=per_example, entropy=0.5)
    features = network.encode(torch.randn(6, 3))
    weights = network.gates["a"](features[1])
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(6))
    fill(network.gates.parameters(), 0.0)  # all four as likely: the entropy is log 4
    penalties = network.penalties(features, ["b"])
    assert {task: value.item() for task, value in penalties.items()} == {"b": pytest.approx(0.5 * 1.3862944)}
    assert DSelectK(mlp(3, [4]), heads(TWO, 4)).penalties(features) == {}


def test_dselect_k_learns_to_choose_one_expert():
    gate = Selector(4, 1, None, 1.0)
    wanted = torch.tensor([0.0, 0.0, 1.0, 0.0])
    optimizer = torch.optim.Adam(gate.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        (gate(torch.zeros(1, 1))[0] - wanted).square().sum().backward()
        optimizer.step()
    assert gate(torch.zeros(1, 1))[0].tolist() == [0.0, 0.0, 1.0, 0.0]  # exactly: the step reaches its ends


@pytest.mark.parametrize("architecture", [Conditioned, Adapters, LowRank])
def test_starts_from_the_pooled_trunk(architecture):
    encoder = small_cnn(1, [4, 6])
    x = torch.randn(3, 1, 8, 8)
    features = architecture(encoder, heads(TWO, 6)).encode(x)
    for task in TWO:
        torch.testing.assert_close(features[task], encoder(x))


def test_conditioned_scales_and_shifts_by_the_embedding():
    network = Conditioned(mlp(3, [4, 4]), heads(TWO, 4), size=2)
    x = torch.randn(5, 3)
    with torch.no_grad():
        network.embedding.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        network.scales[0].weight[:, 1] = 0.5  # b's first stage: one and a half times
        network.shifts[1].weight[:, 0] = 2.0  # a's second stage: two more
    first, second = network.stages
    features = network.encode(x)
    torch.testing.assert_close(features["a"], second(first(x)) + 2.0)
    torch.testing.assert_close(features["b"], second(1.5 * first(x)))


def test_five_hundred_tasks_cost_one_pass():
    network = Conditioned(mlp(3, [8, 8]), heads({f"t{t}": 2 for t in range(500)}, 8), size=4)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    rows = runs_of(network.stages[1])
    x, task = torch.randn(64, 3), torch.randint(500, (64,))
    outputs = network.forward_rows(x, task)
    assert rows == [64]
    assert outputs.shape == (64, 2)
    for row in range(5):
        name = network.tasks[task[row]]
        torch.testing.assert_close(outputs[row], network(x[row : row + 1], [name])[name][0])
    own = {network.tasks[place]: x[task == place] for place in task.unique()}
    rows.clear()
    found = network(own)
    assert rows == [64]
    for name, out in found.items():
        torch.testing.assert_close(out, outputs[task == network.tasks.index(name)])


def test_adapters_add_their_bottleneck():
    network = Adapters(mlp(3, [4, 4]), heads(TWO, 4), size=2)
    adapters = network.adapters["b"]
    for each in adapters:
        fill(each.up.parameters(), 0.25)
    x = torch.randn(5, 3)
    hidden = network.stages[0](x)
    hidden = hidden + adapters[0].up(adapters[0].down(hidden).relu())
    hidden = network.stages[1](hidden)
    hidden = hidden + adapters[1].up(adapters[1].down(hidden).relu())
    torch.testing.assert_close(network.encode(x)["b"], hidden)


def test_low_rank_moves_the_weights():
    network = LowRank(nn.Linear(3, 4), heads(TWO, 4), rank=2, alpha=6.0)
    update = network.updates["b"][0]
    fill([update.up], 1.0)
    x = torch.randn(5, 3)
    moved = network.encoder.weight + 3.0 * torch.ones(4, 2) @ update.down
    torch.testing.assert_close(network.encode(x)["b"], x @ moved.T + network.encoder.bias)
    assert [tuple(each.shape) for each in network.updates["a"].parameters()] == [(2, 3), (4, 2)]


def test_low_rank_updates_kernels_too():
    network = LowRank(small_cnn(2, [4]), heads(TWO, 4), rank=3)
    assert [tuple(each.shape) for each in network.updates["a"].parameters()] == [(3, 18), (4, 3)]


@pytest.mark.parametrize("architecture", [Adapters, LowRank])
def test_a_frozen_trunk_leaves_each_tasks_own(architecture):
    network = architecture(mlp(3, [4]), heads(TWO, 4))
    for parameter in network.shared_parameters():
        parameter.requires_grad_(False)
    network(torch.randn(5, 3))["a"].sum().backward()
    assert (
        all(parameter.grad is None for parameter in network.stages.parameters())
        if architecture is Adapters
        else (all(parameter.grad is None for parameter in network.encoder.parameters()))
    )
    assert all(parameter.grad is not None for parameter in network.task_parameters("a"))


def test_described():
    network = HardSharing(mlp(3, [4]), heads({"a": 1, "b": 2}, 4))
    size = network.describe()
    assert (size.shared, size.per_task, size.total) == (16, {"a": 5, "b": 10}, 31)
    assert str(size) == "31 parameters: 16 shared; of one task alone: a 5, b 10"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda e, h: DSelectK(e, h, experts=5), "got 5. Take a power of two"),
        (lambda e, h: DSelectK(e, h, k=5), r"between 1 and the number of experts \(4\); got 5"),
        (lambda e, h: DSelectK(e, h, gamma=0.0), "gamma is above 0"),
        (lambda e, h: MMoE(e, h, experts=0), "at least two experts; got 0"),
        (lambda e, h: PLE(e, h, levels=0), "at least one level; got 0"),
        (lambda e, h: Conditioned(e, h, size=0), "got size=0"),
        (lambda e, h: Conditioned(e, h, by="prompt"), "got 'prompt'"),
        (lambda e, h: Adapters(e, h, size=0), "got size=0"),
        (lambda e, h: LowRank(e, h, rank=0), "rank is at least 1"),
        (lambda _, h: LowRank(nn.Identity(), h), "Identity has none"),
    ],
)
def test_refused_options(build, message):
    with pytest.raises(OptionError, match=message):
        build(mlp(3, [4]), heads(TWO, 4))


@pytest.mark.parametrize("task", [torch.tensor([0, 2]), torch.tensor([-1, 0]), torch.tensor([0.0, 1.0])])
def test_rows_of_no_task(task):
    network = Conditioned(mlp(3, [4]), heads(TWO, 4))
    with pytest.raises(OptionError, match=r"integers \(B,\) from 0 to 1"):
        network.forward_rows(torch.zeros(2, 3), task)
