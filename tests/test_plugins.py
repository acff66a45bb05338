"""Methods of other packages: found by entry point, fair to studies that do without them, stored and read with consent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sharewise as sw
from cli_runs import launch, quicken
from sharewise import _plugins
from sharewise._plugged import packages_of
from sharewise._plugins import Registry, subclass_of
from sharewise.cli import main
from sharewise.errors import OptionError, SharewiseWarning, StorageError
from sharewise.families import FAMILIES, Run, configuration
from sharewise.problems import Column, Table
from sharewise.serving._plugged import check_content
from sharewise.strategies import STRATEGIES
from sharewise.strategies.conformance import check_strategy, sample_of
from sharewise.strategies.new_tasks import NEW_TASK_STRATEGIES, TaskSample
from sharewise.studies import Protocol

STRATEGY = '''
from dataclasses import dataclass, replace

from sharewise.families import Fit, Model
from sharewise.strategies import Strategy


@dataclass(frozen=True)
class MiddleModel(Model):
    """The mean of two models."""

    first: Model
    second: Model

    def predict(self, table, level):
        both = zip(self.first.predict(table, level), self.second.predict(table, level), strict=True)
        return [(a + b) / 2 for a, b in both]


class Middle(Strategy):
    """Half way between separate and joint."""

    name, shares, choice, direct, partial = "middle", True, "problem", None, False
    state = (MiddleModel,)

    def refusal(self, problem):
        return None

    def configurations(self, family, problem, *, effort):
        return family.configurations(problem, effort=effort, together=True)

    def fit(self, sample, family, configuration, run):
        one, other = family.alone(sample, configuration, run), family.together(sample, configuration, run)
        held_out = [(a + b) / 2 for a, b in zip(one.held_out, other.held_out, strict=True)]
        return Fit(MiddleModel(one.model, other.model), held_out)


class Leaky(Middle):
    """Says of held-out rows what it has learnt from them."""

    name = "leaky"

    def fit(self, sample, family, configuration, run):
        fit = super().fit(sample, family, configuration, run)
        labels = [sample.labels[:, [d]] for d in range(len(sample.targets))]
        wide = [t.kind.width > 1 for t in sample.targets]
        return replace(fit, held_out=[h if w else l for h, l, w in zip(fit.held_out, labels, wide, strict=True)])


class Hasty(Middle):
    """Fails before there is anything to fit."""

    name = "hasty"

    def configurations(self, family, problem, *, effort):
        return family.no_such_thing
'''
NETWORK = '''
import numpy as np

from sharewise.balancing import Weighting
from sharewise.meta import MetaLearner
from sharewise.networks import HardSharing


class Even(Weighting):
    """Gradients of one length."""

    name = "even"
    scale_free = True

    def _weights(self, gramian, seen):
        return 1 / np.sqrt(gramian.diagonal())


class Still(HardSharing):
    """Hard sharing under another name."""


class Nearest(MetaLearner):
    """Class means of the inputs as they are: nothing is learnt but a scale."""

    name = "nearest-mean"

    def __init__(self, encoder):
        import torch

        super().__init__()
        self.encoder, self.scale = encoder, torch.nn.Parameter(torch.tensor(1.0))

    def _fit(self, support):
        hot, x = support.one_hot.to(support.x.dtype), support.x.flatten(2)
        return {"means": hot.mT @ x / hot.sum(1).clamp_min(1)[..., None]}

    def _answer(self, state, x):
        import torch

        return -self.scale.exp() * torch.cdist(x.flatten(2), state["means"]) ** 2
'''


def install(
    folder: Path,
    package: str,
    module: str,
    code: str,
    points: dict[str, dict[str, str]],
    version: str = "0.3",
) -> None:
    """What an installer leaves of a package: its module, and a .dist-info with its entry points."""
    info = folder / f"{package.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (folder / f"{module}.py").write_text(code)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    lines = [
        f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in own.items()) for group, own in points.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))


@pytest.fixture(scope="module")
def plugged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two packages on the path; afterwards neither they nor their modules are there."""
    folder = tmp_path_factory.mktemp("site")
    strategies = {"middle": "plug_middle:Middle", "leaky": "plug_middle:Leaky", "hasty": "plug_middle:Hasty"}
    install(folder, "sharewise-middle", "plug_middle", STRATEGY, {"sharewise.strategies": strategies})
    points = {
        "sharewise.balancers": {"even": "plug_even:Even"},
        "sharewise.architectures": {"still": "plug_even:Still"},
        "sharewise.meta_learners": {"nearest-mean": "plug_even:Nearest"},
    }
    install(folder, "sharewise-even", "plug_even", NETWORK, points, "1.2.0")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield folder
    for name in ("plug_middle", "plug_even"):
        sys.modules.pop(name, None)
    for registry in (STRATEGIES, sw.balancing.BALANCERS, sw.networks.ARCHITECTURES, sw.meta.META_LEARNERS):
        registry._loaded.clear()


def table(n: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 3))
    shared = x @ [1.0, -1.0, 0.5]
    return pd.DataFrame(x, columns=list("pqr")).assign(
        a=shared + rng.normal(size=n), b=shared + rng.normal(size=n), c=shared - x[:, 0] + rng.normal(size=n)
    )


ASKED = ["separate", "middle"]


@pytest.fixture(scope="module")
def study(plugged: Path, tmp_path_factory: pytest.TempPathFactory) -> sw.Study:
    problem = sw.Problem.from_frame(table(), targets=["a", "b", "c"])
    out = tmp_path_factory.mktemp("runs") / "middle"
    with pytest.MonkeyPatch.context() as patch:
        quicken(patch)
        return sw.compare(
            problem, strategies=ASKED, families=["linear"], budget="12s", workers=1, out=out, quiet=True
        )


# --- registries -------------------------------------------------------------------------------------------


def test_a_name_is_known_before_its_package_is_imported(plugged: Path) -> None:
    code = (
        "import sys; from sharewise.strategies import STRATEGIES, USUAL; "
        "assert 'middle' in STRATEGIES and 'middle' in STRATEGIES.names() and 'middle' not in USUAL; "
        "assert 'joint' in dict(STRATEGIES.among(['joint', 'nothing'])); assert 'plug_middle' not in sys.modules; "
        "assert STRATEGIES['middle'].shares and 'plug_middle' in sys.modules; print('fine')"
    )
    env = {**os.environ, "PYTHONPATH": str(plugged)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    assert done.stdout == "fine\n", done.stderr


def test_registries_hold_the_classes_of_installed_packages(plugged: Path) -> None:
    assert STRATEGIES["middle"].name == "middle"
    assert sw.balancing.BALANCERS["even"]().name == "even"
    assert list(sw.balancing.BALANCERS)[-1] == "even"
    assert len(sw.balancing.BALANCERS) == 21
    assert "still" in dict(sw.networks.ARCHITECTURES)
    assert sw.meta.META_LEARNERS.plugins().keys() == {"nearest-mean"}
    with pytest.raises(KeyError):
        STRATEGIES["nothing"]
    with pytest.raises(OptionError, match=r"a balancer is one of .*even.*; got 'evn'\."):
        sw.balancing.BALANCERS.named("evn")


def test_what_cannot_be_used_is_one_sentence_and_harms_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = {
        "gone": "plug_nowhere:Gone",
        "absent": "plug_bad:Absent",
        "other": "plug_bad:Strange",
        "renamed": "plug_bad:Named",
        "loud": "plug_loud:Loud",
        "Bad/Name": "plug_bad:Named",
        "sum": "plug_bad:Named",
        "twice": "plug_bad:Named",
    }
    code = (
        "from sharewise.balancing import Weighting\nStrange = 3\n\n"
        "class Named(Weighting):\n    name = 'named'\n    def _weights(self, g, s): return g\n"
    )
    install(tmp_path, "broken-pack", "plug_bad", code, {"sharewise.balancers": points})
    install(
        tmp_path,
        "second-pack",
        "plug_loud",
        "raise SystemExit(3)",
        {"sharewise.balancers": {"twice": "plug_bad:Named"}},
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = Registry(
        "sharewise.balancers", "balancer", sw.balancing.BALANCERS.built_in, subclass_of(sw.balancing.Balancer)
    )  # type: ignore[type-abstract]
    reasons = {
        "gone": "No module named 'plug_nowhere'",
        "absent": "has no attribute 'Absent'",
        "other": "a subclass of sharewise.balancing.Balancer is asked for",
        "renamed": "it calls itself 'named'",
        "loud": "SystemExit: 3",
        "Bad/Name": "a name is made of",
    }
    for name, reason in reasons.items():
        with pytest.raises(OptionError) as caught:
            registry[name]
        told = str(caught.value)
        assert f"'{name}' of the package broken-pack 0.3" in told
        assert reason in told
        assert "\n" not in told
    with pytest.raises(
        OptionError, match=r"'twice' of the package broken-pack 0\.3.* is also a balancer of second-pack 0.3"
    ):
        registry["twice"]
    assert registry["sum"] is sw.balancing.Sum
    with pytest.warns(SharewiseWarning) as warned:
        assert set(registry) - {"even"} == set(registry.built_in)  # the other package is as it was
    told = [str(one.message) for one in warned]
    assert sum("left out" in one for one in told) == len(reasons) + 1
    list(registry)  # told once: warnings are errors here
    with pytest.warns(
        SharewiseWarning,
        match="'sum' of the package broken-pack 0.3.* is called as something of sharewise's own",
    ):
        Registry("sharewise.balancers", "balancer", registry.built_in, registry._read).names()


# --- studies ----------------------------------------------------------------------------------------------


def test_a_study_compares_and_names_where_it_comes_from(study: sw.Study) -> None:
    details = json.loads((study.out / "verdict.json").read_text())  # type: ignore[operator]
    assert {row["name"] for row in details["strategies"]} >= {"constant", "separate", "middle"}
    assert all(row["status"] == "done" for row in details["strategies"] if row["name"] == "middle")
    assert details["versions"]["sharewise-middle"] == "0.3"
    assert study.verdict.choice
    assert "middle" in (study.out / "report.html").read_text()  # type: ignore[operator]


def test_a_study_is_another_one_without_its_plug_in(
    study: sw.Study, plugged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"families": ["linear"], "budget": "12s", "workers": 1, "out": study.out, "quiet": True}
    again = sw.compare(study.problem, strategies=ASKED, **asked)  # type: ignore[arg-type]
    assert again.verdict.outcome == study.verdict.outcome
    (info,) = plugged.glob("sharewise_middle-*.dist-info")
    metadata = (info / "METADATA").read_text()
    (info / "METADATA").write_text(metadata.replace("0.3", "0.4"))
    _plugins._scan.cache_clear()
    try:
        with pytest.raises(StorageError, match="a study with other plug-ins"):
            sw.compare(study.problem, strategies=ASKED, **asked)  # type: ignore[arg-type]
    finally:
        (info / "METADATA").write_text(metadata)
        _plugins._scan.cache_clear()
    with pytest.raises(OptionError, match=r"strategies are some of .*middle.*; got 'midle'"):
        sw.compare(study.problem, strategies=["separate", "midle"], **asked)  # type: ignore[arg-type]
    with pytest.raises(
        OptionError, match=r"'hasty' of the package sharewise-middle 0\.3 .* fails \(AttributeError"
    ):
        sw.compare(study.problem, strategies=["separate", "hasty"], **asked)  # type: ignore[arg-type]


def test_networks_search_over_what_is_installed(plugged: Path) -> None:
    known = Protocol("known", 0, ("separate", "joint"), ("linear", "network"))
    assert packages_of(known) == {"sharewise-even": "1.2.0"}
    assert packages_of(replace(known, families=("linear",))) == {}
    assert packages_of(replace(known, strategies=("middle",), families=("linear",))) == {
        "sharewise-middle": "0.3"
    }
    problem = sw.Problem.from_frame(table(), targets=["a", "b"])
    space = FAMILIES["network"].further_space(problem)
    assert "still" in space
    assert "even" in space["mmoe"]["balancing"].options  # type: ignore[union-attr]


def test_training_takes_a_balancer_by_name(plugged: Path) -> None:
    import torch

    x = torch.randn(32, 3, generator=torch.Generator().manual_seed(0))
    batches = [(x, {"a": x[:, 0], "b": x[:, 1]})]
    kinds = {"a": sw.tasks.Regression(), "b": sw.tasks.Regression()}
    weights = []
    for balancer in ("even", sw.balancing.BALANCERS["even"]()):
        torch.manual_seed(0)
        network = sw.networks.HardSharing(sw.networks.mlp(3, [4]), sw.networks.heads({"a": 1, "b": 1}, 4))
        sw.training.fit(network, batches, kinds, epochs=2, balancer=balancer, progress=False)
        weights.append(torch.cat([p.flatten() for p in network.parameters()]))
    assert torch.equal(*weights)
    with pytest.raises(OptionError, match="a balancer is one of"):
        sw.training.fit(network, batches, kinds, balancer="odd", progress=False)


def test_the_shipped_checks_are_for_authors(plugged: Path) -> None:
    from sharewise.balancing.conformance import check_balancer
    from sharewise.meta.conformance import check_meta_learner
    from sharewise.networks.conformance import check_architecture

    check_balancer(sw.balancing.BALANCERS["even"])
    check_architecture(sw.networks.ARCHITECTURES["still"], layouts=["vector"])
    check_meta_learner(lambda inputs, outputs: sw.meta.META_LEARNERS["nearest-mean"](None))  # type: ignore[call-arg]
    check_strategy(type(STRATEGIES["middle"]), families=["linear"])
    with pytest.raises(AssertionError, match="models that did not see the row"):
        check_strategy(type(STRATEGIES["leaky"]), families=["linear"])


# --- stored models ----------------------------------------------------------------------------------------


@pytest.fixture
def stored(plugged: Path, tmp_path: Path) -> tuple[Path, pd.DataFrame]:
    """A model that the plug-in's strategy fitted."""
    problem = sw.Problem.from_frame(table(), targets=["a", "b", "c"])
    family = FAMILIES["linear"]
    strategy = STRATEGIES["middle"]
    configuration = strategy.configurations(family, problem, effort=0)[0]
    model = strategy.fit(sample_of(problem), family, configuration, Run(0, effort=0)).model
    deployed = sw.serving.DeployedModel.of(problem, model, {})
    deployed.save(tmp_path / "m")
    return tmp_path / "m", deployed.predict(table(9))


def test_a_folder_imports_nothing_that_the_user_does_not_name(
    plugged: Path, stored: tuple[Path, pd.DataFrame]
) -> None:
    folder, said = stored
    code = (
        "import sys, sharewise as sw\n"
        "try:\n    sw.load(sys.argv[1])\n"
        "except sw.SharewiseError as error:\n    print(error)\n"
        "print('plug_middle' in sys.modules)\n"
        "print(sw.load(sys.argv[1], plugins=['middle']).tasks())"
    )
    env = {**os.environ, "PYTHONPATH": str(plugged)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, env=env, check=False
    )
    told, imported, tasks = done.stdout.splitlines()
    assert "needs 'middle' of the package sharewise-middle 0.3" in told
    assert "plugins=['middle']" in told
    assert (imported, tasks) == ("False", "('a', 'b', 'c')")
    pd.testing.assert_frame_equal(sw.load(folder, plugins="middle").predict(table(9)), said)


def test_the_environment_allows_what_the_command_line_reads(
    stored: tuple[Path, pd.DataFrame],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, said = stored
    table(9).to_csv(tmp_path / "new.csv", index=False)
    asked = ["predict", str(folder), str(tmp_path / "new.csv")]
    assert main(asked) == 2
    assert "SHAREWISE_PLUGINS=middle" in capsys.readouterr().err
    monkeypatch.setenv("SHAREWISE_PLUGINS", "other, middle")
    assert main(asked) == 0
    assert capsys.readouterr().out.splitlines()[0] == ",".join(said.columns)


def test_a_folder_is_refused_where_its_plug_in_is_not_installed(
    stored: tuple[Path, pd.DataFrame], monkeypatch: pytest.MonkeyPatch, plugged: Path
) -> None:
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(plugged)])
    with pytest.raises(StorageError, match=r"the plug-in 'middle' .* which no installed package declares"):
        sw.load(stored[0], plugins=["middle"])


def test_networks_built_again_by_name_ask_for_consent_too(plugged: Path, tmp_path: Path) -> None:
    problem = sw.Problem.from_frame(table(60), targets=["a", "b"])
    asked = configuration("still", balancing="even", width=8)
    model = FAMILIES["network"].together(sample_of(problem), asked, Run(0, effort=0)).model
    deployed = sw.serving.DeployedModel.of(problem, model, {})
    deployed.save(tmp_path / "m")
    with pytest.raises(
        StorageError, match=r"no code that a folder names.* 'still' of the package sharewise-even"
    ):
        sw.load(tmp_path / "m")
    pd.testing.assert_frame_equal(
        sw.load(tmp_path / "m", plugins=["still"]).predict(table(5)), deployed.predict(table(5))
    )


def test_an_adapter_made_by_a_learner_asks_for_consent_too(plugged: Path) -> None:
    rng = np.random.default_rng(0)
    task = np.repeat(np.arange(12), 8)
    x = rng.normal(size=(96, 2)) + rng.normal(size=(12, 2))[task]
    columns = tuple(Column(name, "number", x[:, place]) for place, name in enumerate("pq"))
    kind = sw.tasks.Binary((False, True))
    y = (x[:, 0] > 0).astype(float)
    sample = TaskSample(Table(columns, 96), y, task, kind, kind.metric(), task < 9, shots=(2,))
    strategy = NEW_TASK_STRATEGIES["meta-learned"]
    assert configuration("nearest-mean") in strategy.configurations(sample, "network", effort=1)
    adapter = strategy.fit(sample, "network", configuration("nearest-mean"), Run(0, effort=0), seconds=0.2)
    rows = adapter.encode(sample.table.take(np.arange(88, 96)))
    said = adapter.adapt(rows, np.array([0.0, 1.0] * 4), 2).predict(rows)
    np.testing.assert_allclose(said.sum(axis=1), 1.0, atol=1e-6)
    with pytest.raises(StorageError, match="'nearest-mean' of the package sharewise-even"):
        check_content([adapter], frozenset())
    check_content([adapter], frozenset({"nearest-mean"}))


# --- the command line and workers -------------------------------------------------------------------------


def test_plug_ins_are_listed(plugged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["middle", "strategy", "sharewise-middle", "0.3", "ready"] for line in lines)
    assert any(line.split()[:2] == ["even", "balancer"] for line in lines)


@pytest.mark.slow
def test_worker_processes_and_the_command_line_find_them(plugged: Path, tmp_path: Path) -> None:
    table(90).to_csv(tmp_path / "t.csv", index=False)
    asked = "--targets a,b,c --strategies separate,middle --families linear --budget 30s --workers 2 --quiet --out"
    path = str(plugged)
    ran = launch("compare", tmp_path / "t.csv", *asked.split(), tmp_path / "run", quick=True, PYTHONPATH=path)
    assert ran.code == 0, ran.err
    details = json.loads((tmp_path / "run" / "verdict.json").read_text())
    (row,) = [row for row in details["strategies"] if row["name"] == "middle"]
    assert row["status"] == "done"
    assert row["score"] is not None
    assert details["protocol"]["workers"] == 2
