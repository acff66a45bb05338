"""Neural processes and the Bayesian head, by hand, against scikit-learn, NumPy and a transformer over one sequence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct
from torch import Tensor, nn
from torch.nn import functional as F

from sharewise.errors import DataError, OptionError
from sharewise.meta import (
    BayesianHead,
    ConditionalProcess,
    Episodes,
    MetaLearner,
    NeuralProcess,
    TransformerProcess,
)
from sharewise.meta._gaussian import gaussian_losses
from sharewise.meta._neural_process import shuffled
from sharewise.meta._transformer_process import attention

PROCESSES: dict[str, Callable[..., NeuralProcess]] = {
    "cnp": lambda features, ways=None, **more: ConditionalProcess(features, ways, width=6, depth=2, **more),
    "tnp": lambda features, ways=None, **more: TransformerProcess(features, ways, width=6, heads=2, **more),
}
REGRESSORS: dict[str, Callable[[], MetaLearner]] = {
    "cnp": lambda: PROCESSES["cnp"](4),
    "tnp": lambda: PROCESSES["tnp"](4),
    "bayes": lambda: BayesianHead(4),
    "bayes-low-rank": lambda: BayesianHead(
        6, encoder=nn.Sequential(nn.Linear(4, 6), nn.Tanh()), rank=2
    ),
}  # fmt: skip


def seeded(make: Callable[[], MetaLearner], seed: int = 0) -> MetaLearner:
    """In double precision, all parameters away from where learning starts."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        learner = make().double().eval()
        with torch.no_grad():
            for parameter in learner.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
    return learner


def rows_of(counts: tuple[int, ...], draw: torch.Generator, ways: tuple[int, ...] | None):
    found = []
    for place, count in enumerate(counts):
        x = torch.randn(count, 4, generator=draw, dtype=torch.float64)
        y = x.sum(1).sin() if ways is None else torch.arange(count) % ways[place]
        found.append((x, y))
    return found


def uneven(ways: tuple[int, ...] | None = None) -> Episodes:
    """Three tasks of 1 to 7 support rows (for classes from 3)."""
    draw = torch.Generator().manual_seed(1)
    supports = rows_of((1, 7, 3) if ways is None else (3, 7, 4), draw, ways)
    return Episodes.of(supports, rows_of((4, 2, 3), draw, ways), ways)


def bayes_by_precision(head: BayesianHead, x: Tensor, y: Tensor, query: Tensor):
    """Mean and variance (Q,) as the paper writes them: precisions, inverted."""
    m, c = head.prior_mean.detach().numpy()[:, 0], head.prior_factor.detach().numpy()
    noise = head.noise.item()
    phi, asked = (np.column_stack([part.numpy(), np.ones(len(part))]) for part in (x, query))
    prior = noise * np.linalg.inv(c @ c.T)  # Λ₀
    precision = phi.T @ phi + prior
    weights = np.linalg.solve(precision, phi.T @ y.numpy() + prior @ m)
    spread = 1 + np.einsum("qd,de,qe->q", asked, np.linalg.inv(precision), asked)
    return asked @ weights, noise * spread


@pytest.mark.parametrize("rank", [None, 2])
@pytest.mark.parametrize("rows", [1, 3, 30])
def test_bayesian_head_is_the_posterior_by_precisions(rank: int | None, rows: int) -> None:
    head = seeded(lambda: BayesianHead(4, rank=rank))
    draw = torch.Generator().manual_seed(2)
    x, query = (torch.randn(n, 4, generator=draw, dtype=torch.float64) for n in (rows, 6))
    y = 3 * x[:, 0] - 1 + torch.randn(rows, generator=draw, dtype=torch.float64)
    mean, variance = bayes_by_precision(head, x, y, query)
    np.testing.assert_allclose(head.adapt(x, y).predict(query).numpy(), mean, rtol=1e-9)
    found = head.distribution(Episodes.of([(x, y)], [(query, torch.zeros(6).double())]))
    np.testing.assert_allclose(found[0][0].detach().numpy(), mean, rtol=1e-9)
    np.testing.assert_allclose(found[1][0].detach().numpy(), variance, rtol=1e-9)


@pytest.mark.parametrize("rows", [1, 2, 9])
def test_bayesian_head_is_sklearns_gaussian_process_with_a_linear_kernel(rows: int) -> None:
    head = BayesianHead(4, spread=1.5, noise=0.3).double()
    draw = torch.Generator().manual_seed(2)
    x, query = (torch.randn(n, 4, generator=draw, dtype=torch.float64) for n in (rows, 6))
    y = x[:, 0] + 2
    kernel = ConstantKernel(1.5**2 / 5, "fixed") * DotProduct(
        1.0, "fixed"
    )  # four features and a constant one
    process = GaussianProcessRegressor(kernel, alpha=0.09, optimizer=None).fit(x.numpy(), y.numpy())
    mean, deviation = process.predict(query.numpy(), return_std=True)
    found = head.distribution(Episodes.of([(x, y)], [(query, torch.zeros(6).double())]))
    np.testing.assert_allclose(found[0][0].detach().numpy(), mean, rtol=1e-6)  # float32 options
    np.testing.assert_allclose(found[1][0].detach().numpy(), deviation**2 + 0.09, rtol=1e-6)


def test_bayesian_head_with_one_label_by_hand() -> None:
    """Prior N(0, I) on slope and intercept, σ² = 1, the row (1, 3): the kernel is 1 + x x', so the mean at x is
    (1 + x) 3 / (2 + 1); the variance is 1 + 5 − 9/3 at 2, and 1 + 2 − 0 at −1."""
    head = BayesianHead(1, spread=2**0.5, noise=1.0).double()
    one = torch.ones(1, 1, dtype=torch.float64)
    query = torch.tensor([[2.0], [-1.0]], dtype=torch.float64)
    episodes = Episodes.of([(one, 3 * one[0])], [(query, torch.zeros(2).double())])
    assert head.predict(episodes)[0].tolist() == pytest.approx([3.0, 0.0], abs=1e-6)
    assert head.distribution(episodes)[1][0].tolist() == pytest.approx([3.0, 3.0], abs=1e-6)


def test_the_prior_moves_what_one_label_says() -> None:
    """Tasks differ in their level alone: one label sets the level, and the slope is the prior's."""
    head = BayesianHead(1, noise=1e-3).double()
    with torch.no_grad():
        head.prior_mean.copy_(torch.tensor([[2.0], [0.0]]))
        head.log_diagonal.copy_(torch.tensor([-12.0, 3.0]))  # slope known, level unknown
    x = torch.tensor([[0.5]], dtype=torch.float64)
    model = head.adapt(x, torch.tensor([7.0], dtype=torch.float64))
    query = torch.tensor([[0.5], [1.5], [-0.5]], dtype=torch.float64)
    assert model.predict(query).tolist() == pytest.approx([7.0, 9.0, 5.0], abs=1e-4)


def test_likelihood_is_the_normal_one() -> None:
    episodes, draw = uneven(), torch.Generator().manual_seed(3)
    mean, variance = torch.rand(2, 3, 4, generator=draw, dtype=torch.float64) + 0.1
    exact = -torch.distributions.Normal(mean, variance.sqrt()).log_prob(episodes.query_y)
    wanted = [float(exact[place][there].mean()) for place, there in enumerate(episodes.query_mask)]
    assert gaussian_losses(mean, variance, episodes).tolist() == pytest.approx(wanted)


@pytest.mark.parametrize("name", REGRESSORS)
def test_meta_gradient_over_uneven_tasks_is_that_of_central_differences(name: str) -> None:
    episodes, learner = uneven(), seeded(REGRESSORS[name])
    # Labels of padded rows may be anything, NaN too; what is there is all that counts.
    episodes = replace(
        episodes,
        support_y=episodes.support_y.masked_fill(~episodes.support_mask, torch.nan),
        query_y=episodes.query_y.masked_fill(~episodes.query_mask, torch.nan),
    )
    _check_slopes(learner, episodes)


@pytest.mark.parametrize("name", PROCESSES)
def test_meta_gradient_over_uneven_classes_is_that_of_central_differences(name: str) -> None:
    _check_slopes(seeded(lambda: PROCESSES[name](4, 3)), uneven((2, 3, 3)))


def _check_slopes(learner: MetaLearner, episodes: Episodes) -> None:
    parameters = dict(learner.named_parameters())
    slopes = torch.autograd.grad(learner.meta_loss(episodes), list(parameters.values()))
    draw = torch.Generator().manual_seed(4)
    for (name, parameter), slope in zip(parameters.items(), slopes, strict=True):
        way = torch.randn(parameter.shape, generator=draw, dtype=parameter.dtype)
        kept, values = parameter.detach().clone(), []
        for sign in (1, -1):
            with torch.no_grad():
                parameter.copy_(kept + sign * 1e-5 * way)
            values.append(float(learner.meta_loss(episodes).detach()))
        with torch.no_grad():
            parameter.copy_(kept)
        off = abs((values[0] - values[1]) / 2e-5 - float((slope * way).sum()))
        assert off < 1e-5 * float(slope.norm()) + 1e-9, name


@pytest.mark.parametrize("kind", ["numbers", "classes"])
@pytest.mark.parametrize("name", PROCESSES)
def test_a_padded_batch_gives_what_each_task_gives_alone(name: str, kind: str) -> None:
    ways = None if kind == "numbers" else (2, 3, 3)
    episodes, learner = uneven(ways), seeded(lambda: PROCESSES[name](4, None if ways is None else 3))
    together = learner.predict(episodes)
    for place in range(3):
        there, asked = episodes.support_mask[place], episodes.query_mask[place]
        own = episodes.support_x[place][there], episodes.support_y[place][there]
        model = learner.adapt(*own)
        alone = model.predict(episodes.query_x[place][asked])
        width = alone.shape[1:].numel()
        torch.testing.assert_close(
            together[place][asked].reshape(len(alone), -1)[:, :width], alone.reshape(len(alone), -1)
        )
        mixed = torch.randperm(len(own[1]), generator=torch.Generator().manual_seed(5))
        again = learner.adapt(own[0][mixed], own[1][mixed]).predict(episodes.query_x[place][asked])
        torch.testing.assert_close(again, alone)


def test_conditional_process_decodes_beside_the_mean_of_encoded_rows() -> None:
    learner = seeded(lambda: ConditionalProcess(4, width=6, depth=2))
    draw = torch.Generator().manual_seed(6)
    x, query = (torch.randn(n, 4, generator=draw, dtype=torch.float64) for n in (3, 2))
    y = x.sum(1)
    each = [learner.rows(torch.cat([x[row], y[row : row + 1]])) for row in range(3)]
    task = (each[0] + each[1] + each[2]) / 3
    wanted = [learner.decoder(torch.cat([row, task])) for row in query]
    model = learner.adapt(x, y)
    assert list(model.state) == ["task"]
    assert model.predict(query).tolist() == pytest.approx([raw[0].item() for raw in wanted])
    _, variance = learner.distribution(Episodes.of([(x, y)], [(query, query[:, 0])]))
    spread = [(0.02 + F.softplus(raw[1]).item()) ** 2 for raw in wanted]
    assert variance[0].tolist() == pytest.approx(spread)


def test_attention_is_torchs() -> None:
    draw = torch.Generator().manual_seed(7)
    asked, keys, values = torch.randn(3, 2, 5, 8, generator=draw, dtype=torch.float64)
    mask = torch.tensor([[True, True, False, True, False], [True] * 5])
    parts = (part.unflatten(-1, (2, 4)).transpose(1, 2) for part in (asked, keys, values))
    wanted = F.scaled_dot_product_attention(*parts, attn_mask=mask[:, None, None]).transpose(1, 2).flatten(-2)
    found = attention(asked, torch.cat([keys, values], -1), mask, 2)
    torch.testing.assert_close(found, wanted)
    memory = torch.cat([keys, values], -1)[:, :, ::2].contiguous().requires_grad_()
    less = asked[..., ::2].contiguous().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda q, m: attention(q, m, mask, 2), (less, memory))


def test_transformer_process_is_one_masked_pass_over_support_and_query_tokens() -> None:
    """What the paper writes down: all tokens in one sequence, a mask that lets each see the support alone."""
    learner = seeded(lambda: TransformerProcess(4, width=8, heads=2, depth=3))
    draw = torch.Generator().manual_seed(8)
    x, query = (torch.randn(n, 4, generator=draw, dtype=torch.float64) for n in (5, 3))
    y = x.sum(1)
    labels = torch.cat([y, torch.zeros(3, dtype=torch.float64)])
    tokens = learner.embed(torch.cat([torch.cat([x, query]), labels[:, None]], 1))[None]
    seen = torch.arange(8)[None] < 5
    for layer in learner.layers:
        tokens = layer(tokens, layer.memory(tokens), seen)
    wanted = learner.head(tokens)[0, 5:, 0]
    model = learner.adapt(x, y)
    torch.testing.assert_close(model.predict(query), wanted.detach())
    for row in range(3):  # and whichever other rows are asked for
        torch.testing.assert_close(model.predict(query[row : row + 1]), wanted[row : row + 1].detach())


def test_transformer_process_may_be_transformed_twice() -> None:
    """Per-task gradients by `vmap` over `grad`, differentiated once more, are those of a loop over tasks."""
    learner = seeded(lambda: PROCESSES["tnp"](4))
    draw = torch.Generator().manual_seed(9)
    tokens = torch.randn(3, 1, 4, 6, generator=draw, dtype=torch.float64)
    layer, seen = learner.layers[0], torch.ones(1, 4, dtype=torch.bool)

    def value(part: Tensor) -> Tensor:
        return layer(part, layer.memory(part), seen).square().sum()

    def bent(part: Tensor) -> Tensor:
        return torch.func.grad(value)(part).square().sum()

    found = torch.func.grad(lambda parts: torch.func.vmap(bent)(parts).sum())(tokens)
    wanted = torch.stack([torch.func.grad(bent)(part) for part in tokens])
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)


def test_shuffled_classes_move_together_and_among_their_own_places() -> None:
    episodes = uneven((2, 3, 3))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        dealt = [shuffled(episodes) for _ in range(40)]
    orders = [set(), set(), set()]
    for one in dealt:
        for place in range(3):
            pairs = set()
            for side in ("support", "query"):
                there = getattr(episodes, f"{side}_mask")[place]
                before, after = (getattr(e, f"{side}_y")[place][there].tolist() for e in (episodes, one))
                pairs |= set(zip(before, after, strict=True))
            ways = int(episodes.ways[place])
            assert {a for _, a in pairs} == set(range(ways))  # one to one, none beyond the ways
            assert len(pairs) == ways
            orders[place].add(tuple(sorted(pairs)))
    assert [len(order) for order in orders] == [2, 6, 6]  # every order comes up


@pytest.mark.parametrize("name", PROCESSES)
def test_places_are_shuffled_in_training_only(name: str) -> None:
    episodes, learner = uneven((2, 3, 3)), seeded(lambda: PROCESSES[name](4, 3, shuffle=True))
    assert torch.equal(learner.meta_loss(episodes), learner.meta_loss(episodes))
    learner.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        assert len({float(learner.meta_loss(episodes).detach()) for _ in range(5)}) > 1
    # Places matter to an untrained process, as its docstring says.
    turned = replace(
        episodes, support_y=(episodes.support_y + 1) % episodes.ways[:, None], query_y=episodes.query_y
    )
    first, other = learner.predict(episodes), learner.predict(turned)
    assert not torch.allclose(first[1], other[1].roll(-1, -1))


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: ConditionalProcess(0), "features"),
        (lambda: ConditionalProcess(3, 1), "ways=1"),
        (lambda: ConditionalProcess(3, shuffle=True), "shuffle"),
        (lambda: ConditionalProcess(3, floor=0.0), "floor"),
        (lambda: ConditionalProcess(3, depth=0), "depth"),
        (lambda: TransformerProcess(3, width=10, heads=4), "heads=4"),
        (lambda: TransformerProcess(3, heads=0), "heads"),
        (lambda: BayesianHead(3, rank=0), "rank"),
        (lambda: BayesianHead(3, noise=0.0), "noise"),
        (lambda: BayesianHead(3, encoder=nn.BatchNorm1d(3, track_running_stats=False)), "statistics"),
    ],
)
def test_options_out_of_range_are_refused(make, word) -> None:
    with pytest.raises(OptionError, match=word):
        make()


def test_what_was_built_for_another_kind_is_refused() -> None:
    x, classes = torch.randn(4, 3), torch.tensor([0, 1, 2, 3])
    with pytest.raises(OptionError, match="built for numbers; got labels of classes"):
        ConditionalProcess(3).adapt(x, classes)
    with pytest.raises(OptionError, match="built for classes; got labels of numbers"):
        TransformerProcess(3, 4).adapt(x, x[:, 0])
    with pytest.raises(OptionError, match="built for 3 ways; got a task with 4"):
        ConditionalProcess(3, 3).adapt(x, classes)
    with pytest.raises(OptionError, match="told 5 and got 3"):
        BayesianHead(5).adapt(x, x[:, 0])
    with pytest.raises(DataError, match="bayes serves regression"):
        BayesianHead(3).adapt(x, classes)
    with pytest.raises(DataError, match="got episodes of classes"):
        PROCESSES["cnp"](4, 3).distribution(uneven((2, 3, 3)))
    with pytest.raises(DataError, match="got episodes of numbers"):
        shuffled(uneven())
