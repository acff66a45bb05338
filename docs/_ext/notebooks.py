"""Notebooks as pages: their text as it is, their code as code blocks. Nothing is executed here; the tests do that."""

from __future__ import annotations

import json
from typing import Any

from docutils import nodes
from myst_parser.parsers.sphinx_ import MystParser
from sphinx.application import Sphinx


def as_markdown(text: str) -> str:
    """A notebook's cells, one after another."""
    parts = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"]).strip("\n")
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
    return "\n\n".join(parts) + "\n"


class NotebookParser(MystParser):
    """Jupyter's notebooks, read as Markdown."""

    supported = ("ipynb",)

    def parse(self, inputstring: str, document: nodes.document) -> None:
        """Read one notebook."""
        super().parse(as_markdown(inputstring), document)


def setup(app: Sphinx) -> dict[str, Any]:
    """What Sphinx calls."""
    app.add_source_suffix(".ipynb", "ipynb")
    app.add_source_parser(NotebookParser)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
