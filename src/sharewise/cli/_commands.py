"""What each command does: read, call the library, show."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from sharewise.cli._source import BUNDLED, Source
from sharewise.errors import OptionError, StorageError

_VERDICT = {
    "outcome": str, "sentence": str, "choice": dict, "per_task": dict, "strategies": list, "because": list,
    "would_change": list, "protocol": dict, "profile": dict, "warnings": list, "versions": dict,
}  # fmt: skip
"""What ``verdict.json`` must hold to be shown."""

_CSV_ENDINGS = (".csv", ".csv.gz", ".txt", "")
_PROBLEM = ("targets", "task", "group", "time", "drop", "kinds", "metric", "pictures")
_COMPARE = (
    "question", "shots", "ways", "budget", "seed", "workers", "strategies", "families", "rope", "max_latency",
    "max_size", "independent_updates", "log", "out",
)  # fmt: skip


def run(given: argparse.Namespace) -> None:
    """Run the command a namespace names; its budget counts from ``given.started`` (`time.monotonic`)."""
    match given.command:
        case "demo":
            _demo(given)
        case "compare":
            _compare(given)
        case "predict":
            _predict(given)
        case "adapt":
            from sharewise.cli._adapt import adapt

            adapt(given)
        case "distil":
            from sharewise.cli._distil import distil

            distil(given)
        case "export":
            from sharewise.cli._export import export

            export(given)
        case "serve":
            from sharewise.cli._serve import serve

            serve(given)
        case "plugins":
            from sharewise.cli._plugins import plugins

            plugins(given)
        case "report":
            _report(given)


def _demo(given: argparse.Namespace) -> None:
    if not given.quiet:
        sys.stderr.write(
            "2,287 pupils of 131 Dutch schools: language and arithmetic scores from what was known before "
            "(Snijders & Bosker 1999). Should both share a model?\n"
        )
    _study(Source(BUNDLED, {}), _options(given), given)


def _compare(given: argparse.Namespace) -> None:
    told = {name: getattr(given, name) for name in _PROBLEM if getattr(given, name) is not None}
    _study(Source(given.data, told), _options(given), given)


def _options(given: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(given, name) for name in _COMPARE if getattr(given, name, None) is not None}


def _study(source: Source, options: dict[str, Any], given: argparse.Namespace) -> None:
    import sharewise as sw
    from sharewise.cli._show import told

    problem, said = source.problem()
    given.quiet = said.pop("quiet", False) or given.quiet
    options = said | options
    options.setdefault("out", str(Path("runs") / Path(source.data).stem))
    study = sw.compare(problem, quiet=given.quiet, since=given.started, **options)
    assert study.out is not None
    source.keep(study.out, options)
    sys.stdout.write(told(study.verdict.details, study.out))


def _predict(given: argparse.Namespace) -> None:
    import sharewise as sw
    from sharewise.cli._sentences import by_word
    from sharewise.problems import Sentences, read_table, rooted
    from sharewise.problems._sentence_files import files_in, holds_sentences, open_sentences

    if given.out is not None:
        _check_place(Path(given.out), Path(given.data))
    model = sw.load(given.model)
    frame: Any
    frame = open_sentences(files_in(given.data)) if holds_sentences(given.data) else read_table(given.data)
    frame = rooted(frame, model.schema, Path(given.data).parent)
    found = model.predict_proba(frame) if given.proba else model.predict(frame)
    found = by_word(frame, found) if isinstance(frame, Sentences) else found
    if given.out is None:
        found.to_csv(sys.stdout, index=False)
        return
    _write_predictions(found, Path(given.out))
    sys.stderr.write(f"{len(frame):,} rows predicted: {given.out}\n")


def _check_place(out: Path, data: Path) -> None:
    """Refuse, before anything is computed, a name that is not CSV or is the table itself."""
    if "".join(out.suffixes[-2:]).lower() not in _CSV_ENDINGS and out.suffix.lower() not in _CSV_ENDINGS:
        raise OptionError(f"predictions are written as CSV; got --out {out}. Name a .csv file.")
    if out.is_dir():
        raise OptionError(f"predictions are written to a file; {out} is a folder. Name a file in it.")
    if out.exists() and data.exists() and out.samefile(data):
        raise OptionError(
            f"predictions do not replace the table they are made from; {out} is both. Name another --out."
        )


def _write_predictions(found: Any, out: Path) -> None:
    """Whole or not at all; what is no plain file (``/dev/stdout``) is written straight."""
    plain = out.is_file() or not out.exists()
    fresh = out.with_name(f".{os.getpid()}.{out.name[-100:]}") if plain else out
    try:
        found.to_csv(fresh, index=False)
        if plain:
            os.replace(fresh, out)
    except OSError as error:
        if plain:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
        raise StorageError(
            f"predictions are written to {out}, which failed ({error.strerror or error}); choose another --out."
        ) from error


def _report(given: argparse.Namespace) -> None:
    from sharewise.cli._show import told

    folder = Path(given.study)
    path = folder / "verdict.json"
    try:
        details = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StorageError(
            f"a study's folder holds verdict.json; {folder} does not. Run 'sharewise compare' with --out {folder}."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise StorageError(
            f"{path} cannot be read ({error}); run the same 'sharewise compare' again."
        ) from error
    try:
        wrong = [key for key, kind in _VERDICT.items() if not isinstance(details[key], kind)]
        if wrong:
            raise TypeError(wrong[0])
        text = told(details, folder)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise StorageError(
            f"{path} is not a verdict of this version ({error}); run the same 'sharewise compare' again."
        ) from error
    trials = folder / "trials.sqlite"
    ledger = []
    if trials.exists():
        from sharewise.studies import TrialStore, ledger_line

        store = TrialStore(trials)
        ledger = [ledger_line(result) for result in store.results(predictions=False)]
        store.close()
    from sharewise import reports

    reports.write(folder / "report.html", details, ledger)
    sys.stdout.write(text)
