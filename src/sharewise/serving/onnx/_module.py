"""torch modules as nodes: PyTorch's own exporter writes a graph, which becomes part of ours."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
import torch
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.serving._program_trace import first_line, quiet, traced
from sharewise.serving.onnx._graph import OPSETS, Graph


def emit_module(
    graph: Graph, module: nn.Module, examples: Sequence[Tensor], inputs: Sequence[str]
) -> list[str]:
    """Values of a module's outputs.

    Args:
        module: In evaluation mode; from tensors to one or a tuple of them.
        examples: Its inputs, `sharewise.serving._program_trace.EXAMPLES` rows each.
        inputs: Values of the graph that it reads, rows first.

    Raises:
        OptionError: It cannot be traced, or has an operation that ONNX lacks.
    """
    made = translated(traced(module, examples))
    return graph.absorb(made.graph, inputs)


def translated(program: torch.export.ExportedProgram) -> onnx.ModelProto:
    """A program as an ONNX model.

    Raises:
        OptionError: It has an operation that ONNX lacks, or the exporter's own library is missing.
    """
    try:
        with quiet():
            found = torch.onnx.export(
                program, dynamo=True, opset_version=OPSETS[""], verbose=False, optimize=False
            )
    except ImportError as error:
        raise OptionError(
            f"networks are written to ONNX by PyTorch's exporter, which needs onnxscript ({error}). "
            'Install it with: pip install "sharewise[onnx]".'
        ) from error
    except Exception as error:  # the exporter's exceptions have no common base
        raise OptionError(
            f"an ONNX file holds operations that ONNX has; this network has others ({first_line(error)}). "
            "Use model.save and sw.load."
        ) from error
    assert found is not None
    made: onnx.ModelProto = found.model_proto
    strange = [one.domain for one in made.opset_import if one.domain] + [one.name for one in made.functions]
    if strange:
        raise OptionError(
            f"an ONNX file holds operations that ONNX has; this network has one of '{strange[0]}'. "
            "Use model.save and sw.load."
        )
    return made
