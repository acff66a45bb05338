"""What the command line accepts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from sharewise.errors import OptionError


class Parser(argparse.ArgumentParser):
    """Argparse, with its complaints raised as our own one-sentence error."""

    def error(self, message: str) -> NoReturn:
        raise OptionError(f"{message}. '{self.prog} --help' lists what is accepted.")


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``sharewise``; each command's namespace has a ``command``."""
    import sharewise

    parser = Parser(
        prog="sharewise",
        description="Should these prediction tasks share a model? Decided on your data, with evidence.",
    )
    parser.add_argument("--version", action="version", version=f"sharewise {sharewise.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)

    demo = commands.add_parser("demo", help="the main job on real bundled data, in about 90 s on two cores")
    _common(demo, out="runs/demo")
    demo.set_defaults(budget="100s")

    compare = commands.add_parser(
        "compare",
        help="train the alternatives on a table, decide, write verdict, report and model",
        description="DATA is a table (.csv, .tsv, .parquet) with --targets, or a problem.yaml that says it all.",
    )
    compare.add_argument("data", metavar="DATA")
    compare.add_argument("--targets", type=_listed, metavar="A,B", help="columns to predict")
    compare.add_argument("--task", metavar="COLUMN", help="long table: the column that names each row's task")
    compare.add_argument(
        "--group", metavar="COLUMN", help="keep rows with equal values together across splits"
    )
    compare.add_argument("--time", metavar="COLUMN", help="split by time, past before future")
    compare.add_argument(
        "--pictures", metavar="COLUMN", help="the column that names picture files, from the table's folder on"
    )
    compare.add_argument("--drop", type=_listed, metavar="A,B", help="columns to leave out")
    compare.add_argument(
        "--kinds",
        type=_pairs,
        metavar="A=multiclass",
        help="regression, binary, multiclass, ordinal or multilabel",
    )
    compare.add_argument(
        "--metric", type=_pairs, metavar="A=roc_auc", help="metrics by target, or one for all"
    )
    compare.add_argument(
        "--question",
        metavar="known",
        help="known: serve the tasks at hand (default); new: tasks not seen yet will arrive with few labels",
    )
    compare.add_argument(
        "--shots", type=_numbers, metavar="1,5,20", help="new tasks: the numbers of labels asked about"
    )
    compare.add_argument(
        "--ways", type=int, metavar="5", help="new tasks as draws of further classes: classes of a draw"
    )
    compare.add_argument(
        "--strategies",
        type=_listed,
        metavar="A,B",
        help="separate, joint, chained, grouped, ensemble; on request transfer, pretrained, and those that 'sharewise "
        "plugins' lists; for new tasks constant, neighbours, separate, joint, meta-learned, transfer, pretrained",
    )
    compare.add_argument("--families", type=_listed, metavar="A,B", help="linear, trees, network")
    compare.add_argument("--rope", type=float, metavar="0.01", help="relative difference too small to matter")
    compare.add_argument(
        "--max-latency",
        metavar="5ms",
        help="what is deployed predicts one row, all tasks, in at most so long",
    )
    compare.add_argument("--max-size", metavar="10MB", help="what is deployed has at most so many bytes")
    compare.add_argument(
        "--independent-updates",
        action="store_true",
        default=None,
        help="what is deployed lets each task be trained again without touching another",
    )
    compare.add_argument(
        "--log", type=_listed, metavar="mlflow", help="follow trials and verdict in mlflow or tensorboard"
    )
    _common(compare, out=None)

    predict = commands.add_parser("predict", help="predict a table with a study's model")
    predict.add_argument("model", metavar="DIR", help="a study's folder, or its model folder")
    predict.add_argument("data", metavar="TABLE")
    predict.add_argument("--out", metavar="FILE", help="a .csv file; standard output without it")
    predict.add_argument("--proba", action="store_true", help="class probabilities instead of classes")

    adapt = commands.add_parser("adapt", help="serve a new task from a few labelled rows, without retraining")
    adapt.add_argument("model", metavar="DIR", help="a study's folder, or its model folder")
    adapt.add_argument("data", metavar="TABLE", help="labelled rows of the new task")
    adapt.add_argument("--task", metavar="NAME", required=True, help="what the new task is called")
    adapt.add_argument(
        "--out", metavar="DIR", required=True, help="folder of the small model; 'sharewise predict' takes it"
    )

    from sharewise.cli._distil import add as add_distil
    from sharewise.cli._export import add as add_export
    from sharewise.cli._plugins import add as add_plugins
    from sharewise.cli._serve import add as add_serve

    add_distil(commands)
    add_export(commands)
    add_serve(commands)
    add_plugins(commands)

    report = commands.add_parser("report", help="write a study's page again, and show its verdict")
    report.add_argument("study", metavar="DIR")
    return parser


def _common(command: argparse.ArgumentParser, *, out: str | None) -> None:
    command.add_argument("--budget", metavar="5min", help="wall clock for everything (90s, 5min, 2h)")
    command.add_argument("--seed", type=int, metavar="0", help="source of all randomness")
    command.add_argument(
        "--workers",
        type=_workers,
        metavar="2",
        help="processes (default: one a processor), or a Dask scheduler, as in tcp://10.0.0.5:8786",
    )
    command.add_argument(
        "--out", default=out, metavar="DIR", help="folder for everything; the same call resumes"
    )
    command.add_argument("--quiet", action="store_true", help="no progress")


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _numbers(text: str) -> list[int]:
    """``1,5,20`` as numbers."""
    try:
        return [int(part) for part in _listed(text)]
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not of the form 1,5,20") from None


def _workers(text: str) -> int | str:
    """A number, or what may be a scheduler's address."""
    try:
        return int(text)
    except ValueError:
        return text


def _pairs(text: str) -> dict[str, str] | str:
    """``a=x,b=y`` as a mapping; a single word stays one, for all targets."""
    parts = _listed(text)
    if not parts:
        raise argparse.ArgumentTypeError("it names nothing; give target=value")
    if len(parts) == 1 and "=" not in parts[0]:
        return parts[0]
    found: dict[str, str] = {}
    for part in parts:
        # A target's name may hold an equals sign; the value never does.
        name, sign, value = part.rpartition("=")
        if not sign or not name or not value:
            raise argparse.ArgumentTypeError(f"'{part}' is not of the form target=value")
        if name.strip() in found:
            raise argparse.ArgumentTypeError(f"'{name.strip()}' came twice; name it once")
        found[name.strip()] = value.strip()
    return found


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Arguments as a namespace.

    Raises:
        OptionError: They do not fit.
    """
    return build_parser().parse_args(arguments)
