"""One verdict and its ledger as one self-contained HTML page.

The page needs no network, no font and no script; its plots are inline SVG. Functions in this room
decide (scales, ticks, labels, colour steps, words), the templates only place what was decided.

>>> from sharewise.reports import render
>>> page = render({"outcome": "undecided", "sentence": "Not enough evidence yet."}, [])
>>> page.startswith("<!doctype html>"), "Not enough evidence yet." in page
(True, True)
"""

from sharewise.reports._examples_of import examples_of
from sharewise.reports._front import front_plot
from sharewise.reports._render import render
from sharewise.reports._stream_plot import stream_plot
from sharewise.reports._write import write

__all__ = ["examples_of", "front_plot", "render", "stream_plot", "write"]
