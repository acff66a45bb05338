"""The page: whole, safe, small, readable without a network."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from sharewise.errors import StorageError
from sharewise.reports import render, write
from test_reports_data import (
    HOSTILE,
    NINETEEN,
    TWELVE,
    empty_verdict,
    hostile_insight,
    hostile_names,
    make_groups,
    make_insight,
    make_ledger,
    make_verdict,
)

VOID = {"meta", "link", "br", "img", "input", "hr"}
OUTCOMES = ("share", "separate", "route", "equivalent", "undecided")


class Page(HTMLParser):
    """Collects tags, attributes and text, and every fault in the nesting."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.faults: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        self.faults += [f"never closed: {tag}" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.faults.append(f"attribute twice: {tag} {names}")
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"closed out of order: {tag} at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def hostile() -> dict[str, Any]:
    """500 tasks with hostile names, and the same names wherever else text is printed."""
    verdict = make_verdict(hostile_names(500), NINETEEN)
    bad = HOSTILE[0] + HOSTILE[1]
    for key in ("sentence", "outcome"):
        verdict[key] = bad
    verdict["choice"] = {"strategy": bad, "family": bad, "describe": bad}
    for key in ("because", "would_change", "warnings"):
        verdict[key] = [bad] * 3
    verdict["needed"]["text"] = bad
    verdict["protocol"] |= {"split": bad, "effort": bad, "question": bad}
    verdict["profile"] = {bad: bad}
    verdict["versions"] = {bad: bad}
    verdict["strategies"][3] |= {"name": bad, "family": bad, "status": bad, "note": bad}
    verdict["strategies"][5] |= {"delta": -400.0, "delta_interval": [-600.0, float("nan")]}
    for task in verdict["per_task"].values():
        task |= {"metric": bad[:30], "decision": bad[:15]}
    return verdict | hostile_insight()


SECTIONS = {
    "race": ("race", "The race"),
    "groups": ("groups", "Which tasks learn together"),
    "harm": ("helps", "Who helps whom"),
    "learning_curve": ("curve", "Learning curve"),
    "hints": ("hints", "Hints"),
}
"""Key of the verdict: anchor of its section and its heading."""


def pages() -> Iterator[tuple[str, str]]:
    bad = [(HOSTILE[0], HOSTILE[1]), *NINETEEN]
    yield "two", render(make_verdict(["lang", "arith"], TWELVE), make_ledger(120, TWELVE))
    yield "one", render(make_verdict(["lang"], TWELVE[:1]), make_ledger(1, TWELVE))
    learnt = make_verdict(["lang", "arith", "reading"], TWELVE) | make_insight(["lang", "arith", "reading"])
    learnt["strategies"][2] |= {"status": "left", "note": "left after round 2: 8.3% behind", "rounds": 2}
    yield "learnt", render(learnt, make_ledger(50, TWELVE))
    crowd = [f"school {i}" for i in range(60)]
    yield "crowd", render(make_verdict(crowd, TWELVE) | make_insight(crowd, left=90), [])
    yield (
        "schools",
        render(make_verdict([f"school {i}" for i in range(139)], NINETEEN), make_ledger(399, NINETEEN)),
    )
    yield "hostile", render(hostile(), make_ledger(500, bad))
    yield "empty", render(empty_verdict(), [])
    yield "bare", render({}, [])


@pytest.fixture(scope="module", params=list(pages()), ids=lambda entry: entry[0])
def page(request: pytest.FixtureRequest) -> str:
    content: str = request.param[1]
    return content


def test_well_formed(page: str) -> None:
    parsed = Page(page)
    assert parsed.faults == []
    ids = [str(attributes["id"]) for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [attributes["href"] for attributes in parsed.named("a")]
    assert all(str(target)[1:] in ids for target in targets)


def test_loads_nothing_and_runs_nothing(page: str) -> None:
    parsed = Page(page)
    assert not {tag for tag, _ in parsed.tags} & {
        "script",
        "img",
        "iframe",
        "object",
        "embed",
        "form",
        "base",
    }
    for tag, attributes in parsed.tags:
        assert not [
            name for name in attributes if name.startswith("on") or name in ("src", "srcset", "style")
        ]
        link = attributes.get("href") or ""
        assert link.startswith("#") or (tag, link) == ("link", "data:,") or not link
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in page


def test_accessible(page: str) -> None:
    parsed = Page(page)
    assert parsed.named("html") == [{"lang": "en"}]
    for landmark in ("header", "nav", "main", "footer", "h1"):
        assert len(parsed.named(landmark)) == 1, landmark
    assert all(
        attributes.get("aria-label") or attributes.get("aria-hidden") for attributes in parsed.named("svg")
    )
    assert all("scope" in attributes for attributes in parsed.named("th"))
    assert len(parsed.named("caption")) == len(parsed.named("table"))


def test_svg_numbers_are_finite(page: str) -> None:
    assert not re.search(r'="(nan|inf|None)', page)
    for path in re.findall(r' d="([^"]*)"', page):
        assert re.fullmatch(r"[MHVhvlmz0-9. -]+", path)


def test_under_a_megabyte(page: str) -> None:
    assert len(page.encode("utf-8")) < 1_000_000


@pytest.mark.parametrize("kind", ['"', "<", "🎉", "任"])
def test_under_a_megabyte_with_the_costliest_names(kind: str) -> None:
    tasks = [kind * 300 + str(i) for i in range(3000)]
    ledger = [
        entry | {"configuration": kind * 300 + str(i), "message": kind * 900}
        for i, entry in enumerate(make_ledger(400, NINETEEN))
    ]
    verdict = make_verdict(tasks, NINETEEN) | make_insight(tasks[:15], left=400)
    content = render(verdict | {"groups": make_groups(tasks)}, ledger)
    assert len(content.encode("utf-8")) < 1_000_000
    assert "more in verdict.json" in content


def test_hostile_names_are_printed_not_obeyed() -> None:
    content = render(hostile(), make_ledger(500, [(HOSTILE[0], HOSTILE[1])]))
    parsed = Page(content)
    printed = "".join(parsed.text)
    for name in (
        "<img src=x onerror=alert(1)>",
        "{{ 7*7 }}{% raw %}",
        "משימה עברית",
        "👩‍👩‍👧‍👦 family 🎉",
        "</svg>",
    ):
        assert name in printed
    assert "<img" not in content
    assert "<script" not in content
    assert not re.search("[\x00\x1b\u202e\ud800-\udfff]", content)
    content.encode("utf-8")


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_has_its_badge(outcome: str) -> None:
    content = render(make_verdict(["lang", "arith"], TWELVE, outcome), [])
    badge = {
        "share": "Share",
        "separate": "Keep separate",
        "route": "Route task by task",
        "equivalent": "Equivalent",
        "undecided": "Undecided",
    }[outcome]
    assert f"<bdi>{badge}</bdi>" in content
    assert f'class="verdict {outcome}"' in content


def test_says_what_matters_in_order() -> None:
    content = render(make_verdict(["lang", "arith"], TWELVE), make_ledger(9, TWELVE))
    landmarks = [
        "Share: one joint model",
        "+3.4%",
        "+1.2% to +5.6%",
        "one joint model of trees</bdi></p>",
        "may be a leak",
        "Because",
        "9 of 10 rounds",
        "What would change this",
        "Evidence still needed",
        "Each strategy against separate models",
        "What sharing does inside one family",
        "Who gains and who is harmed",
        "Cost against quality",
        "The tasks",
        "How this was measured",
        "The ledger: 9 trials",
        "Versions",
    ]
    places = [content.index(words) for words in landmarks]
    assert places == sorted(places)


def test_what_was_learnt_has_its_place() -> None:
    tasks = ["lang", "arith", "reading"]
    content = render(make_verdict(tasks, TWELVE) | make_insight(tasks), [])
    headings = [
        "What sharing does inside one family",
        "The race</h2>",
        "Who gains and who is harmed",
        "Which tasks learn together</h2>",
        "Who helps whom</h2>",
        "Learning curve</h2>",
        "Hints</h2>",
        "Cost against quality",
    ]
    places = [content.index(words) for words in headings]
    assert places == sorted(places)


@pytest.mark.parametrize("key", SECTIONS)
@pytest.mark.parametrize("value", ["absent", None, {}, [], "words", 3.0])
def test_a_section_without_its_record_is_left_out(key: str, value: object) -> None:
    anchor, heading = SECTIONS[key]
    tasks = ["lang", "arith", "reading"]
    verdict = make_verdict(tasks, TWELVE) | make_insight(tasks)
    if value == "absent":
        del verdict[key]
    else:
        verdict[key] = value
    content = render(verdict, [])
    assert f'href="#{anchor}"' not in content
    assert f"{heading}</h2>" not in content
    for other_anchor, other in (place for name, place in SECTIONS.items() if name != key):
        assert f'href="#{other_anchor}"' in content
        assert f"{other}</h2>" in content


def test_who_left_is_greyed_with_the_note_and_out_of_the_cost_plots() -> None:
    verdict = make_verdict(["lang", "arith"], TWELVE[:4])
    note = "left after round 2: 8.3% behind the leader"
    verdict["strategies"][3] |= {"status": "left", "note": note, "rounds": 2}
    content = render(verdict, [])
    row = content[content.index('<tr class="left">') :]
    assert f"{note} (scores over 2 rounds)" in row[: row.index("</tr>")]
    assert content.count("faded") >= 2
    assert "Grey ones left the race early" in content
    costs = content[content.index('<section id="cost"') : content.index("The costs in numbers")]
    gone = verdict["strategies"][3]
    assert f"{gone['name']}, {gone['family']}" not in costs
    assert "What left the race early is not drawn" in costs
    assert "Grey ones" not in render(make_verdict(["lang", "arith"], TWELVE[:4]), [])


def test_only_clear_effects_are_coloured() -> None:
    tasks = ["lang", "arith", "reading", "science"]
    content = render(make_verdict(tasks, TWELVE) | make_insight(tasks), [])
    section = content[content.index('<section id="helps"') : content.index('<section id="curve"')]
    cells = re.findall(
        r'<td class="([^"]*)">([^<]*)</td>', section[section.index('class="heat"') :].split("</table>")[0]
    )
    assert len(cells) == 16
    clear = [(step, words) for step, words in cells if "clear" in step]
    assert [step for step, _ in clear] == ["h3 clear", "g2 clear"]
    assert {step for step, _ in cells} == {"h3 clear", "g2 clear", "z", "n"}
    assert [words for step, words in cells if step == "n"] == ["–"] * 4


def test_effects_of_many_tasks_are_a_list() -> None:
    tasks = [f"school {i}" for i in range(21)]
    content = render(make_verdict(tasks, TWELVE) | make_insight(tasks), [])
    section = content[content.index('<section id="helps"') : content.index('<section id="curve"')]
    assert 'class="heat"' not in section
    assert "<bdi>school 0</bdi></th><td><bdi>school 1</bdi>" in section


def test_many_tasks_are_summed_up_and_folded() -> None:
    content = render(make_verdict([f"school {i}" for i in range(139)], NINETEEN), [])
    assert "The 15 largest gains" in content
    assert "The 15 largest harms" in content
    assert "Of 139 tasks" in content
    assert content.index("<details>") < content.index("<caption>Every task, largest gain first")
    few = render(make_verdict([f"school {i}" for i in range(40)], NINETEEN), [])
    assert "largest harms" not in few


def test_undecided_without_a_round_says_so() -> None:
    content = render(empty_verdict(), [])
    for words in ("Not measured yet", "Nothing to deploy yet", "No gain has been measured", "0 trials"):
        assert words in content


def test_tasks_whose_names_look_alike_keep_their_own_row() -> None:
    verdict = make_verdict(["a", "a\u202e", "a (2)"], TWELVE[:2])
    printed = re.findall(r'<th scope="row"><bdi>(a[^<]*)</bdi>', render(verdict, []))
    assert {"a", "a (2)", "a (2) (2)"} <= set(printed)


def test_the_same_input_gives_the_same_page() -> None:
    verdict, ledger = make_verdict(["lang", "arith"], TWELVE), make_ledger(20, TWELVE)
    assert render(verdict, ledger) == render(verdict, ledger)


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return (
        math.sumprod((0.2126, 0.7152, 0.0722), linear)
        if hasattr(math, "sumprod")
        else sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    )


def test_text_contrast_in_both_modes() -> None:
    blocks = re.findall(r":root \{(.*?)\}", render({}, []), re.DOTALL)
    assert len(blocks) == 3
    for block in blocks[:2]:
        colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
        backgrounds = ["bg", "panel", "z", "warn", "violet", *(f"{k}{i}" for k in "gh" for i in range(1, 5))]
        pairs = [("ink", background) for background in backgrounds]
        pairs += [
            (ink, ground) for ink in ("muted", "accent", "better", "worse") for ground in ("bg", "panel")
        ]
        pairs += [("muted", "g1"), ("muted", "band")]
        for ink, ground in pairs:
            light, dark = sorted((_luminance(colours[ink]), _luminance(colours[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)


def test_write_replaces_whole_files(tmp_path: Path) -> None:
    target = tmp_path / "report 📄.html"
    target.write_text("old")
    assert write(target, make_verdict(["lang"], TWELVE), []) == target
    assert target.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [target]


def test_write_leaves_nothing_behind_when_it_fails(tmp_path: Path) -> None:
    folder = tmp_path / "report.html"
    folder.mkdir()
    with pytest.raises(StorageError, match="Name another file"):
        write(folder, {}, [])
    assert list(tmp_path.iterdir()) == [folder]
    with pytest.raises(StorageError):
        write(tmp_path / "missing" / "report.html", {}, [])
