"""How the manual is built: MyST pages, the API from docstrings, figures from runs of the library itself.

    python -m sphinx -W --keep-going -n -b html docs docs/_build/html

Nothing is fetched while it is built, and the pages ask no other machine for anything. The extra ``docs`` brings what
it needs.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import sharewise

project = "sharewise"
author = "The sharewise authors"
copyright = author  # Sphinx's own name for it
version = release = sharewise.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "figures",
    "mathml",
    "notebooks",
    "public_names",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "_ext"]
root_doc = "index"
language = "en"

nitpicky = True
suppress_warnings = ["ref.python"]  # two rooms may use one word; public_names chooses
default_role = "name"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # public_names shows them as written
napoleon_attr_annotations = False
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"sharewise {release}"
html_static_path = ["_static"]
html_css_files = ["manual.css"]
html_math_renderer = "mathml"
html_show_sphinx = False
html_show_sourcelink = False
html_copy_source = False
