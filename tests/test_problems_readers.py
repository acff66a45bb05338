"""Files: CSV in its many forms, Parquet, problem.yaml, and what is refused in one sentence."""

import gzip
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sharewise.errors import DataError, OptionError
from sharewise.problems import read_problem, read_table


def table(n: int = 30) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {"f": rng.normal(size=n).round(3), "word": np.array(["é a", "b,b", 'c"c'])[np.arange(n) % 3],
         "y": rng.normal(size=n).round(3), "z": np.arange(n) % 7}
    )  # fmt: skip


def refused(path: Path, match: str) -> None:
    with pytest.raises(DataError, match=match) as caught:
        read_table(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", [".csv", ".tsv", ".txt", ".CSV"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_separators_endings_and_marks(tmp_path: Path, separator: str, ending: str, encoding: str) -> None:
    path = tmp_path / f"a{ending}"
    table().to_csv(path, sep=separator, index=False, encoding=encoding)
    pd.testing.assert_frame_equal(read_table(str(path)), table())


def test_packed_files(tmp_path: Path) -> None:
    text = table().to_csv(index=False).encode()
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("a.csv", text)
        packed.writestr("__MACOSX/a.csv", b"junk")
    for name in ("a.csv.gz", "a.zip"):
        pd.testing.assert_frame_equal(read_table(tmp_path / name), table())
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as packed:
        packed.writestr("a.csv", text)
        packed.writestr("b.csv", text)
    refused(tmp_path / "two.zip", "'two.zip' holds 2 files")
    for name in ("bad.csv.gz", "bad.csv.zip"):
        (tmp_path / name).write_bytes(b"no such thing")
        refused(tmp_path / name, f"'{name}' is damaged")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(text)[:-20])
    refused(tmp_path / "cut.csv.gz", "'cut.csv.gz' is damaged")


def test_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    table().to_parquet(path)
    pd.testing.assert_frame_equal(read_table(path), table())
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no such thing")
    refused(tmp_path / "bad.parquet", "'bad.parquet' is no readable Parquet file")
    table(0).to_parquet(tmp_path / "none.parquet")
    refused(tmp_path / "none.parquet", "'none.parquet' has none")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refused(path, r"pip install sharewise\[parquet\]")


def test_quoted_cells_may_hold_anything(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('a,b\n1,"two\nlines, ""quoted"""\n\n   \n2,x\n')
    assert read_table(path)["b"].tolist() == ['two\nlines, "quoted"', "x"]


def test_decimal_commas(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a;b\n1,5;x\n-2,25;y\n")
    assert read_table(path)["a"].tolist() == [1.5, -2.25]
    path.write_text("a;b\n1,5;2.5\n-2,25;3.5\n")
    assert read_table(path)["b"].tolist() == [2.5, 3.5]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (b"", "'a.csv' is empty"),
        (b" \n \n", "'a.csv' is empty"),
        (b"\xef\xbb\xbf\n", "must hold rows"),
        (b"a,b\n", "'a.csv' holds one line, its header"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "'a.csv' is no text table: byte 8 is zero"),
        (bytes(range(1, 256)), "text must be UTF-8; 'a.csv' holds 0x80 at byte 127"),
        ("a,b\n1,2\n1,é\n".encode("latin-1"), r"0xe9 at byte 10 \(line 3\). Save it again as UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "'a.csv' is UTF-16"),
        (b"a,b\n1,2\n1,2,3\n", "line 3 of 'a.csv' has 3, the first 2"),
        (b"a,b\n1,2\n1\n", "line 3 of 'a.csv' has 1, the first 2"),
        (b'a,b,c\n1,2,3\n1,"2,3\n4,5,6\n', "the row on lines 3 to 4 of 'a.csv' has 2.*close every quote"),
        (b'a,b\n1,"2\n3,4\n', "every quote must be closed; 'a.csv'"),
        (b'a,b\n1,"' + b"x" * 140_000 + b"\n", "'a.csv' is no readable table near line 2.*never closed"),
        (b"a,b,a\n1,2,3\n", "'a' came twice or more in line 1 of 'a.csv'"),
        (b"a, a\n1,2\n", "'a' came twice"),
        (b"1.5,2.5\n1.0,2.0\n", "must name the columns"),
    ],
)
def test_text_that_is_no_table_is_refused(tmp_path: Path, text: bytes, match: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text)
    refused(path, match)


def test_paths_that_are_no_table_are_refused(tmp_path: Path) -> None:
    refused(tmp_path / "none.csv", "none.csv' does not exist")
    refused(tmp_path, "is a folder")
    (tmp_path / "a.xlsx").write_bytes(b"x")
    refused(tmp_path / "a.xlsx", "got 'a.xlsx'. Save it as CSV or Parquet")


def described(folder: Path, text: str) -> Path:
    (folder / "data").mkdir(exist_ok=True)
    table().to_csv(folder / "data" / "a.csv", index=False)
    path = folder / "problem.yaml"
    path.write_text(text)
    return path


def test_a_problem_written_down(tmp_path: Path) -> None:
    path = described(
        tmp_path,
        """
        data: data/a.csv
        targets: [y, z]
        kinds: {z: multiclass}
        metric: {y: mae}
        drop: word
        budget: 5min
        max-latency: 5ms
        strategies: [separate, joint]
        seed: 3
        group:
        """.replace("        ", ""),
    )
    problem, options = read_problem(path)
    assert [target.kind.name for target in problem.targets] == ["regression", "multiclass"]
    assert problem.targets[0].metric.name == "mae"
    assert problem.schema.features == ("f",)
    assert options == {"budget": "5min", "max_latency": "5ms", "strategies": ["separate", "joint"], "seed": 3}


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("data: data/a.csv\ntargets: [y, z]\nbugdet: 1", OptionError, "got 'bugdet'. Did you mean 'budget'"),
        ("data: data/a.csv", OptionError, "must say targets"),
        ("targets: [y, z]", OptionError, "must say data"),
        ("data: data/a.csv\ntargets: {y: 1}", OptionError, "targets in 'problem.yaml' must be a list"),
        ("data: data/a.csv\ntargets: [y, z]\nkinds: binary", OptionError, "kinds in 'problem.yaml' must map"),
        ("data: data/a.csv\ntargets: [y, z]\nmetric: [1]", OptionError, "metric in 'problem.yaml'"),
        (
            "data: data/a.csv\ntargets: [y, z]\ntask: [1]",
            OptionError,
            "task in 'problem.yaml' must be one name",
        ),
        ("data: data/b.csv\ntargets: [y, z]", DataError, "b.csv' does not exist"),
        ("data: data/a.csv\ntargets: [y, zz]", DataError, "no 'zz'"),
        ("data: [a\ntargets: b", DataError, "'problem.yaml' is not YAML in line 2"),
        ("just words", DataError, "must hold lines like"),
        ("", DataError, "must hold lines like"),
        ("a: \x01", DataError, "'problem.yaml' is not YAML"),
    ],
)
def test_descriptions_that_do_not_fit_are_refused(
    tmp_path: Path, text: str, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match) as caught:
        read_problem(described(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_missing_description_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is missing"):
        read_problem(tmp_path / "none.yaml")
    with pytest.raises(DataError, match="is a folder"):
        read_problem(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"data: \xe9")
    with pytest.raises(DataError, match="text must be UTF-8"):
        read_problem(tmp_path / "latin.yaml")
