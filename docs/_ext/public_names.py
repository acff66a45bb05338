"""The API pages in the words of the source: annotations as written, links between public names.

Three small things that autodoc does not do by itself:

* a signature shows its annotations as they stand in the source (``Sequence[Metric]``), not the evaluated types of
  the machine that builds the pages;
* a name in single backticks in a docstring is a link where the name is documented, and code where it is not;
* a private home (``sharewise.networks._base.Features``) leads to the public door (``sharewise.networks.Features``).
"""

from __future__ import annotations

import inspect
import re
import types
from typing import Any

from docutils import nodes
from docutils.parsers.rst import roles
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform

SHAPE = re.compile(r"(?<![`\w])(\((?=[^()`]*\*)[A-Z\d*…][\w*]*(?:,\s?\*?[\w…]+)*,?\))(?!`)")
"""A shape with a star in it, ``(E, S, *P)``, which reStructuredText would take for emphasis."""
ENDS_LOW = re.compile(r"(\w)_(?![\w`])")
CODE = re.compile(r"(`[^`]*`)")
FOREIGN = {"set_score_request", "set_fit_request", "set_predict_request", "get_metadata_routing"}
CALLABLE = {"function", "method", "class", "staticmethod", "classmethod"}


def as_written(
    app: Sphinx, kind: str, name: str, thing: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str, str | None] | None:
    """The signature with the source's own annotations; None leaves autodoc's."""
    if kind not in CALLABLE or signature is None:
        return None
    try:
        found = inspect.signature(thing)
    except (TypeError, ValueError):
        return None
    shown = [_bare(one) for one in found.parameters.values()]
    if shown and shown[0].name in {"self", "cls"}:
        del shown[0]
    arguments = str(found.replace(parameters=shown, return_annotation=inspect.Signature.empty))
    result = None if kind == "class" else _text(found.return_annotation)
    return arguments, result


class _Said:
    """Prints as the words it holds, without quotes."""

    def __init__(self, words: str) -> None:
        self.words = words

    def __repr__(self) -> str:
        return self.words


def _bare(parameter: inspect.Parameter) -> inspect.Parameter:
    written = _text(parameter.annotation)
    default = parameter.default
    if default is inspect.Parameter.empty:
        default = parameter.empty
    elif callable(default) or type(default).__repr__ is object.__repr__:
        default = _Said(getattr(default, "__name__", "…"))
    return parameter.replace(
        annotation=inspect.Parameter.empty if written is None else _Said(written), default=default
    )


def _text(annotation: Any) -> str | None:
    if annotation in (inspect.Parameter.empty, None):
        return None
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def mend(app: Sphinx, kind: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """What reStructuredText would misread: stars of shapes, bars of norms, underscores that end names."""
    for place, line in enumerate(lines):
        parts = CODE.split(SHAPE.sub(r"``\1``", line))
        parts[::2] = [ENDS_LOW.sub(r"\1\_", part.replace("|", r"\|")) for part in parts[::2]]
        lines[place] = "".join(parts)


def no_type(app: Sphinx, kind: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Napoleon takes what stands before a colon in an attribute's first line for its type; a new line prevents that."""
    if kind in {"attribute", "data", "property"} and lines and ": " in lines[0]:
        before, _, after = lines[0].partition(": ")
        lines[:1] = [f"{before}:", after]


def leave_out(app: Sphinx, kind: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:
    """Aliases of types, whose meaning is in their name, and methods that scikit-learn writes."""
    alias = isinstance(thing, types.GenericAlias | types.UnionType) or (
        not inspect.isclass(thing) and type(thing).__module__ in {"typing", "numpy"}
    )
    return True if alias or name in FOREIGN else None


def backticks(
    role: str, raw: str, text: str, line: int, inliner: Any, options: Any = None, content: Any = None
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """A link that is looked up among the documented names, and plain code where there is none."""
    code = nodes.literal(raw, text, classes=["xref"])
    found = addnodes.pending_xref(
        raw,
        code,
        refdomain="py",
        reftype="name",
        reftarget=text,
        refwarn=False,
        refdoc=inliner.document.settings.env.docname,
    )
    return [found], []


def find(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, shown: nodes.TextElement
) -> nodes.Node | None:
    """The public home of a name, or its text alone where it is none of ours; None is a broken reference."""
    if node.get("refdomain") != "py":
        return None
    target = str(node["reftarget"]).rstrip("()")
    homes = _homes(env)
    home = _best(homes, target, node.get("py:module"))
    if home is not None:
        entry = env.domains.python_domain.objects[home]
        reference = nodes.reference("", "", shown, internal=True, reftitle=home)
        where = app.builder.get_relative_uri(node.get("refdoc", env.docname), entry.docname)
        reference["refuri"] = f"{where}#{entry.node_id}"
        return reference
    written_by_hand = node.get("refwarn") and node["reftype"] in {"func", "meth", "mod", "obj"}
    ours = target.startswith("sharewise.") and "._" not in target
    return None if written_by_hand or (ours and node["reftype"] != "name") else shown


def _homes(env: BuildEnvironment) -> dict[str, list[str]]:
    """Documented names by their last part."""
    kept = getattr(env, "sharewise_homes", None)
    if kept is None:
        kept = {}
        for full, entry in env.domains.python_domain.objects.items():
            if not entry.aliased:
                kept.setdefault(full.rpartition(".")[2], []).append(full)
        env.sharewise_homes = kept  # type: ignore[attr-defined]
    return kept


def _best(homes: dict[str, list[str]], target: str, module: str | None) -> str | None:
    """``Problem.from_frame``, ``sharewise.problems.Problem`` and ``Problem`` alike; a lower-case word alone must be
    of the same module, as it is more often a parameter."""
    *before, last = target.split(".")
    names = [part for part in before if part and not part.startswith("_") and part[0].isupper()]
    wanted = ".".join([*names, last])
    ends = [full for full in homes.get(last, []) if full == wanted or full.endswith("." + wanted)]
    plain = not names and not (last[0].isupper() or "." in target)
    if plain:
        ends = [full for full in ends if full.rpartition(".")[0] == module]
    own = [full for full in ends if module and full.startswith(module + ".")]
    room = [full for full in ends if before and full.startswith(".".join(before[:2]) + ".")]
    for some in (room, own, ends):
        if len(some) == 1 or (some and len({one.count(".") for one in some}) > 1):
            return min(some, key=lambda one: (one.count("."), one))
    return None


class Exact(SphinxPostTransform):
    """Names are looked up exactly, by `find` where need be: trying every ending takes longer than all the rest."""

    default_priority = 5

    def run(self, **kwargs: Any) -> None:
        """Mark every name of a page."""
        for node in self.document.findall(addnodes.pending_xref):
            if node.get("refdomain") == "py":
                node["refspecific"] = False


def forget(app: Sphinx, env: BuildEnvironment) -> None:
    """Names are gathered anew once all pages were read."""
    env.sharewise_homes = None  # type: ignore[attr-defined]


def setup(app: Sphinx) -> dict[str, Any]:
    """What Sphinx calls."""
    app.add_post_transform(Exact)
    roles.register_local_role("name", backticks)
    app.connect("autodoc-process-signature", as_written)
    app.connect("autodoc-skip-member", leave_out)
    app.connect("autodoc-process-docstring", no_type, priority=100)  # before napoleon
    app.connect("autodoc-process-docstring", mend, priority=900)  # after napoleon
    app.connect("env-updated", forget)
    app.connect("missing-reference", find)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
