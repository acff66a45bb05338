"""How much of an exhaustive search over task groups does `GroupSearch` find, and at what share of its trainings?

    python benchmarks/groups.py --cache runs/subsets     # builds the tables of all subsets first (subsets.py)
    python benchmarks/groups.py --cache runs/subsets --tables school-ridge,sarcos-trees

Every table holds the gains of all groups of two or more of its 6 to 8 tasks, really trained. A search is
replayed on the gains that its folds show; the trainings counted are groups of two or more tasks, all tasks
together included (the tasks' own models are given to all alike). Compared at equal cost:

* ``search``: `GroupSearch`, asked for two groups at a time;
* ``random``: random groups beside all tasks together;
* ``affinity``: each task with its nearest, its two nearest, … by `affinity`, beside all tasks together.

*Seen* is the share of the full search's gain on the folds that searches see: the sum over tasks of the best
gain, a task going alone at 0. *Unseen* is the gain on rows that no search sees, of what was assigned by
shrunken gains, summed over tables, as a share of what the full search's assignment gains there. The full search
looks at ten times as many noisy gains, so it picks more luck: a share above 1 is no mistake.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table as Drawn
from sharewise.strategies import GroupSearch

from subsets import TABLES, Replicate, load, seeds

Array = NDArray[np.float64]
Group = tuple[int, ...]
Policy = Callable[[Replicate, int, int], list[Group]]

SHARES: Final = (0.05, 0.1, 0.2)
AIM, AIM_SHARE = 0.95, 0.1
TRIES: Final = 5
BATCH: Final = 2


def told(table: Replicate, group: Group) -> tuple[Array, Array]:
    """Gain and standard error ``(T,)`` as a study would tell them."""
    seen = table.seen[table.groups.index(group)]
    folds = seen.shape[0]
    spread = seen.std(axis=0, ddof=1) if folds > 1 else np.full(seen.shape[1], np.nan)
    return seen.mean(axis=0), spread * np.sqrt(1 / folds + 1 / max(folds - 1, 1))


def by_search(table: Replicate, count: int, seed: int) -> list[Group]:
    search, trained = _told_all(table, [], seed), []
    while len(trained) < count:
        asked = search.ask(min(BATCH, count - len(trained)))
        if not asked:
            break
        for group in asked:
            search.tell(group, *told(table, group))
        trained += asked
    return trained


def by_chance(table: Replicate, count: int, seed: int) -> list[Group]:
    rng = np.random.default_rng(seed)
    others = [group for group in table.groups if len(group) < table.prior.shape[0]]
    picked = rng.permutation(len(others))[: count - 1]
    return [tuple(range(table.prior.shape[0])), *(others[place] for place in picked)]


def by_affinity(table: Replicate, count: int, seed: int) -> list[Group]:
    tasks = table.prior.shape[0]
    both = (table.prior + table.prior.T) / 2
    found = dict.fromkeys([tuple(range(tasks))])
    for size in range(1, tasks - 1):
        for task in range(tasks):
            nearest = [other for other in np.argsort(-both[task], kind="stable") if other != task][:size]
            found[tuple(sorted([task, *map(int, nearest)]))] = None
    return list(found)[:count]


POLICIES: Final[dict[str, Policy]] = {"search": by_search, "random": by_chance, "affinity": by_affinity}


def _told_all(table: Replicate, groups: list[Group], seed: int) -> GroupSearch:
    search = GroupSearch(table.prior.shape[0], prior=table.prior, seed=seed)
    for group in groups:
        search.tell(group, *told(table, group))
    return search


def seen_value(table: Replicate, groups: list[Group]) -> float:
    """Sum over tasks of the best gain that the search's folds show."""
    gains = np.array([table.seen[table.groups.index(group)].mean(axis=0) for group in groups])
    return float(np.fmax(np.nanmax(gains, axis=0, initial=0.0), 0.0).sum())


def unseen_value(table: Replicate, groups: list[Group]) -> float:
    """Mean gain over tasks, on rows no search saw, of what shrunken gains assign."""
    found = []
    for task, one in enumerate(_told_all(table, groups, 0).assignment()):
        alone = len(one.group) < 2
        found.append(0.0 if alone else float(table.unseen[table.groups.index(one.group), task]))
    return float(np.nanmean(found))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--cache", type=Path, default=Path("runs/subsets"))
    given = parser.parse_args()
    console = Console(highlight=False, width=150)
    kept = {name: [load(name, seed, given.cache) for seed in seeds(name)] for name in given.tables.split(",")}
    overall: dict[tuple[str, float], list[float]] = {}
    outside: dict[str, list[float]] = {}
    drawn = Drawn(
        "table",
        "tasks",
        "groups",
        "full gain seen",
        "unseen",
        *(f"{p} {s:.0%}" for s in SHARES for p in POLICIES),
    )
    for name, tables in kept.items():
        cells: dict[tuple[str, float], list[float]] = {}
        for table in tables:
            full, full_outside = seen_value(table, table.groups), unseen_value(table, table.groups)
            each: dict[tuple[str, float], list[float]] = {}
            for share in SHARES:
                count = max(1, int(share * len(table.groups)))
                for policy, choose in POLICIES.items():
                    for seed in range(TRIES if policy != "affinity" else 1):
                        groups = choose(table, count, seed)
                        cells.setdefault((policy, share), []).append(
                            seen_value(table, groups) / max(full, 1e-12)
                        )
                        each.setdefault((policy, share), []).append(unseen_value(table, groups))
            outside.setdefault("full", []).append(full_outside)
            for (policy, share), found in each.items():
                outside.setdefault(f"{policy} {share}", []).append(float(np.mean(found)))
        drawn.add_row(
            name + (" *" if TABLES[name].drafted else ""),
            str(tables[0].prior.shape[0]),
            str(len(tables[0].groups)),
            f"{100 * np.mean([seen_value(t, t.groups) / t.prior.shape[0] for t in tables]):.1f}%",
            f"{100 * np.mean([unseen_value(t, t.groups) for t in tables]):.1f}%",
            *(f"{np.mean(cells[p, s]):.2f}" for s in SHARES for p in POLICIES),
        )
        for key, values in cells.items():
            overall.setdefault(key, []).append(float(np.mean(values)))
    console.print(drawn)
    console.print("* looked at while the search was designed\n")
    for share in SHARES:
        for policy in POLICIES:
            values = overall[policy, share]
            unseen = sum(outside[f"{policy} {share}"]) / sum(outside["full"])
            console.print(
                f"{share:4.0%} of the trainings, {policy:9}: {np.mean(values):.3f} of the full search's gain seen "
                f"(worst table {min(values):.2f}), {unseen:.2f} of its gain on unseen rows"
            )
    mean = float(np.mean(overall["search", AIM_SHARE]))
    verdict = "met" if mean >= AIM else f"FALLS SHORT by {AIM - mean:.3f}"
    console.print(
        f"aim: at least {AIM:.0%} of the gain at {AIM_SHARE:.0%} of the trainings: {mean:.3f}, {verdict}"
    )


if __name__ == "__main__":
    main()
