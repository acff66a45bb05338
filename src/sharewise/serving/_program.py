"""Networks as PyTorch programs: ``model.pt2`` takes encoded tensors and runs where torch does, without sharewise.

    model.export("model.pt2")
    program = load_program("model.pt2")
    program.predict(frame)                               # as the model does
    torch.export.load("model.pt2").module()(*tensors)    # without sharewise

What makes tensors of rows (medians, scales, vocabularies) is in the file too, as JSON; `Program.tensors` applies it. The
number of rows is open, all other sizes are fixed.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load as arrays_of
from safetensors.numpy import save as bytes_of

from sharewise.errors import OptionError, StorageError
from sharewise.problems import Schema, Table, Target
from sharewise.serving._folder import versions
from sharewise.serving._known import KNOWN, StoredTarget
from sharewise.serving._program_differences import difference, refuse_different
from sharewise.serving._program_file import refuse_tasks, write_whole
from sharewise.serving._program_inputs import points_of, tensors_of
from sharewise.serving._program_parts import Whole, input_of
from sharewise.serving._program_trace import EXAMPLES, quiet, traced
from sharewise.serving._rows import framed, predictions, read_rows
from sharewise.serving._state import decode, encode
from sharewise.serving.onnx._drawn import draw
from sharewise.serving.onnx._report import Report
from sharewise.tasks import MaskRows, cells

if TYPE_CHECKING:
    from sharewise.families import Model
    from sharewise.serving._deployed import DeployedModel

FORMAT, VERSION = "sharewise-program", 1
ABOUT = "sharewise.json"
"""The extra file in the archive: names, classes, and what makes tensors of rows."""
AT_ONCE = 256
"""Rows that are predicted together."""


@dataclass(frozen=True)
class Program:
    """A program and what makes its inputs.

    Attributes:
        run: From tensors to one a target: numbers ``(n, 1)``, probabilities ``(n, classes)``, of masks
            ``(n, classes, H, W)``.
        schema: How to read a table.
        targets: What is predicted.
        readers: What makes each of the inputs of a table; None of tensors, which go in as they are.
    """

    run: Any
    schema: Schema
    targets: tuple[Target, ...]
    readers: tuple[Any, ...]

    def tensors(self, frame: object) -> tuple[torch.Tensor, ...]:
        """What the program takes, of rows like the study's.

        Raises:
            DataError: Feature columns are missing, a row's task is unknown, or inputs are of another shape.
        """
        return tensors_of(self.readers, *read_rows(self.schema, frame))

    def predict(self, frame: object) -> Any:
        """As `sharewise.serving.DeployedModel.predict`.

        Raises:
            DataError: As `tensors`.
        """
        values = self.values(*read_rows(self.schema, frame))
        own: list[Any] = [cells(list(one))[:, None] if one.ndim > 2 else one for one in values]
        return framed(predictions(self.targets, own), frame, self.schema)

    def values(self, table: Table, level: NDArray[np.intp] | None) -> list[NDArray[Any]]:
        """What the program gives of each target."""
        given = tensors_of(self.readers, table, level)
        parts = []
        with torch.no_grad():
            for start in range(0, len(table), AT_ONCE):
                parts.append(self.run(*(one[start : start + AT_ONCE] for one in given)))
        return [torch.cat(one).numpy() for one in zip(*parts, strict=True)]


def export_program(model: DeployedModel, path: str | Path, rows: object = None) -> Report:
    """Write a model of networks as a PyTorch program, loaded again and checked beside the model before it stands there.

    Args:
        model: One of networks, or of blends and groups of them.
        path: The file, replaced if it is there.
        rows: Held-out rows that it is checked on besides the drawn ones; targets need not be there.

    Raises:
        OptionError: The model has a part that is no network, or whose operations cannot be followed; or the program
            differs from it by more than 1e-5.
        DataError: ``rows`` are not such as the model reads.
        StorageError: The file cannot be written.
    """
    refuse_tasks(model, "a .pt2 file")
    assert model.model is not None
    leaves: list[Model] = []
    whole = Whole(model.model, leaves, with_level=model.schema.levels is not None).eval()
    if not leaves:
        raise OptionError(
            "a .pt2 file holds networks; this model is a constant. Use model.save and sw.load, or export it to an .onnx "
            "file."
        )
    readers = tuple(input_of(leaf) for leaf in leaves)
    held = [draw(model.schema, points_of(readers, model.schema))]
    if rows is not None:
        held.append(read_rows(model.schema, rows))
    few, some = held[0][0].take(np.arange(EXAMPLES)), held[0][1]
    made = traced(whole, tensors_of(readers, few, None if some is None else some[:EXAMPLES]))
    content = BytesIO()
    with quiet():
        torch.export.save(made, content, extra_files={ABOUT: _about(model, readers)})
    program = _read(BytesIO(content.getvalue()), path)
    differences = {target.name: 0.0 for target in model.targets}
    # One row too: a program may have taken the number of rows for part of its form.
    table, level = held[0]
    held.append((table.take(np.arange(1)), None if level is None else level[:1]))
    for table, level in held:
        own, found = model.model.predict(table, level), program.values(table, level)
        for target, said, values in zip(model.targets, own, found, strict=True):
            far = difference(target.kind, values, said)
            differences[target.name] = max(differences[target.name], far)
    refuse_different(differences, "a .pt2 file")
    write_whole(Path(path), content.getvalue(), "a .pt2 file")
    kinds: dict[str, str] = dict(zip(model.schema.features, model.schema.kinds, strict=True))
    names = tuple(target.name for target in model.targets)
    checked = sum(len(table) for table, _ in held)
    return Report(Path(path), len(content.getvalue()), kinds, names, checked, differences, (_note(made),))


def load_program(path: str | Path) -> Program:
    """What `export_program` wrote. Load files that you trust only: PyTorch's format may hold more than weights.

    Raises:
        StorageError: It is no such file, or a newer one.
    """
    return _read(Path(path), path)


def _about(model: DeployedModel, readers: tuple[object, ...]) -> str:
    """What stands beside the program, as JSON."""
    state = (model.schema, tuple(map(StoredTarget.of, model.targets)), readers)
    tree, arrays, texts = encode(state, KNOWN)
    return json.dumps(
        {
            "format": FORMAT,
            "version": VERSION,
            "versions": versions(),
            "targets": {target.name: target.kind.name for target in model.targets},
            "masks": [target.name for target in model.targets if isinstance(target.kind, MaskRows)],
            "verdict": str(model.card.get("verdict", {}).get("sentence", "")),
            "tree": tree,
            "arrays": base64.b64encode(bytes_of(arrays) if arrays else b"").decode(),
            "texts": texts,
        }
    )


def _read(source: Path | BytesIO, path: str | Path) -> Program:
    held = {ABOUT: ""}
    try:
        with quiet():
            made = torch.export.load(source, extra_files=held)
        about = json.loads(held[ABOUT])
        if about["format"] != FORMAT or about["version"] != VERSION:
            raise ValueError(f"its format is {about['format']} {about['version']}")
        raw = base64.b64decode(about["arrays"])
        arrays = {name: np.asarray(one) for name, one in arrays_of(raw).items()} if raw else {}
        schema, targets, readers = decode(about["tree"], arrays, about["texts"], KNOWN)
    except Exception as error:  # whatever a foreign or damaged archive leads to
        text = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise StorageError(
            f"a program is a .pt2 file that model.export wrote; '{path}' is none that can be read ({text}). "
            "Export the model again."
        ) from error
    return Program(made.module(), schema, tuple(one.target() for one in targets), tuple(readers))


def _note(made: torch.export.ExportedProgram) -> str:
    """What goes in, for whoever runs it without sharewise."""
    sizes = []
    for name in made.graph_signature.user_inputs:
        node = next(node for node in made.graph.nodes if node.name == name)
        value = node.meta["val"]
        sizes.append(
            f"{str(value.dtype).removeprefix('torch.')} (n{''.join(f', {int(s)}' for s in value.shape[1:])})"
        )
    return f"It takes {' and '.join(sizes)}; Program.tensors makes them of rows."
