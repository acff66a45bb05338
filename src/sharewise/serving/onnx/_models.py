"""Fitted models as nodes: for each class of model how its predictions come of rows."""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from sharewise.errors import OptionError
from sharewise.families._boosting import StackedBoosterModel
from sharewise.families._extra_trees import SharedForestModel
from sharewise.families._linear_long import LevelLinearModel
from sharewise.families._module_nets import ModuleNets
from sharewise.families._net import NetworkModel
from sharewise.families._parts import PartsModel
from sharewise.families._sample import Model
from sharewise.families.pictures._linear import PictureModel
from sharewise.families.pictures._model import PictureNets
from sharewise.families.texts._apart import TextLinearModel
from sharewise.families.texts._copies import TextPooledModel
from sharewise.families.texts._networks import TextNets
from sharewise.families.texts._stacked import TextStackedModel
from sharewise.serving.onnx._boosted import committees
from sharewise.serving.onnx._encode import encode, width_of
from sharewise.serving.onnx._forests import as_probabilities, forests
from sharewise.serving.onnx._graph import Graph
from sharewise.serving.onnx._net import emit_net
from sharewise.serving.onnx._parts import by_row, emit_parts, note_thresholds, scored
from sharewise.serving.onnx._rows import Rows
from sharewise.serving.onnx._text_models import emit_linear, emit_pooled, emit_stacked
from sharewise.strategies import BlendModel
from sharewise.strategies._chained import ChainedModel
from sharewise.strategies._constant import ConstantModel
from sharewise.strategies._grouped import GroupModel
from sharewise.tasks import Binary, Classification


@singledispatch
def emit(model: Model, graph: Graph, rows: Rows) -> list[str]:
    """Predictions ``(n, W)`` in double, one value a target.

    Raises:
        OptionError: The model is of a sort that has no form in ONNX yet.
    """
    raise OptionError(
        "an ONNX file holds models of tables, texts and pictures and what chains, groups and blends them; this model "
        f"has a {type(model).__name__}. Use model.save and sw.load."
    )


@emit.register
def _(model: PartsModel, graph: Graph, rows: Rows) -> list[str]:
    X = encode(graph, model.encoder, rows)
    width = width_of(model.encoder, rows)
    return [emit_parts(graph, parts, X, width, rows) for parts in model.parts]


@emit.register
def _(model: LevelLinearModel, graph: Graph, rows: Rows) -> list[str]:
    X = encode(graph, model.encoder, rows)
    level = rows.code
    found = []
    for part in model.parts:
        scores = graph.node("MatMul", X, graph.constant(part.weights))
        offsets = part.offsets + part.intercept
        scores = graph.node("Add", scores, graph.gather(offsets, level))
        if part.slopes is not None:
            own = by_row(graph, X, graph.gather(part.slopes, level), part.slopes.shape[2])
            scores = graph.node("Add", scores, own)
        found.append(scored(graph, scores, part.link))
    return found


@emit.register
def _(model: NetworkModel, graph: Graph, rows: Rows) -> list[str]:
    X = graph.cast(encode(graph, model.encoder, rows), "float")
    return [emit_net(graph, net, X, rows) for net in model.nets]


@emit.register
def _(model: ModuleNets, graph: Graph, rows: Rows) -> list[str]:
    from sharewise.serving.onnx._modules_of import emit_networks  # needs torch

    return emit_networks(graph, model, rows)


@emit.register
def _(model: PictureNets, graph: Graph, rows: Rows) -> list[str]:
    from sharewise.serving.onnx._modules_of import emit_picture_networks  # needs torch

    return emit_picture_networks(graph, model, rows)


@emit.register
def _(model: PictureModel, graph: Graph, rows: Rows) -> list[str]:
    from sharewise.serving.onnx._pictures import features  # needs torch

    return emit(model.model, graph, features(graph, model.features, rows, rows.shape))


@emit.register
def _(model: TextNets, graph: Graph, rows: Rows) -> list[str]:
    from sharewise.serving.onnx._modules_of import emit_text_networks  # needs torch

    return emit_text_networks(graph, model, rows)


@emit.register
def _(model: TextLinearModel, graph: Graph, rows: Rows) -> list[str]:
    return emit_linear(graph, model, rows)


@emit.register
def _(model: TextStackedModel, graph: Graph, rows: Rows) -> list[str]:
    return emit_stacked(graph, model, rows)


@emit.register
def _(model: TextPooledModel, graph: Graph, rows: Rows) -> list[str]:
    return emit_pooled(graph, model, rows)


@emit.register
def _(model: StackedBoosterModel, graph: Graph, rows: Rows) -> list[str]:
    X = encode(graph, model.encoder, rows)
    if model.with_level and rows.level is not None:
        X = graph.columns((X, graph.reshape(graph.cast(rows.level, "double"), -1, 1)))
    found: dict[int, str] = {}
    for stack in model.stacks:
        kind, count = stack.committee.kind, len(stack.targets)
        inputs = X if count == 1 else _stacked(graph, rows, X, count)
        values, trees = committees(graph, [(None, stack.committee)], inputs, None, None)
        note_thresholds(rows, trees)
        apart = graph.reshape(values, count, -1, kind.width)
        for place, target in enumerate(stack.targets):
            own = graph.node("Gather", apart, graph.constant(np.int64(place)), axis=0)
            if not isinstance(kind, Classification):
                scaled = graph.node("Mul", own, graph.constant(np.float64(stack.spread[place])))
                own = graph.node("Add", scaled, graph.constant(np.float64(stack.mean[place])))
            found[target] = own
    return [found[place] for place in sorted(found)]


@emit.register
def _(model: SharedForestModel, graph: Graph, rows: Rows) -> list[str]:
    X = encode(graph, model.encoder, rows)
    if model.levels is not None:
        X = graph.columns((X, graph.gather(model.levels.means, rows.code)))
    leaves, trees = forests(graph, [(None, model.forest)], X, None, None)
    note_thresholds(rows, trees)
    scaled = graph.node("Mul", leaves, graph.constant(model.spread[None]))
    values = graph.node("Add", scaled, graph.constant(model.mean[None]))
    number = graph.constant(np.float64(len(model.forest.roots)))
    return [
        as_probabilities(graph, _columns(graph, values, start, stop), kind, number)
        for kind, (start, stop) in zip(model.kinds, model.columns, strict=True)
    ]


@emit.register
def _(model: ConstantModel, graph: Graph, rows: Rows) -> list[str]:
    if rows.level is None:
        return [rows.constant(graph, values[0]) for values in model.values]
    return [graph.gather(values, rows.level) for values in model.values]


@emit.register
def _(model: ChainedModel, graph: Graph, rows: Rows) -> list[str]:
    found: dict[int, str] = {}
    for place, link in zip(model.order, model.links, strict=True):
        found[place] = emit(link, graph, rows)[0]
        kind = model.kinds[place]
        first = 1 if isinstance(kind, Binary) else 0
        columns = (_columns(graph, found[place], at, at + 1) for at in range(first, kind.width))
        rows = rows.with_numbers(tuple(columns))
    return [found[place] for place in range(len(model.order))]


@emit.register
def _(model: GroupModel, graph: Graph, rows: Rows) -> list[str]:
    own = rows
    if model.levels is not None:
        # Rows of levels outside are computed as some level inside, then blanked.
        inside = np.maximum(model.levels, 0).astype(np.int64)
        own = rows.recoded(graph.gather(inside, rows.code), int(model.levels.max()) + 1)
    values = emit(model.model, graph, own)
    found = [rows.constant(graph, np.full(width, np.nan)) for width in model.widths]
    for place, value in zip(model.targets, values, strict=True):
        if model.levels is None:
            found[place] = value if model.members[place, 0] else found[place]
            continue
        held = (model.levels >= 0) & model.members[place]
        found[place] = graph.node("Where", graph.gather(held[:, None], rows.code), value, found[place])
    return found


@emit.register
def _(model: BlendModel, graph: Graph, rows: Rows) -> list[str]:
    totals: list[str | None] = [None] * len(model.weights)
    zero = graph.constant(np.float64(0.0))
    for place, member in enumerate(model.members):
        shares = model.weights[:, :, place]
        if not (shares > 0).any():
            continue
        for target, value in enumerate(emit(member, graph, rows)):
            share = shares[target]
            if not (share > 0).any():
                continue
            if rows.level is None:
                part = value if share[0] == 1.0 else graph.node("Mul", value, graph.constant(share[0]))
            else:
                own = graph.gather(share[:, None], rows.level)
                part = graph.node(
                    "Where", graph.node("Greater", own, zero), graph.node("Mul", own, value), zero
                )
            so_far = totals[target]
            totals[target] = part if so_far is None else graph.node("Add", so_far, part)
    assert all(total is not None for total in totals)  # weights sum to 1
    return [total for total in totals if total is not None]


def _stacked(graph: Graph, rows: Rows, X: str, count: int) -> str:
    """Rows ``(n, P)`` once for each of some targets, its place behind them: ``(count·n, P + 1)``."""
    copies = []
    for place in range(count):
        behind = rows.constant(graph, np.array([float(place)]))
        copies.append(graph.columns((X, behind)))
    return graph.node("Concat", *copies, axis=0)


def _columns(graph: Graph, values: str, start: int, stop: int) -> str:
    """``values[:, start:stop]``."""
    return graph.node(
        "Slice", values, *(graph.constant(np.array([at], dtype=np.int64)) for at in (start, stop, 1))
    )
