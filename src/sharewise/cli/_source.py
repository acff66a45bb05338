"""Where a study's rows come from: told by the command line, kept with the trials, and read again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sharewise.errors import OptionError, StorageError

BUNDLED = "\0bdf"
"""The demo's rows; no file has such a name."""
_KEY = "source"


@dataclass(frozen=True)
class Source:
    """A table or problem file, with what flags say of its columns.

    Attributes:
        data: Its path; of sentences also several, with commas.
        told: By flag.
    """

    data: str
    told: dict[str, Any]

    def problem(self) -> tuple[Any, dict[str, Any]]:
        """The problem, and what its file says of the study.

        Raises:
            OptionError, DataError: They do not fit, or there is no such file.
        """
        from sharewise.problems import Problem, read_problem, read_table
        from sharewise.problems._sentence_files import files_in, holds_sentences, problem_of_sentences

        data, told = self.data, self.told
        if data == BUNDLED:
            from sharewise import datasets

            return datasets.load(data[1:]), {}
        if Path(data).suffix.lower() in (".yaml", ".yml"):
            if told:
                raise OptionError(
                    f"a problem file says all about its columns; --{next(iter(told))} cannot be given beside {data}."
                )
            return read_problem(data)
        if "targets" not in told:
            raise OptionError("the columns to predict must be named; got none. Use --targets a,b.")
        if isinstance(told.get("kinds"), str):
            raise OptionError(f"--kinds takes target=kind pairs; got '{told['kinds']}'.")
        if holds_sentences(data):
            return problem_of_sentences(files_in(data), **told), {}
        return Problem.from_frame(read_table(data), root=Path(data).parent, **told), {}

    def keep(self, out: Path, options: dict[str, Any]) -> None:
        """Write down, beside the trials, how to read the rows again: paths and names, no data."""
        from sharewise.studies import TrialStore

        data = self.data
        if data != BUNDLED:
            parts = [data] if Path(data).exists() else data.split(",")
            data = ",".join(str(Path(part).absolute()) for part in parts)
        kept = {name: value for name, value in options.items() if name != "out"}
        store = TrialStore(out / "trials.sqlite")
        try:
            store.put(_KEY, {"data": data, "told": self.told, "options": kept})
        finally:
            store.close()


def finished_study(folder: Path) -> Any:
    """The study in a folder, its rows read again.

    Raises:
        StorageError: There is none, or it was made in Python, which alone knows its rows.
        DataError: Its table is gone.
    """
    from sharewise._arguments import families_for, protocol_of
    from sharewise._distilling import opened_again
    from sharewise.studies import TrialStore

    trials = folder / "trials.sqlite"
    if not trials.is_file():
        raise StorageError(
            f"a model is distilled in its study's folder, which holds trials.sqlite; {folder} does not. Name the --out of a "
            "'sharewise compare'."
        )
    store = TrialStore(trials)
    try:
        kept = store.get(_KEY)
    finally:
        store.close()
    if kept is None:
        raise StorageError(
            f"the rows of a study made by 'sharewise compare' can be read again; {folder} names none. Run the same "
            "'sharewise compare' once more (no trial is run again), or call study.distil() in Python."
        )
    problem, said = Source(kept["data"], kept["told"]).problem()
    options = {**said, **kept["options"]}
    workers = options.get("workers")
    protocol = protocol_of(
        options.get("question", "known"),
        options.get("budget", "5min"),
        options.get("seed", 0),
        workers if isinstance(workers, int) else None,  # a cluster of then may be gone
        options.get("strategies"),
        families_for(problem, options.get("families")),
        options.get("rope", 0.01),
        options.get("shots"),
        options.get("ways"),
    )
    return opened_again(folder, problem, protocol)
