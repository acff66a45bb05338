"""Networks as PyTorch programs: encoded tensors in, the model's predictions out, also where sharewise is not."""

from __future__ import annotations

import zipfile
from functools import cache

import numpy as np
import pytest
import torch

import onnx_models as cases
import sharewise as sw
from sharewise.cli import main
from sharewise.errors import OptionError, StorageError
from sharewise.families import FAMILIES, Model, Run, configuration
from sharewise.families.texts import _networks
from sharewise.serving import DeployedModel
from sharewise.serving._program import ABOUT, load_program
from sharewise.strategies import BlendModel
from sharewise.strategies._constant import fit_constant_model


@cache
def problem(*, long: bool = False, text: bool = False) -> sw.Problem:
    return cases.problem(cases.table(text=text), long=long)


@cache
def fitted(strategy: str, family: str, learner: str, *, long: bool = False) -> Model:
    return cases.fitted(problem(long=long), strategy, family, learner)


def rows(*, long: bool = False, text: bool = False):
    table = cases.table(text=text)
    return table if long else table.drop(columns="school")


@pytest.mark.parametrize("long", [False, True])
def test_a_program_predicts_what_the_model_does(tmp_path, long) -> None:
    model = cases.deployed(problem(long=long), fitted("joint", "network", "mlp", long=long))
    report = model.export(tmp_path / "m.pt2", rows(long=long))
    assert report.largest <= 1e-5
    assert report.rows == cases.ROWS + 400 + 1
    program = load_program(tmp_path / "m.pt2")
    found, own = program.predict(rows(long=long)), model.predict(rows(long=long))
    assert list(found.columns) == list(own.columns)
    np.testing.assert_allclose(found["near"], own["near"], rtol=1e-5)
    assert (found["high"] == own["high"]).all()
    # Without sharewise: tensors in, one tensor a target out, for one row as for many.
    alone = torch.export.load(tmp_path / "m.pt2").module()
    tensors = program.tensors(rows(long=long))
    assert len(tensors) == 1 + long
    for count in (1, 7):
        near, *_ = alone(*(one[:count] for one in tensors))
        np.testing.assert_allclose(near[:, 0].numpy(), own["near"][:count], rtol=1e-5)


def test_blends_and_groups_of_networks_are_one_program(tmp_path) -> None:
    for long in (False, True):
        of = problem(long=long)
        sample = cases.sample(of)
        members = (
            fit_constant_model(sample, Run(0)).model,
            fitted("joint", "network", "mlp", long=long),
            cases.fitted(of, "grouped", "network", "mlp"),
        )
        weights = np.random.default_rng(0).dirichlet(np.ones(3), size=(4, sample.n_levels))
        weights[:, :, 2] = 0.0
        weights[0, 0, 2] = 0.5  # the one cell of the target that all members serve
        weights /= weights.sum(axis=2, keepdims=True)
        model = cases.deployed(of, BlendModel(members, weights))
        assert model.export(tmp_path / "m.pt2", rows(long=long)).largest <= 1e-5


@pytest.mark.slow
def test_texts_go_in_as_ids(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(_networks, "EPOCHS", dict.fromkeys(_networks.EPOCHS, (1,) * 4))
    of = problem(text=True)
    made = FAMILIES["network"].together(cases.sample(of), configuration("bag"), Run(0, effort=0)).model
    model = cases.deployed(of, made)
    assert model.export(tmp_path / "m.pt2", rows(text=True)).largest <= 1e-5
    program = load_program(tmp_path / "m.pt2")
    for few in (rows(text=True)[:3], rows(text=True)[20:60]):  # texts of other lengths
        np.testing.assert_allclose(program.predict(few)["near"], model.predict(few)["near"], rtol=1e-5)


def test_what_is_no_network_is_refused_in_a_sentence(tmp_path) -> None:
    model = cases.deployed(problem(), fitted("separate", "linear", "ridge"))
    with pytest.raises(OptionError, match="holds networks; this model has a PartsModel"):
        model.export(tmp_path / "m.pt2")
    constant = cases.deployed(problem(), fit_constant_model(cases.sample(problem()), Run(0)).model)
    with pytest.raises(OptionError, match="this model is a constant"):
        constant.export(tmp_path / "m.pt2")
    assert not list(tmp_path.iterdir())


def test_a_program_that_differs_is_not_written(tmp_path, monkeypatch) -> None:
    model = cases.deployed(problem(), fitted("joint", "network", "mlp"))
    predict = type(model.model).predict

    def off(self, table, level):
        return [values * (1 + 1e-4) for values in predict(self, table, level)]

    monkeypatch.setattr(type(model.model), "predict", off)
    with pytest.raises(OptionError, match="differs by 1"):
        model.export(tmp_path / "m.pt2")
    assert not list(tmp_path.iterdir())


def test_the_command_writes_a_program_and_foreign_files_are_refused(tmp_path, capsys) -> None:
    model: DeployedModel = cases.deployed(problem(), fitted("joint", "network", "mlp"))
    model.save(tmp_path / "model")
    out = tmp_path / "model.pt2"
    assert main(["export", str(tmp_path / "model"), str(out)]) == 0
    assert "It takes float32 (n, " in capsys.readouterr().out
    with zipfile.ZipFile(out) as archive:
        assert any(name.endswith(ABOUT) for name in archive.namelist())
    foreign = tmp_path / "foreign.pt2"
    linear = torch.nn.Linear(2, 1)
    torch.export.save(torch.export.export(linear, (torch.zeros(2, 2),)), foreign)
    for content in (foreign.read_bytes(), out.read_bytes()[:1000], b""):
        foreign.write_bytes(content)
        with pytest.raises(StorageError, match="none that can be read"):
            load_program(foreign)
