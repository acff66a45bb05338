"""Names of contenders, as users write them: ``frozen``, ``window/trees``, ``meta-learned``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sharewise.errors import OptionError
from sharewise.families import FAMILIES
from sharewise.problems import nearest
from sharewise.strategies.new_tasks import NEW_TASK_STRATEGIES
from sharewise.studies.stream._adapting import Adapting
from sharewise.studies.stream._contender import Contender
from sharewise.studies.stream._fitted import Fitted

DEFAULT = ("frozen", "refit", "window", "separate", "meta-learned")
Make = Callable[[str, bool | None, int, int], Fitted]
FITTED: dict[str, Make] = {
    "frozen": lambda family, share, every, window: Fitted("frozen", family, share),
    "refit": lambda family, share, every, window: Fitted("refit", family, share, every),
    "window": lambda family, share, every, window: Fitted(f"window {window}", family, share, every, window),
}


def contenders_of(
    given: Sequence[str | Contender],
    *,
    family: str,
    share: bool | None,
    every: int,
    window: int,
    shots: Sequence[int],
    blocks: int | None,
    seconds: float,
) -> tuple[Contender, ...]:
    """The contenders that names stand for; a strategy for new tasks is one for each number of labels.

    Raises:
        OptionError: A name is unknown (with the nearest known), or two contenders have the same.
    """
    if isinstance(given, str | Contender):
        given = (given,)
    found: list[Contender] = []
    for entry in given:
        if isinstance(entry, Contender):
            found.append(entry)
            continue
        name, _, own = str(entry).partition("/")
        if name in FITTED:
            if (own or family) not in FAMILIES:
                raise _unknown_family(own or family, tuple(FAMILIES))
            one = FITTED[name](own or family, share, every, window)
            found.append(one if not own else _renamed(one, own))
        elif name in NEW_TASK_STRATEGIES:
            if own and own not in (known := (*FAMILIES, "none")):
                raise _unknown_family(own, known)
            found += [
                Adapting(
                    NEW_TASK_STRATEGIES[name], k, own or None, blocks=blocks, seconds=seconds,
                    label=f"{entry} k={k}",
                )
                for k in shots
            ]  # fmt: skip
        else:
            names = (*FITTED, *NEW_TASK_STRATEGIES)
            raise OptionError(f"contenders are {', '.join(names)}; got '{entry}'.{nearest(name, names)}")
    labels = [one.name for one in found]
    if twice := [label for label in labels if labels.count(label) > 1]:
        raise OptionError(f"contenders have different names; got '{twice[0]}' twice. Give one another label.")
    if not found:
        raise OptionError(
            f"a replay needs at least one contender; got none. Name some, as {', '.join(DEFAULT)}."
        )
    return tuple(found)


def _unknown_family(name: str, known: Sequence[str]) -> OptionError:
    return OptionError(f"families are {', '.join(known)}; got '{name}'.{nearest(name, known)}")


def _renamed(one: Fitted, family: str) -> Fitted:
    return Fitted(f"{one.label} {family}", one.family, one.share, one.every, one.window)
