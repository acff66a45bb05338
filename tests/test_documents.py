"""The documents keep their word: their Python runs, their commands parse, what they link to exists."""

import re
import shlex
from argparse import ArgumentParser
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

from cli_runs import quicken

ROOT = Path(__file__).parents[1]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
SHELL_BLOCK = re.compile(r"^```(?:bash|console|sh|shell)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")


def commands(document: str) -> list[list[str]]:
    """Every command of the document's shell blocks, split as a shell would, comments dropped."""
    found = []
    for block in SHELL_BLOCK.findall((ROOT / document).read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words:
                found.append(words)
    return found


def commands_of(program: str) -> list[tuple[str, list[str]]]:
    return [(name, words[1:]) for name in DOCUMENTS for words in commands(name) if words[0] == program]


def identify(value: object) -> str | None:
    return " ".join(value) if isinstance(value, list) else None


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS)
def test_python_blocks_run(document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One document is one session: a later block sees what an earlier one defined. Its studies are cut short."""
    monkeypatch.chdir(tmp_path)
    quicken(monkeypatch)
    sybil = Sybil(parsers=[PythonCodeBlockParser(), SkipParser()], path=str(ROOT), pattern="*.md")
    examples = list(sybil.parse(ROOT / document).examples())
    for example in examples:
        example.evaluate()
    assert document != "README.md" or len(examples) >= 2


@pytest.fixture(scope="module")
def parser() -> ArgumentParser:
    from sharewise.cli import build_parser

    return build_parser()


@pytest.mark.parametrize(("document", "arguments"), commands_of("sharewise"), ids=identify)
def test_sharewise_commands_parse(parser: ArgumentParser, document: str, arguments: list[str]) -> None:
    try:
        parsed = parser.parse_args(arguments)
    except SystemExit as stop:
        pytest.fail(f"{document}: not accepted ({stop}): sharewise {shlex.join(arguments)}")
    assert parsed is not None


@pytest.mark.parametrize(("document", "arguments"), commands_of("make"), ids=identify)
def test_make_targets_exist(document: str, arguments: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = {word for word in arguments if "=" not in word}
    assert named <= targets, f"{document} names make targets that are not there"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    links = LINK.findall((ROOT / document).read_text(encoding="utf-8"))
    missing = [link for link in links if not (ROOT / link).exists()]
    assert missing == []


def test_readme_shows_commands_of_every_kind() -> None:
    assert {"make", "sharewise"} <= {words[0] for words in commands("README.md")}
