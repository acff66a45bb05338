"""Problems from datasets: one row an input, gaps, groups kept whole, the encoder part of the study."""

import pickle
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from sharewise._arguments import families_for
from sharewise._running import settings as _settings
from sharewise.errors import DataError, OptionError
from sharewise.families import Model, Predictions
from sharewise.problems import Problem, Schema, Table, encoder_digest, fingerprint, profile, split
from sharewise.problems._pool import Pool
from sharewise.serving import DeployedModel, load
from sharewise.serving._deployed import KNOWN
from sharewise.serving._equip import equipped, needs_encoder
from sharewise.strategies import BlendModel
from sharewise.studies import Protocol
from sharewise.tasks import Binary, Kind, Multiclass, Regression

SHAPE = (3, 4, 4)
N = 60
PICTURES = torch.randint(0, 256, (N, *SHAPE), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
DIGITS = torch.arange(N) % 3
SIZES = torch.arange(N).float() % 7
THREE = Multiclass(3)


class Encoder(nn.Module):
    def __init__(self, width: int = 8, scale: float = 255.0) -> None:
        super().__init__()
        self.scale = scale
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(48, width), nn.BatchNorm1d(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.float() / self.scale)


def seeded(seed: int = 0, **options: Any) -> Encoder:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Encoder(**options)


def digits(rows: slice = slice(0, 40)) -> TensorDataset:
    return TensorDataset(PICTURES[rows], DIGITS[rows])


def sizes(rows: slice = slice(20, 60)) -> list[tuple[Tensor, Tensor]]:
    return list(zip(PICTURES[rows], SIZES[rows], strict=True))


def problem(
    *, first: Any = None, second: Any = None, kind: Kind = THREE, encoder: object = None, **options: Any
) -> Problem:
    tasks = {
        "digit": (digits() if first is None else first, kind),
        "size": (sizes() if second is None else second, Regression()),
    }
    return Problem.from_datasets(tasks, seeded() if encoder is None else encoder, **options)


def labelled(labels: Sequence[Any], inputs: Any = PICTURES) -> list[tuple[Any, Any]]:
    return [(inputs[place], label) for place, label in enumerate(labels)]


MADE = problem()


# --- rows and gaps


def test_an_input_of_two_datasets_is_one_row_with_two_labels() -> None:
    assert len(MADE) == N
    assert MADE.is_wide
    (column,) = MADE.table
    assert column.kind == "tensor"
    assert column.values.dtype == np.uint8
    np.testing.assert_array_equal(column.values, PICTURES.numpy())
    known = ~np.isnan(MADE.labels)
    assert known[:, 0].tolist() == [row < 40 for row in range(N)]
    assert known[:, 1].tolist() == [row >= 20 for row in range(N)]
    np.testing.assert_array_equal(MADE.labels[:40, 0], DIGITS[:40].numpy())
    np.testing.assert_array_equal(MADE.labels[20:, 1], SIZES[20:].numpy())
    assert MADE.notes == ()
    assert MADE.group is None
    assert [task.name for task in MADE.tasks] == ["digit", "size"]


def test_rows_meet_whatever_order_the_datasets_are_in() -> None:
    order = np.random.default_rng(1).permutation(40)
    shuffled = Subset(digits(slice(0, 40)), order.tolist())
    made = problem(first=shuffled, second=sizes(slice(0, 60)))
    assert len(made) == N
    place = {column.tobytes(): row for row, column in enumerate(PICTURES.numpy())}
    rows = [place[x.tobytes()] for x in made.table.columns[0].values]
    np.testing.assert_array_equal(made.labels[:, 1], SIZES.numpy()[rows])
    known = ~np.isnan(made.labels[:, 0])
    np.testing.assert_array_equal(made.labels[known, 0], DIGITS.numpy()[np.array(rows)[known]])


@pytest.mark.parametrize(
    ("inputs", "kept"),
    [
        (PICTURES.double() / 7, np.float32),
        (PICTURES.half(), np.float32),
        (PICTURES.int(), np.int64),
        (PICTURES > 100, np.uint8),
        (PICTURES.numpy(), np.uint8),
        (nn.Parameter(PICTURES.float()), np.float32),
    ],
)
def test_inputs_are_kept_in_three_types(inputs: Any, kept: type) -> None:
    made = problem(first=labelled(DIGITS, inputs), second=labelled(SIZES, inputs))
    assert made.table.columns[0].values.dtype == kept
    assert made.schema.dtype == np.dtype(kept).name
    assert len(made) == N


def test_minus_zero_is_the_same_input_as_zero() -> None:
    zero, minus = torch.zeros(N, 48), -torch.zeros(N, 48)
    zero[:, 0] = minus[:, 0] = torch.arange(1.0, N + 1)
    made = problem(first=labelled(DIGITS, zero), second=labelled(SIZES, minus))
    assert len(made) == N


def test_labels_are_classes_or_their_places_and_gaps() -> None:
    words = Multiclass(("ash", "elm", "oak"))
    given: list[Any] = ["ash", 1, np.int64(2), torch.tensor(0), torch.tensor([1]), "oak", 2.0]
    gaps: list[Any] = [None, float("nan"), -1, torch.tensor(-100), np.float32("nan")]
    rest = [words.classes[place % 3] for place in range(N - len(given) - len(gaps))]
    made = problem(first=labelled([*given, *gaps, *rest]), second=labelled(SIZES), kind=words)
    np.testing.assert_array_equal(made.labels[:7, 0], [0, 1, 2, 0, 1, 2, 2])
    unlabelled = made.table.columns[0].values[np.isnan(made.labels[:, 0])]
    np.testing.assert_array_equal(unlabelled, PICTURES[7:12].numpy())
    assert "5 items of 'digit' without a label left out." in made.notes


def test_a_class_that_is_a_number_is_named_by_that_number() -> None:
    made = problem(
        first=labelled([(-1, 1)[place % 2] for place in range(40)]),
        kind=Binary((-1, 1)),
    )
    np.testing.assert_array_equal(made.labels[:40, 0], np.arange(40) % 2)
    with pytest.raises(DataError, match=r"one of its 2 classes \(5, 7\); item 0 of 'digit' has 1"):
        problem(first=labelled([1] * 40), kind=Binary((5, 7)))


def test_classes_that_never_or_hardly_come_up_are_left_out_and_told() -> None:
    labels = [0, 1] * 19 + [2, 2]
    made = problem(first=labelled(labels), kind=Multiclass(("a", "b", "rare", "never")))
    assert made.targets[0].kind == Multiclass(("a", "b"))
    assert np.isnan(made.labels[38:40, 0]).all()
    assert made.notes == (
        "Target 'digit': 1 class on no row left out: 'never'.",
        "Target 'digit': 1 class on fewer than 3 rows left unlabelled: 'rare'.",
    )


def test_a_repeated_item_counts_once() -> None:
    made = problem(first=[*digits(), digits()[3], digits()[3]])
    assert len(made) == N
    assert made.group is None
    assert made.notes == ("2 items of 'digit' repeated an earlier one, label and all: counted once.",)


def test_an_input_labelled_in_two_ways_counts_twice_on_one_side() -> None:
    contested = [(x, (y + 1) % 3) for x, y in Subset(digits(), range(20))]
    made = problem(first=[*digits(), *contested])
    assert len(made) == N + 20
    assert "20 items of 'digit' repeated an earlier input with another label" in made.notes[0]
    assert made.group is not None
    inputs = made.table.columns[0].values
    for seed in range(3):
        for train, test in split(made, np.arange(len(made)), folds=4, seed=seed):
            told_apart = {inputs[row].tobytes() for row in train} & {inputs[row].tobytes() for row in test}
            assert not told_apart


# --- groups


PEOPLE = [f"person {place % 9}" for place in range(N)]


def test_a_group_stays_on_one_side_in_all_tasks() -> None:
    made = problem(groups={"digit": PEOPLE[:40], "size": np.array(PEOPLE[20:])})
    assert made.group is not None
    assert len(np.unique(made.group)) == 9
    for train, test in split(made, np.arange(N), folds=3, seed=0):
        assert not {PEOPLE[row] for row in train} & {PEOPLE[row] for row in test}
        assert len(train) + len(test) == N


def test_a_group_named_in_one_dataset_holds_in_the_others() -> None:
    made = problem(groups={"digit": PEOPLE[:40]})
    assert made.group is not None
    assert len(np.unique(made.group)) == 9 + 20  # those of 'size' alone are on their own
    assert "20 inputs without a group, each taken as a group of its own." in made.notes
    gaps: list[object] = [None, float("nan"), *PEOPLE[2:40]]
    assert "22 inputs without a group" in problem(groups={"digit": gaps}).notes[0]


def test_an_input_has_one_group() -> None:
    other = ["stranger", *PEOPLE[21:]]
    with pytest.raises(
        DataError, match=r"item 20 of 'digit' and item 0 of 'size' .* 'person 2' and 'stranger'"
    ):
        problem(groups={"digit": PEOPLE[:40], "size": other})


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        ({"digits": PEOPLE}, OptionError, "'digits' is none. Did you mean 'digit'"),
        (PEOPLE, OptionError, "by task"),
        ({"digit": "an2i"}, OptionError, "sequences"),
        ({"digit": PEOPLE}, DataError, "those of 'digit' are 60 for 40 items"),
        ({"digit": [[1]] * 40}, DataError, "a text or a number"),
        ({"digit": ["one"] * 40, "size": ["one"] * 40}, DataError, "there must be two"),
    ],
)
def test_groups_that_do_not_fit(groups: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        problem(groups=groups)


# --- refusals


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter(sizes())


class Augmented(Dataset[Any]):
    def __len__(self) -> int:
        return 40

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        return torch.rand(SHAPE), 0


class Broken(Augmented):
    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        raise FileNotFoundError("photo.png is gone")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "must hold items; that of 'digit' is empty"),
        (Stream(), "knows its length and gives item i"),
        (DataLoader(digits()), "that of 'digit' is a DataLoader"),
        (5, "that of 'digit' is a int"),
        ({"x": PICTURES}, "that of 'digit' is a dict"),
        (Broken(), "item 0 of 'digit' gave FileNotFoundError: photo.png is gone"),
        (Augmented(), "item 0 of 'digit' changed. Take random augmentation out"),
        ([x for x, _ in digits()], "a pair .* item 0 of 'digit' is a Tensor"),
        ([(x, y, y) for x, y in digits()], "is a tuple of 3"),
        ([{"x": 1, "y": 2}], "is a dict of 2"),
        (labelled(DIGITS[:40], PICTURES.tolist()), "a tensor or an array; item 0 of 'digit' is a list"),
        (labelled(DIGITS[:40], torch.zeros(40)), r"has shape \(\)"),
        (labelled(DIGITS[:40], torch.zeros(40, 0)), r"has shape \(0,\)"),
        (labelled(DIGITS[:40], PICTURES.bfloat16()), "kept as float32, uint8 or int64; item 0"),
        (labelled(DIGITS[:40], PICTURES.numpy() * 1j), "holds complex128"),
        ([*digits(), (torch.full(SHAPE, torch.nan), 0)], "item 40 of 'digit' holds nan"),
        (labelled(DIGITS[:40], np.full((40, *SHAPE), 1e39)), "item 0 of 'digit' holds 1e.39"),
        ([*digits(), (PICTURES[0, :, :2], 0)], r"item 0 of 'digit' has \(3, 4, 4\) and item 40 .* \(3, 2, 4\)"),
        ([*digits(), (PICTURES[0].float(), 0)], "read as uint8 and item 40 of 'digit' as float32"),
        (labelled([*DIGITS[:39], 3]), r"its 3 classes \(0, 1, 2\); item 39 of 'digit' has 3"),
        (labelled([*DIGITS[:39], 0.5]), "item 39 of 'digit' has 0.5"),
        (labelled([*DIGITS[:39], "two"]), "item 39 of 'digit' has 'two'"),
        (labelled([*DIGITS[:39], DIGITS]), r"has a Tensor of shape \(60,\)"),
        (labelled([1] * 40), "a target must vary; 'digit' is 1"),
        (labelled([0, 1, 2]), "at least two tasks need 5 labelled rows"),
    ],
)  # fmt: skip
def test_a_dataset_that_does_not_fit(data: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        problem(first=data)


@pytest.mark.parametrize("label", [float("inf"), 1e38, "three", [1.0, 2.0]])
def test_a_number_that_is_none(label: Any) -> None:
    with pytest.raises(
        DataError, match="of the regression task 'size' is one finite number; item 1 of 'size'"
    ):
        problem(second=labelled([1.0, label, *SIZES[2:]]))


@pytest.mark.parametrize(
    ("tasks", "error", "message"),
    [
        ({"size": (sizes(), Regression())}, DataError, "at least two tasks; got 'size'"),
        ({}, DataError, "got none"),
        ([digits(), sizes()], OptionError, "by task"),
        ({"digit": digits(), "size": sizes()}, OptionError, "'digit' is a TensorDataset"),
        ({"digit": (digits(), Multiclass), "b": 1}, OptionError, "tuple of TensorDataset, Multiclass"),
        ({1: (digits(), THREE)}, OptionError, "name is a text"),
    ],
)
def test_tasks_that_do_not_fit(tasks: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Problem.from_datasets(tasks, seeded())


def test_datasets_without_any_label_are_refused() -> None:
    with pytest.raises(DataError, match="no item of any dataset has a label"):
        problem(first=labelled([None] * 40), second=labelled([None] * 40))


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ({"digits": "accuracy"}, "'digits' is none"),
        ({"digit": "acuracy"}, "got 'acuracy' for 'digit'"),
        ({"digit": "rmse"}, "metric of 'digit'"),
        ("rmse", "metric of 'digit'"),
        (5, "must name tasks"),
    ],
)
def test_metrics_that_do_not_fit(metric: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        problem(metric=metric)


def test_a_metric_is_taken() -> None:
    assert [t.metric.name for t in problem(metric={"digit": "accuracy"}).targets] == ["accuracy", "rmse"]


def test_more_than_memory_should_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sharewise.problems._pool.MOST_BYTES", 50 * 48)
    with pytest.raises(DataError, match=r"51 inputs of shape \(3, 4, 4\) in uint8 take more"):
        problem()
    assert len(problem(second=sizes(slice(0, 50)))) == 50


@pytest.mark.parametrize("room", [1, 7, 100])
def test_a_pool_grows_as_rows_come(room: int) -> None:
    pool = Pool((2,), np.dtype(np.int64), 1, room)
    for place in range(40):
        assert pool.add(np.array([place, -place]), 0, float(place)) == place
    assert pool.inputs().tolist() == [[place, -place] for place in range(40)]
    assert pool.labels()[:, 0].tolist() == list(range(40))


# --- the encoder


def wrong(function: Callable[[Tensor], Any]) -> nn.Module:
    class Wrong(Encoder):
        def forward(self, x: Tensor) -> Any:
            return function(x)

    return Wrong()


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (Encoder, r"a module, not its class; got Encoder. Write Encoder\(…\)"),
        ("resnet", "got a str"),
        (len, "got a builtin_function_or_method"),
        (nn.LazyLinear(3), "'weight' waits for a first batch"),
        (nn.Linear(5, 3), r"given \(2, 3, 4, 4\) in uint8 it raised RuntimeError"),
        (wrong(lambda x: x.float()), r"of a batch \(2, 3, 4, 4\) this one made \(2, 3, 4, 4\)"),
        (wrong(lambda x: x.flatten(1)), "in torch.uint8"),
        (wrong(lambda x: x.float().mean(0).flatten()[None]), r"made \(1, 16\)|made \(1, 48\)"),
        (wrong(lambda x: (x, x)), "gave a tuple"),
    ],
)
def test_an_encoder_that_does_not_fit(encoder: object, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        problem(encoder=encoder)


def test_an_encoder_is_asked_for() -> None:
    with pytest.raises(OptionError, match="got None"):
        Problem.from_datasets({"a": (digits(), THREE), "b": (sizes(), Regression())}, None)


def test_trying_the_encoder_leaves_it_and_the_randomness_alone() -> None:
    encoder = seeded().train()
    before, state = encoder_digest(encoder), torch.get_rng_state()
    made = problem(encoder=encoder)
    assert made.encoder is encoder
    assert encoder.training
    assert encoder_digest(encoder) == before
    assert torch.equal(torch.get_rng_state(), state)


def test_the_fingerprint_knows_the_encoder() -> None:
    same, other = problem(), problem(encoder=seeded(1))
    assert fingerprint(same) == fingerprint(MADE) != fingerprint(other)
    moved = problem(encoder=seeded())
    with torch.no_grad():
        moved.encoder.layers[1].weight[0, 0] += 1e-6  # type: ignore[attr-defined]
    frozen = problem(encoder=seeded().requires_grad_(False))
    scaled, wider = problem(encoder=seeded(scale=1.0)), problem(encoder=seeded(width=9))
    found = {fingerprint(one) for one in (MADE, other, moved, frozen, scaled, wider)}
    assert len(found) == 6
    assert fingerprint(replace(other, encoder=None)) == fingerprint(replace(MADE, encoder=None))


def test_the_fingerprint_knows_the_inputs() -> None:
    changed = PICTURES.clone()
    changed[50, 0, 0, 0] ^= 1
    second = list(zip(changed[20:], SIZES[20:], strict=True))
    assert fingerprint(problem(second=second)) != fingerprint(MADE)


def test_the_mode_of_an_encoder_is_no_part_of_it() -> None:
    assert encoder_digest(seeded().train()) == encoder_digest(seeded().eval())


def test_a_study_tells_another_encoder_from_other_data() -> None:
    protocol = Protocol("known", 0, ("separate",), ("network",))
    mine, other = _settings(MADE, protocol), _settings(problem(encoder=seeded(1)), protocol)
    assert [key for key in mine if mine[key] != other[key]] == ["encoder"]


def test_a_problem_travels_with_its_encoder() -> None:
    class Local(Encoder):  # not to be found by name in another process
        pass

    made = problem(encoder=Local())
    again = pickle.loads(pickle.dumps(made))
    assert fingerprint(again) == fingerprint(made)
    batch = torch.from_numpy(made.table.columns[0].values)
    with torch.no_grad():
        torch.testing.assert_close(again.encoder.eval()(batch), made.encoder.eval()(batch))  # type: ignore[attr-defined]


def test_an_encoder_that_cannot_travel_is_told() -> None:
    encoder = seeded()
    encoder.lock = threading.Lock()  # type: ignore[assignment]
    with pytest.raises(OptionError, match="an encoder is sent to worker processes; a Encoder cannot be"):
        pickle.dumps(replace(MADE, encoder=encoder))
    with pytest.raises(OptionError, match="an encoder is copied for every trial"):
        problem(encoder=encoder)


# --- the table


def test_what_reads_tables_copes() -> None:
    assert profile(MADE).features == {"tensor": 1}
    assert profile(MADE).labels == {"digit": 40, "size": 40}
    assert profile(MADE).leaks == ()
    assert profile(MADE).warnings() == ()
    taken = MADE.table.take(np.array([5, 2]))
    np.testing.assert_array_equal(taken.columns[0].values, PICTURES.numpy()[[5, 2]])
    assert taken.reads_tensors
    for train, test in split(MADE, np.arange(N), folds=3, seed=0):
        assert abs(len(test) - 20) <= 1
        assert set(train) | set(test) == set(range(N))


# --- new inputs


@pytest.mark.parametrize(
    "given",
    [
        PICTURES,
        PICTURES.numpy(),
        TensorDataset(PICTURES, DIGITS),
        TensorDataset(PICTURES),
        list(PICTURES),
        [(x, y) for x, y in zip(PICTURES.numpy(), DIGITS, strict=True)],
    ],
)
def test_new_inputs_are_read_as_the_problem_was(given: Any) -> None:
    table, level, notes = MADE.schema.read(given)
    assert (level, notes) == (None, ())
    assert [(column.name, column.kind) for column in table] == [("input", "tensor")]
    np.testing.assert_array_equal(table.columns[0].values, MADE.table.columns[0].values)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (PICTURES[0], r"Give x\[None\]"),
        (PICTURES[:, :2], r"the shape \(N, 3, 4, 4\); got \(60, 2, 4, 4\)"),
        (PICTURES[:0], "got none"),
        ([], "got none"),
        (PICTURES.float(), "type, uint8; got float32"),
        (list(PICTURES.float()), "type, uint8; got float32"),
        ([PICTURES[0], PICTURES[1, :2]], r"item 1 has \(2, 4, 4\)"),
        ([PICTURES[0], PICTURES[1].float()], "float32"),
        (pd.DataFrame({"x": [1.0]}), "got a DataFrame"),
        (DataLoader(digits()), "got a DataLoader"),
        (7, "got a int"),
    ],
)
def test_new_inputs_that_do_not_fit(given: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        MADE.schema.read(given)


def test_a_schema_says_the_same_after_json() -> None:
    import json

    assert Schema.from_dict(json.loads(json.dumps(MADE.schema.as_dict()))) == MADE.schema


# --- models


@dataclass(frozen=True)
class Means(Model):
    """Stands for a model with an encoder: predicts from the features' mean."""

    scale: float
    module: nn.Module | None = None

    @property
    def needs_encoder(self) -> bool:
        return self.module is None

    def with_encoder(self, encoder: object) -> Model:
        assert isinstance(encoder, nn.Module)
        return replace(self, module=encoder.eval())

    def predict(self, table: Table, level: object) -> Predictions:
        assert self.module is not None
        with torch.no_grad():
            means = self.module(torch.from_numpy(table.columns[0].values)).mean(dim=1, keepdim=True)
        found = means.double().numpy()
        return [np.hstack([found, -found, 0 * found]), self.scale * found]


BLEND = BlendModel((Means(1.0), Means(3.0)), np.full((2, 1, 2), 0.5))


def test_an_encoder_reaches_models_inside_models() -> None:
    assert needs_encoder(BLEND)
    ready = equipped(BLEND, seeded())
    assert not needs_encoder(ready)
    assert needs_encoder(BLEND)  # the first stays as it was
    made = BlendModel((), np.empty((2, 1, 0)))
    assert equipped(made, seeded()) is made


def test_a_deployed_model_predicts_from_tensors_and_datasets() -> None:
    model = DeployedModel.of(MADE, BLEND, {}).with_encoder(seeded())
    found = model.predict(PICTURES)
    assert isinstance(found, pd.DataFrame)
    assert list(found.columns) == ["digit", "size"]
    assert found["digit"].isin([0, 1, 2]).all()
    pd.testing.assert_frame_equal(model.predict(TensorDataset(PICTURES, DIGITS)), found)
    assert list(model.predict_proba(PICTURES[:4])) == ["digit=0", "digit=1", "digit=2"]


def test_an_encoder_of_other_parameters_is_refused() -> None:
    model = DeployedModel.of(MADE, BLEND, {})
    with pytest.raises(
        OptionError, match=r"'layers.1.weight' was \(8, 48\) then and was \(9, 48\) in this one"
    ):
        model.with_encoder(seeded(width=9))
    with pytest.raises(OptionError, match=r"'layers.1.weight' was \(8, 48\) then and was missing"):
        model.with_encoder(nn.Flatten())
    with pytest.raises(OptionError, match="got a str"):
        model.with_encoder("resnet")
    frame = {"x": np.arange(30.0) % 7, "a": np.arange(30.0) % 5, "b": np.arange(30.0) % 4}
    table = Problem.from_frame(frame, targets=["a", "b"])
    with pytest.raises(OptionError, match="takes no encoder"):
        DeployedModel.of(table, BLEND, {}).with_encoder(seeded())


def test_a_stored_model_waits_for_its_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sharewise.serving._deployed.KNOWN", {**KNOWN, "Means": Means})
    ready = DeployedModel.of(MADE, BLEND, {}).with_encoder(seeded())
    DeployedModel.of(MADE, BLEND, {}).save(tmp_path / "model")
    with pytest.raises(
        OptionError, match=r"'.*model' is one. Load it with sw.load\(folder, encoder=my_module\)"
    ):
        load(tmp_path)
    again = load(tmp_path, encoder=seeded())
    assert again.schema == MADE.schema
    pd.testing.assert_frame_equal(again.predict(PICTURES), ready.predict(PICTURES))
    with pytest.raises(OptionError, match="must have the parameters that the model was made with"):
        load(tmp_path, encoder=seeded(width=4))


# --- families


def test_tensors_are_for_families_that_read_them() -> None:
    assert families_for(MADE, None) == ("network",)
    assert families_for(MADE, ["network"]) == ["network"]
    with pytest.raises(OptionError, match="families that read these rows are network; got 'trees'"):
        families_for(MADE, ["network", "trees"])
    frame = {"x": np.arange(30.0) % 7, "a": np.arange(30.0) % 5, "b": np.arange(30.0) % 4}
    assert families_for(Problem.from_frame(frame, targets=["a", "b"]), None) is None
