"""Any encoder: what stages it has, how wide they are, and what every architecture makes of it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sharewise.errors import OptionError
from sharewise.networks import ARCHITECTURES, HardSharing, feature_tensors, heads, mlp, small_cnn
from sharewise.networks._layout import pooled, resized
from sharewise.networks._stages import known_width, stages_of, widths_of

NEEDS_WIDTH = ("adapters", "conditioned", "dselect_k", "mmoe", "mtan", "ple")


class Recurrent(nn.Module):
    """The last state of a GRU: a module that shows neither stages nor its width."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(5, 12, batch_first=True)
        self.out = nn.Linear(12, 12)

    def forward(self, x):
        return self.out(self.gru(x)[1][0])


def normalised() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 12), nn.ReLU()
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_batch_normalisation_and_dropout(architecture):
    torch.manual_seed(0)
    network = architecture(normalised(), heads({"a": 1, "b": 2}, 12))
    x = torch.randn(9, 5) + 3
    sum(out.sum() for out in network(x).values()).backward()
    statistics = [buffer for name, buffer in network.named_buffers() if name.endswith("running_mean")]
    assert statistics
    assert all(buffer.abs().sum() > 0 for buffer in statistics)
    network.eval()
    torch.testing.assert_close(network(x[:1])["b"], network(x)["b"][:1])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_encoder_that_shows_nothing(name):
    torch.manual_seed(0)
    x = torch.randn(4, 7, 5)
    if name not in NEEDS_WIDTH:
        network = ARCHITECTURES[name](Recurrent(), heads({"a": 1, "b": 2}, 12))
    else:
        with pytest.raises(OptionError, match=r"the encoder \(Recurrent\) does not show it. Pass example="):
            ARCHITECTURES[name](Recurrent(), heads({"a": 1, "b": 2}, 12))
        network = ARCHITECTURES[name](Recurrent(), heads({"a": 1, "b": 2}, 12), example=x[:2])
    assert {task: tuple(out.shape) for task, out in network(x).items()} == {"a": (4, 1), "b": (4, 2)}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_transformer_on_sequences(name):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(12, 2, 16, batch_first=True)
    x = torch.randn(3, 7, 12)
    options = {"example": x} if name in NEEDS_WIDTH else {}
    network = ARCHITECTURES[name](layer, heads({"a": 1, "b": 2}, 12), **options)
    assert {task: tuple(out.shape) for task, out in network(x).items()} == {"a": (3, 7, 1), "b": (3, 7, 2)}
    sum(out.sum() for out in network(x).values()).backward()
    assert feature_tensors(network.encode(x))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_widths_that_do_not_fit_are_found_at_construction(name):
    with pytest.raises(OptionError, match=r"features are 12 wide, the head of task 'a' takes 9"):
        ARCHITECTURES[name](mlp(5, [12]), heads({"a": 1}, 9))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_inputs_that_do_not_fit_are_one_sentence(name):
    network = ARCHITECTURES[name](mlp(5, [12]), heads({"a": 1}, 12))
    with pytest.raises(OptionError, match=r"must take its inputs; given a tensor of shape \(2, 4\)"):
        network(torch.zeros(2, 4))
    with pytest.raises(OptionError, match="given a dict of 'lagn'"):
        network({"lagn": torch.zeros(2, 5)})


def test_an_encoder_that_gives_no_tensor():
    network = HardSharing(nn.GRU(5, 12, batch_first=True), heads({"a": 1}, 12))
    with pytest.raises(
        OptionError, match="the encoder must give one tensor with rows first; got a tuple of 2"
    ):
        network(torch.zeros(2, 3, 5))


@pytest.mark.parametrize("name", sorted(set(NEEDS_WIDTH) - {"adapters"}))
def test_features_of_five_axes_are_refused(name):
    example = torch.zeros(2, 3, 4, 4, 4)
    with pytest.raises(OptionError, match=r"a vector \(B, D\), a sequence \(B, L, D\), or a map"):
        ARCHITECTURES[name](nn.Conv3d(3, 6, 1), {"a": nn.Flatten()}, example=example)


def test_stages_are_cut_before_weights():
    relu, pool, flat = nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
    one, two, last = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 6, 3), nn.Linear(6, 2)
    norm = nn.BatchNorm2d(4)
    stages = stages_of(nn.Sequential(pool, one, norm, relu, two, relu, flat, last))
    assert [list(stage) if type(stage) is nn.Sequential else [stage] for stage in stages] == [
        [pool, one, norm, relu],
        [two, relu, flat],
        [last],
    ]
    assert len(stages_of(mlp(3, [4, 5, 6], dropout=0.1))) == 3
    assert len(stages_of(small_cnn(1))) == 3
    whole = Recurrent()
    assert stages_of(whole) == [whole]


@pytest.mark.parametrize(
    ("module", "width"),
    [
        (nn.Linear(3, 7), 7),
        (mlp(3, [4, 6], dropout=0.5), 6),
        (small_cnn(3, [4, 9]), 9),
        (small_cnn(3, [4, 9], pool=False), 9),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten()), None),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(2), nn.Flatten()), None),
        (nn.Sequential(nn.Linear(3, 8), nn.GLU()), None),
        (nn.Sequential(nn.Linear(3, 8), nn.LayerNorm(8), nn.GELU()), 8),
        (nn.Sequential(), None),
        (Recurrent(), None),
    ],
)
def test_widths_that_layers_show(module, width):
    assert known_width(module) == width


def test_an_example_leaves_no_trace():
    encoder = normalised()
    encoder[3].eval()
    modes = [module.training for module in encoder.modules()]
    state = {name: value.clone() for name, value in encoder.state_dict().items()}
    generator = torch.get_rng_state()
    assert widths_of(stages_of(encoder), torch.randn(4, 5, generator=torch.Generator().manual_seed(1))) == [
        8,
        12,
    ]
    assert [module.training for module in encoder.modules()] == modes
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(value, state[name]) for name, value in encoder.state_dict().items())


def test_places():
    sequence = torch.arange(8.0).view(1, 4, 2)
    assert pooled(sequence).tolist() == [[3.0, 4.0]]
    assert resized(sequence, torch.zeros(1, 2, 5)).tolist() == [[[1.0, 2.0], [5.0, 6.0]]]
    picture = torch.arange(16.0).view(1, 1, 4, 4)
    assert resized(picture, torch.zeros(1, 3, 2, 2)).tolist() == [[[[2.5, 4.5], [10.5, 12.5]]]]
    assert resized(picture, torch.zeros(1, 5)).tolist() == [[7.5]]
    with pytest.raises(OptionError, match="the layout of the stage before it"):
        resized(picture, torch.zeros(1, 4, 5))


@pytest.mark.parametrize("build", [lambda: mlp(3, []), lambda: mlp(0, [4]), lambda: small_cnn(1, [0])])
def test_refused_encoders(build):
    with pytest.raises(OptionError, match="all at least 1"):
        build()
