"""``problem.yaml``: a problem and the options of its comparison, written down."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from sharewise.errors import DataError, OptionError
from sharewise.problems._names import nearest
from sharewise.problems._problem import Problem
from sharewise.problems._readers import read_table
from sharewise.problems._sentence_files import holds_sentences, problem_of_sentences

PROBLEM_KEYS = ("data", "targets", "task", "group", "time", "drop", "kinds", "metric", "pictures", "size")
OPTION_KEYS = (
    "question", "shots", "ways", "budget", "seed", "workers", "strategies", "families", "rope",
    "max_latency", "max_size", "independent_updates", "log", "out", "quiet",
)  # fmt: skip
"""Keys handed on as they are to `sharewise.compare`."""


def read_problem(path: str | PathLike[str]) -> tuple[Problem, dict[str, Any]]:
    """The problem that a YAML file describes, and its options for ``compare``.

    ``data`` is a path relative to the file, or a list of them for files of the same sentences; the other keys are the
    arguments of `Problem.from_frame` and of ``compare``, with ``-`` or ``_`` between words.

    Raises:
        DataError: The file or its table cannot be read or breaks a rule.
        OptionError: A key is unknown, missing, or holds the wrong kind of value.
    """
    path = Path(path)
    given = _mapping(path)
    unknown = [key for key in given if key not in PROBLEM_KEYS + OPTION_KEYS]
    if unknown:
        raise OptionError(
            f"a key of '{path.name}' is one of {', '.join(PROBLEM_KEYS + OPTION_KEYS)}; got '{unknown[0]}'."
            f"{nearest(unknown[0], PROBLEM_KEYS + OPTION_KEYS)}"
        )
    for key in ("data", "targets"):
        if given.get(key) in (None, "", []):
            raise OptionError(f"'{path.name}' must say {key}; it does not. Add a line '{key}: …'.")
    _check_shapes(path, given)
    options = {key: given[key] for key in OPTION_KEYS if given.get(key) is not None}
    files = given["data"] if isinstance(given["data"], list) else [given["data"]]
    if all(holds_sentences(str(file)) for file in files):
        told = {key: given[key] for key in PROBLEM_KEYS[1:] if given.get(key) is not None}
        return problem_of_sentences([path.parent / str(file) for file in files], **told), options
    if isinstance(given["data"], list):
        raise OptionError(
            f"data in '{path.name}' must be one table, or files of sentences; got {len(files)} files."
        )
    table = path.parent / str(given["data"])
    frame = read_table(table)
    arguments = {key: given[key] for key in PROBLEM_KEYS if key != "data" and given.get(key) is not None}
    if isinstance(arguments.get("size"), list):
        arguments["size"] = tuple(arguments["size"])
    return Problem.from_frame(frame, root=table.parent, **arguments), options


def _mapping(path: Path) -> dict[str, Any]:
    import yaml

    if not path.is_file():
        kind = "a folder" if path.is_dir() else "missing"
        raise DataError(f"a problem must be described in a file; '{path}' is {kind}. Check the path.")
    try:
        text = path.read_text(encoding="utf-8-sig")
        _refuse_doubled_keys(path, yaml.compose(text, Loader=yaml.SafeLoader))
        given = yaml.safe_load(text)
    except UnicodeDecodeError as error:
        raise DataError(f"text must be UTF-8; '{path.name}' is not, at byte {error.start}.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise DataError(f"'{path.name}' is not YAML{where}: {what}. Mend that line.") from error
    except (
        ValueError,
        RecursionError,
    ) as error:  # a date such as 2024-13-45, a number of 5,000 digits, deep nesting
        raise DataError(
            f"'{path.name}' holds a value that cannot be read ({error}). Quote or mend it."
        ) from error
    except OSError as error:
        raise DataError(f"'{path.name}' cannot be read: {error.strerror}.") from error
    if not isinstance(given, dict):
        raise DataError(f"'{path.name}' must hold lines like 'targets: [a, b]'; it holds none.")
    return {str(key).replace("-", "_"): value for key, value in given.items()}


def _refuse_doubled_keys(path: Path, node: Any) -> None:
    """YAML itself would keep the last of two equal keys in silence."""
    import yaml

    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    named = [key.value for key, _ in pairs if isinstance(key.value, str)]
    doubles = [key for key in dict.fromkeys(named) if named.count(key) > 1]
    if doubles:
        raise DataError(f"'{path.name}' must say each key once; '{doubles[0]}' came twice. Remove one.")


def _check_shapes(path: Path, given: dict[str, Any]) -> None:
    quiet = given.get("quiet")
    if quiet is not None and not isinstance(quiet, bool):
        raise OptionError(f"quiet in '{path.name}' must be true or false; got {quiet!r}.")
    out = given.get("out")
    if out is not None and not isinstance(out, str):
        raise OptionError(f"out in '{path.name}' must name a folder; got {out!r}. Put it in quotes.")
    for key in ("task", "group", "time", "data", "pictures"):
        if isinstance(given.get(key), dict if key == "data" else (list, dict)):
            raise OptionError(f"{key} in '{path.name}' must be one name; got {given[key]!r}.")
    for key in ("targets", "drop"):
        if isinstance(given.get(key), dict):
            raise OptionError(f"{key} in '{path.name}' must be a list of names; got {given[key]!r}.")
    kinds = given.get("kinds")
    if kinds is not None and not isinstance(kinds, dict):
        raise OptionError(f"kinds in '{path.name}' must map targets to kinds; got {kinds!r}.")
    metric = given.get("metric")
    if metric is not None and not isinstance(metric, (dict, str)):
        raise OptionError(f"metric in '{path.name}' must be a name or map targets to names; got {metric!r}.")
