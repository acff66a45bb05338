"""The manual's site: it builds without a warning, what it links to is there, and it asks no other machine for anything."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("sphinx", reason="the site is built with the extra docs")

DOCS = Path(__file__).parents[1] / "docs"
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "srcset", "link": "href"}
"""Elements that make a browser ask for something, and the attribute that says what."""
HINTS = {"canonical", "next", "prev", "search", "index", "author", "copyright"}
"""Links of a page's head that are for following, not for loading."""
FROM_ELSEWHERE = re.compile(r"""(?:url\(|@import)\s*["']?(?:https?:)?//""")


@dataclass
class Page(HTMLParser):
    """What a page names."""

    path: Path
    follows: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    alone: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.anchors |= {named[name] for name in ("id", "name") if name in named}
        if tag == "a" and named.get("href"):
            self.follows.append(named["href"])
        elif tag in LOADS and named.get(LOADS[tag]):
            followed = tag == "link" and named.get("rel") in HINTS
            (self.follows if followed else self.loads).append(named[LOADS[tag]])
        if tag == "img" and not named.get("alt"):
            self.alone.append(named.get("src", ""))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is written into the tree."""
    folder = tmp_path_factory.mktemp("docs")
    source = folder / "source"
    shutil.copytree(DOCS, source, ignore=shutil.ignore_patterns("_build", "figures", "__pycache__"))
    order = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-n", "-b", "html"]
    ended = subprocess.run(
        [*order, source, folder / "html"], capture_output=True, encoding="utf-8", check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.strip() == ""
    return folder / "html"


@pytest.mark.slow
def test_site_holds_together(site: Path) -> None:
    """Links and pictures lead somewhere, anchors included; pictures have words; nothing comes from elsewhere."""
    pages = {path: Page(path) for path in site.rglob("*.html")}
    assert len(pages) > 20
    broken, outside, silent = [], [], []
    for path, page in pages.items():
        silent += [(path.name, source) for source in page.alone]
        outside += [(path.name, name) for name in page.loads if urlsplit(name).scheme in ("http", "https")]
        outside += [(path.name, name) for name in page.loads if name.startswith("//")]
        for name in [*page.follows, *page.loads]:
            parts = urlsplit(name)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            known = target in pages and (not anchor or anchor in pages[target].anchors)
            if not (known or (target not in pages and target.is_file())):
                broken.append((path.name, name))
    assert broken == []
    assert outside == []
    assert silent == []
    for path in [*site.rglob("*.css"), *site.rglob("*.svg"), *pages]:
        assert FROM_ELSEWHERE.search(path.read_text(encoding="utf-8")) is None, path.name


@pytest.mark.slow
def test_figures_are_the_librarys_own(site: Path) -> None:
    """Each is there, with its sentence on the page that shows it and the same verdict on the page of its study."""
    index = (site / "index.html").read_text(encoding="utf-8")
    said = re.search(r"own sentence: “(.*?)”", index)
    assert said is not None
    assert said[1] in (site / "_static" / "figures" / "schools.html").read_text(encoding="utf-8").replace(
        "&#39;", "&#x27;"
    )
    for name in ("schools", "labels", "stream", "front"):
        drawn = (site / "_static" / "figures" / f"{name}-wide.svg").read_text(encoding="utf-8")
        assert drawn.startswith("<svg")
        assert "xmlns=" in drawn
        assert "<script" not in drawn


@pytest.mark.slow
def test_every_public_name_has_its_place(site: Path) -> None:
    """What ``sharewise.__all__`` and the rooms' ``__all__`` offer researchers is in the API pages."""
    import sharewise as sw

    text = "".join(path.read_text(encoding="utf-8") for path in (site / "api").glob("*.html"))
    homes = {"networks": sw.networks, "balancing": sw.balancing, "training": sw.training, "meta": sw.meta}
    for room, module in homes.items():
        for name in module.__all__:
            if isinstance(getattr(module, name), type):
                assert f'id="sharewise.{room}.{name}"' in text, f"sw.{room}.{name}"
    for name in ("compare", "Problem", "Study", "Verdict", "load", "replay"):
        assert f'id="sharewise.{name}"' in text
