"""The page of a verdict on new tasks: score and gain against labels, with everything that stands behind them.

>>> from sharewise.reports.new_tasks import render_new
>>> page = render_new({"outcome": "undecided", "sentence": "Not enough evidence yet."}, [])
>>> page.startswith("<!doctype html>"), "Not enough evidence yet." in page
(True, True)
"""

from sharewise.reports.new_tasks._render import render_new

__all__ = ["render_new"]
