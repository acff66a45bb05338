"""Self-supervised objectives: what they mask, turn and cut, the values of their losses, and what they are good for."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sharewise.errors import DataError, OptionError
from sharewise.meta import ClassPool, Prototypes, evaluate
from sharewise.meta._contrastive import Contrastive
from sharewise.meta._corrupted import column_places, corrupt
from sharewise.meta._info_nce import info_nce, nt_xent
from sharewise.meta._masked_features import MaskedFeatures
from sharewise.meta._masked_tokens import MaskedTokens
from sharewise.meta._objective import Objective
from sharewise.meta._pretrain import OBJECTIVES, pretrain
from sharewise.meta._rotations import Rotations, quarter_turns
from sharewise.meta._rows_loop import Batches
from sharewise.meta._scarf import Scarf
from sharewise.meta._views import Views


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class PerToken(nn.Module):
    """(N, L) ids to (N, L, 6), each place with its left neighbour's."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.mix = nn.Embedding(9, 6), nn.Linear(12, 6)

    def forward(self, ids: Tensor) -> Tensor:
        own = self.embed(ids)
        return self.mix(torch.cat([own, own.roll(1, 1)], -1)).tanh()


def case(name: str) -> tuple[Objective, nn.Module, Tensor]:
    """An objective, an encoder that it may train, and inputs."""
    table, pictures = (
        torch.randn(40, 5, generator=generator()),
        torch.rand(24, 2, 8, 8, generator=generator()),
    )
    rows = nn.Sequential(nn.Linear(5, 6), nn.Tanh())
    pixels = nn.Sequential(nn.Conv2d(2, 6, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1))
    if name == "masked":
        return MaskedFeatures(5, 6), rows, table
    if name == "scarf":
        return Scarf(5, 6), rows, table
    if name == "rotations":
        return Rotations(6), pixels, pictures
    if name == "contrastive":
        spots = F.interpolate(torch.rand(24, 2, 2, 2, generator=generator()), size=8, mode="bilinear")
        corners = nn.Sequential(nn.Conv2d(2, 6, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(2))
        return Contrastive(24, views=Views(smallest=0.7, flip=0.0, jitter=0.1)), corners, spots
    # A place's token follows from its left neighbour's, ids 2 … 8.
    ids = (torch.arange(30)[:, None] + torch.arange(7)) % 7 + 2
    return MaskedTokens(9, 6, mask=1), PerToken(), ids


# Every objective


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_trains_encoder_and_heads_and_leaves_the_batch(name):
    torch.manual_seed(0)
    objective, encoder, inputs = case(name)
    assert objective.name == name
    before = inputs.clone()
    loss = objective.loss(encoder, inputs, generator())
    loss.backward()
    assert loss.ndim == 0
    assert loss.isfinite()
    assert all(
        w.grad is not None and w.grad.any() for part in (encoder, objective) for w in part.parameters()
    )
    assert torch.equal(inputs, before)
    again = [objective.loss(encoder, inputs, generator(seed)).item() for seed in (0, 1)]
    assert again[0] == loss.item()
    assert (again[1] == loss.item()) is (name == "rotations")  # which shows every turn, and draws nothing


@pytest.mark.parametrize("name", OBJECTIVES)
def test_pretraining_lowers_the_loss_and_is_deterministic(name):
    weights = []
    state = torch.random.get_rng_state()
    for _ in range(2):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            objective, encoder, inputs = case(name)
        found = pretrain(encoder, objective, inputs, steps=40, batch=16, rate=0.01, seed=3)
        weights.append(torch.cat([w.detach().flatten() for w in encoder.parameters()]))
    assert found.status == "finished"
    assert np.mean(found.losses[-10:]) < np.mean(found.losses[:5])
    assert torch.equal(*weights)
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_what_is_no_input_of_an_objective_is_refused(name):
    objective, encoder, inputs = case(name)
    with pytest.raises(DataError, match="axes"):
        objective.loss(encoder, inputs[..., None], generator())
    with pytest.raises(DataError, match="two rows"):
        objective.loss(encoder, inputs[:1], generator())
    if inputs.is_floating_point():
        holed = inputs.clone()
        holed[0, 0] = torch.nan
        with pytest.raises(DataError, match="NaN"):
            objective.loss(encoder, holed, generator())
    with pytest.raises(DataError, match="got 1 and none"):
        pretrain(encoder, objective, inputs[:1], steps=1)
    with pytest.raises(OptionError, match="one budget"):
        pretrain(encoder, objective, inputs)


def test_the_best_weights_by_held_out_loss_are_kept():
    torch.manual_seed(0)
    objective, encoder, inputs = case("masked")
    found = pretrain(
        encoder, objective, inputs[:8], steps=150, rate=0.1, held_out=inputs[8:], every=0.1, batch=8
    )
    scores = [past.score for past in found.judged]
    assert len(scores) >= 9
    assert scores[-1] > min(scores)  # eight rows are soon learnt by heart
    state = copy.deepcopy(encoder.state_dict())
    again = pretrain(encoder, objective, inputs[:8], steps=1, rate=1e-12, held_out=inputs[8:], batch=8)
    assert encoder.training
    assert len(again.judged) == 1
    assert all(torch.allclose(value, state[name]) for name, value in encoder.state_dict().items())


# Corruption of rows


def test_corruption_replaces_by_values_of_the_same_column_and_leaves_the_rest():
    batch = torch.arange(2000.0).reshape(500, 4)  # value % 4 is the column
    corrupted, chosen = corrupt(batch, column_places(4, None), 0.3, generator())
    assert torch.equal(corrupted[~chosen], batch[~chosen])
    assert torch.equal(corrupted % 4, batch % 4)
    assert (corrupted[chosen] != batch[chosen]).double().mean() > 0.98  # a row may be its own donor
    assert chosen.double().mean().item() == pytest.approx(0.3, abs=0.03)
    assert not torch.equal(chosen[:, 0], chosen[:, 1])


def test_coordinates_of_a_column_are_replaced_together():
    levels = torch.randint(3, (300,), generator=generator())
    batch = torch.cat([F.one_hot(levels, 3).float(), torch.randn(300, 1, generator=generator())], 1)
    corrupted, chosen = corrupt(batch, column_places(4, [5, 5, 5, 9]), 0.5, generator())
    assert (corrupted[:, :3].sum(1) == 1).all()
    assert (chosen[:, 0] == chosen[:, 1]).all()
    assert not torch.equal(chosen[:, 0], chosen[:, 3])
    with pytest.raises(OptionError, match="3 columns for 4 coordinates"):
        column_places(4, [0, 0, 1])


def test_masked_features_by_hand():
    """With heads that say nothing, ln 2 for which and the mean square for what."""
    batch = torch.randn(50, 5, generator=generator())
    objective = MaskedFeatures(5, 6, weight=2.0)
    for weight in objective.parameters():
        nn.init.zeros_(weight)
    wanted = math.log(2) + 2 * batch.square().mean().item()
    assert objective.loss(nn.Linear(5, 6), batch, generator()).item() == pytest.approx(wanted, rel=1e-6)


# Contrasts


def test_info_nce_by_hand():
    anchors, views = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [3.0, 0.0]])
    # Cosines: the first anchor 1, 1; the second 0, 0; so both choices are even.
    assert info_nce(anchors, views, 0.5).item() == pytest.approx(math.log(2))
    right = info_nce(anchors, torch.eye(2), 0.5).item()  # cosines 1 and 0, over 0.5
    assert right == pytest.approx(math.log(1 + math.exp(-2)))


def test_nt_xent_by_hand():
    one, other = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[2.0, 0.0], [0.0, -1.0]])
    # Of (1,0): partner 1, the others 0 and 0. Of (0,1): partner −1, the others 0 and 0; of both twice.
    wanted = (math.log(1 + 2 * math.exp(-2)) + math.log(1 + 2 * math.exp(2))) / 2
    assert nt_xent(one, other, 0.5).item() == pytest.approx(wanted, rel=1e-6)


# Pictures


def test_turns_and_their_labels():
    batch = torch.arange(2 * 3 * 4 * 4.0).reshape(2, 3, 4, 4)
    turned, labels = quarter_turns(batch)
    assert labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert torch.equal(turned[:2], batch)
    assert torch.equal(
        turned[3, :, 0, 0], batch[1, :, 0, 3]
    )  # a quarter against the clock: the right edge is on top
    assert torch.equal(turned[4:6], batch.flip(2, 3))
    with pytest.raises(DataError, match="4 by 3 pixels"):
        quarter_turns(batch[..., :3])


def test_views_that_change_nothing_change_nothing():
    batch = torch.rand(5, 2, 6, 7, generator=generator())
    plain = Views(smallest=1.0, stretch=1.0, flip=0.0, jitter=0.0)
    assert torch.allclose(plain(batch, generator()), batch, atol=1e-5)
    mirrored = Views(smallest=1.0, stretch=1.0, flip=1.0, jitter=0.0)
    assert torch.allclose(mirrored(batch, generator()), batch.flip(3), atol=1e-5)


def test_views_stay_inside_the_picture_and_differ():
    ramp = torch.linspace(0, 1, 16).expand(200, 1, 16, 16).contiguous()
    view = Views(smallest=0.25, flip=0.0, jitter=0.0)(ramp, generator())
    assert view.min() >= 0
    assert view.max() <= 1
    spans = view.amax((1, 2, 3)) - view.amin((1, 2, 3))
    assert spans.min() > 0.25
    assert spans.std() > 0.05
    assert not torch.equal(Views()(ramp, generator(1)), Views()(ramp, generator(2)))


def test_jitter_scales_a_channel():
    batch = torch.rand(3, 2, 4, 4, generator=generator())
    view = Views(smallest=1.0, stretch=1.0, flip=0.0, jitter=0.3)(batch, generator())
    # A straight line a channel: v = a x + b.
    for picture, other in zip(batch.flatten(0, 1).flatten(1), view.flatten(0, 1).flatten(1), strict=True):
        assert abs(np.corrcoef(picture, other)[0, 1]) == pytest.approx(1.0, abs=1e-5)
        assert 0.7**2 - 1e-4 <= other.std() / picture.std() <= 1.3**2 + 1e-4


# Tokens


def test_hidden_tokens():
    ids = torch.randint(2, 50, (400, 30), generator=generator())
    ids[:, 20:] = 0
    hidden, chosen = MaskedTokens(50, 4, mask=1).hide(ids, generator())
    assert torch.equal(hidden[~chosen], ids[~chosen])
    assert not chosen[:, 20:].any()
    assert chosen[:, :20].double().mean().item() == pytest.approx(0.15, abs=0.02)
    fates = hidden[chosen]
    assert (fates == 1).double().mean().item() == pytest.approx(0.8, abs=0.04)
    assert (fates == ids[chosen]).double().mean().item() == pytest.approx(0.1, abs=0.04)


def test_a_batch_has_a_chosen_token_or_is_refused():
    few = torch.tensor([[5, 0, 0], [0, 0, 0]])
    _, chosen = MaskedTokens(9, 4, mask=1, share=0.01).hide(few, generator())
    assert chosen.tolist() == [[True, False, False], [False, False, False]]
    with pytest.raises(DataError, match="padding alone"):
        MaskedTokens(9, 4, mask=1).hide(torch.zeros(2, 3, dtype=torch.int64), generator())
    with pytest.raises(DataError, match="features for each"):
        MaskedTokens(9, 4, mask=1).loss(lambda ids: torch.zeros(len(ids), 4), few, generator())
    with pytest.raises(OptionError, match="mask=0"):
        MaskedTokens(9, 4, mask=0)


# Batches


def test_an_epoch_reads_each_row_once_and_depends_on_seed_alone():
    batches = Batches(10, 3, seed=1)
    epoch = torch.cat([batches.at(step) for step in range(3)])
    assert len(epoch.unique()) == 9
    later = [batches.at(step) for step in (7, 0, 7)]
    assert torch.equal(later[0], later[2])
    assert torch.equal(later[1], epoch[:3])
    assert torch.equal(Batches(10, 3, seed=1).at(7), later[0])
    assert not torch.equal(Batches(10, 3, seed=2).at(7), later[0])
    assert sorted(Batches(4, 9, seed=0).at(5).tolist()) == [0, 1, 2, 3]


# What it is good for


def noisy(classes: int, seed: int, rows: int = 20) -> ClassPool:
    """Classes differ in two hidden numbers, each seen in a block of 10 noisy columns; 20 further columns are noise."""
    rng = generator(seed)
    labels = np.repeat(np.arange(classes), rows)
    hidden = torch.randn(classes, 2, generator=rng)[labels].repeat_interleave(10, 1)
    seen = hidden + 0.7 * torch.randn(hidden.shape, generator=rng)
    return ClassPool(torch.cat([seen, 1.5 * torch.randn(len(labels), 20, generator=rng)], 1), labels)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["masked", "scarf"])
def test_pretraining_beats_an_untrained_encoder(name):
    source, target = noisy(80, 0), noisy(20, 1)
    test = target.draw(np.random.default_rng(0), ways=4, shots=2, queries=8, episodes=100)
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(40, 64), nn.ReLU(), nn.Linear(64, 8))
    untrained = evaluate(Prototypes(encoder), [test]).mean
    objective = OBJECTIVES[name](40, 8)
    pretrain(encoder, objective, source.inputs, steps=400, rate=5e-3)
    assert evaluate(Prototypes(encoder), [test]).mean > untrained + 0.1
