"""A model folder: written whole or not at all, read back only if every byte is as it was written.

    model.json            format, versions, card, the state's tree, the files with their checksums
    card.md               the card for people
    arrays.safetensors    the arrays of the tree
    texts/000.txt         its long texts (LightGBM models), one file each

``model.json`` is one JSON object in a fixed layout (a line for each key) whose last key is the SHA-256 of
the others; a reader writes it again and compares, so that a changed blank is noticed too.

What is promised: a folder that was damaged in any way is refused in one sentence, or predicts what it did, bit for bit.
One that was forged, with checksums that fit, may predict anything or fail when it predicts; nothing of it is run, and it
neither ends the interpreter nor keeps it busy for ever. Checksums do not say who wrote a folder: load those of people
whom you trust to tell the truth.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import warnings
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from sharewise.errors import SharewiseWarning, StorageError
from sharewise.serving._state import Known, decode, encode

FORMAT = "sharewise-model"
VERSION = 1
MODEL, CARD, ARRAYS, TEXTS = "model.json", "card.md", "arrays.safetensors", "texts"
KEYS = ("format", "version", "versions", "card", "tree", "files", "sha256")
WATCHED = ("scikit-learn", "lightgbm")
"""Libraries whose fitted state is saved: another major.minor version is warned of."""

_TEXT_FILE = re.compile(r"texts/(\d{3,})\.txt")


def write_folder(
    folder: Path, obj: object, *, known: Known, card: Mapping[str, Any], text: str | None = None
) -> None:
    """Save ``obj`` as a model folder, in place of an older model of that name.

    Everything is written to a sibling folder, flushed to disk and renamed into place; an older model is
    moved aside for the instant between two renames, and moved back should the second fail.

    Args:
        folder: To be made, with its parents; if it exists, it holds a model and nothing else, or nothing.
        obj: Fitted state, see `sharewise.serving._state.encode`.
        known: Its dataclasses by name.
        card: What readers should know of the model: JSON-plain (str keys, lists, no tuples, finite numbers).
        text: The card for people.

    Raises:
        StorageError: The state or card cannot be saved, the folder holds other things, or the disk refuses.
    """
    tree, arrays, texts = encode(obj, known)
    parts = {ARRAYS: save(arrays)} if arrays else {}
    parts |= {f"{TEXTS}/{key}.txt": text.encode("utf-8", "surrogatepass") for key, text in texts.items()}
    if text is not None:
        parts[CARD] = text.encode("utf-8", "replace")
    files = [{"path": path, "bytes": len(data), "sha256": _digest(data)} for path, data in parts.items()]
    head = {"format": FORMAT, "version": VERSION, "versions": versions(), "card": _plain(card)}
    try:
        parts[MODEL] = _seal({**head, "tree": tree, "files": files})
    except ValueError as error:  # an integer of thousands of digits
        raise StorageError(f"a saved model holds what JSON can say; got {error}. Leave it out.") from error

    target = Path(os.path.realpath(folder))
    spare = target.parent / f".{target.name}.{uuid4().hex[:12]}"
    fresh, older = spare.with_name(spare.name + ".new"), spare.with_name(spare.name + ".old")
    try:
        _check_replaceable(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_parts(fresh, parts)
        _swap(fresh, target, older)
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(
            f"a model is saved where files can be written; '{folder}' gave: {error}. Choose another folder."
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(older, ignore_errors=True)


def read_folder(folder: Path, *, known: Known) -> tuple[Any, dict[str, Any]]:
    """The object and the card that `write_folder` saved.

    Nothing in the folder is imported or run. A model saved with another major.minor version of
    scikit-learn or LightGBM gives a `SharewiseWarning`.

    Raises:
        StorageError: The folder is no model, or damaged, or newer than this version of sharewise.
    """
    document = _read_document(folder)
    blobs = {path: _read_part(folder, path, size, digest) for path, size, digest in _listed(folder, document)}
    arrays: dict[str, NDArray[Any]] = {}
    texts: dict[str, str] = {}
    try:
        for path, data in blobs.items():
            if path == ARRAYS:
                arrays = {name: np.asarray(array) for name, array in load(data).items()}
            elif found := _TEXT_FILE.fullmatch(path):
                texts[found[1]] = data.decode("utf-8", "surrogatepass")
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
        _damaged(folder, f"a file cannot be read ({type(error).__name__}: {error})", error)
    obj = decode(document["tree"], arrays, texts, known)
    _warn_of_versions(document["versions"])
    card: dict[str, Any] = document["card"]
    return obj, card


def versions() -> dict[str, str]:
    """Installed versions of Python and of the libraries a model depends on, by name."""
    found = {"python": platform.python_version()}
    for name in ("sharewise", "numpy", *WATCHED):
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _plain(card: Mapping[str, Any]) -> dict[str, Any]:
    """The card, if JSON gives back just what it holds."""
    rule = "a model's card is made of dicts with str keys, lists, strings and finite numbers"
    way_out = "Convert what is not."
    try:
        plain: dict[str, Any] = json.loads(json.dumps(card, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise StorageError(f"{rule}; got {type(error).__name__}: {error}. {way_out}") from error
    if plain != card:
        changed = [key for key, value in card.items() if plain.get(key) != value or not isinstance(key, str)]
        raise StorageError(f"{rule}; got something else under {changed}. {way_out}")
    return plain


def _seal(body: dict[str, Any]) -> bytes:
    """The bytes of ``model.json``: the body in its fixed layout, its checksum last."""
    lines = [f"{json.dumps(key)}: {_compact(value)}" for key, value in body.items()]
    checksum = _digest("\n".join(lines).encode())
    return ("{\n" + ",\n".join([*lines, f'"sha256": "{checksum}"']) + "\n}\n").encode()


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _check_replaceable(target: Path) -> None:
    """Nothing but a model (or nothing at all) may stand where a model is to be written."""
    if not os.path.lexists(target):
        return
    names = {entry.name for entry in target.iterdir()} if target.is_dir() else {"a file"}
    if names and (MODEL not in names or names - {MODEL, CARD, ARRAYS, TEXTS}):
        other = ", ".join(sorted(names - {MODEL, CARD, ARRAYS, TEXTS})[:3]) or "no model"
        raise StorageError(
            f"a model replaces an older model or an empty folder only; '{target}' holds {other}. "
            "Choose another folder."
        )


def _write_parts(fresh: Path, parts: Mapping[str, bytes]) -> None:
    fresh.mkdir()
    folders = {fresh}
    for path, data in parts.items():
        place = fresh / path
        place.parent.mkdir(exist_ok=True)
        folders.add(place.parent)
        with place.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    for folder in folders:
        _flush(folder)


def _swap(fresh: Path, target: Path, older: Path) -> None:
    if target.is_dir():
        target.rename(older)
    try:
        fresh.rename(target)
    except OSError:
        if older.is_dir():
            older.rename(target)
        raise
    _flush(target.parent)


def _flush(folder: Path) -> None:
    """Make a folder's entries last through a power cut, where the system can (Windows cannot)."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _read_document(folder: Path) -> dict[str, Any]:
    """``model.json``, checked: its form, its version, its checksum."""
    try:
        if not (folder / MODEL).is_file():
            what = f"'{folder}' has none" if folder.is_dir() else f"'{folder}' is no folder"
            raise StorageError(
                f"a model is a folder with a {MODEL}; {what}. Name a folder written by save()."
            )
        data = (folder / MODEL).read_bytes()
        document = json.loads(data, parse_constant=_no_constant)
    except StorageError:
        raise
    except OSError as error:
        _damaged(folder, f"{MODEL} cannot be read ({error})", error)
    except (ValueError, RecursionError) as error:
        _damaged(folder, f"{MODEL} is no JSON text ({type(error).__name__}: {str(error)[:80]})", error)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        found = str(document.get("format") if isinstance(document, dict) else document)[:40]
        raise StorageError(
            f"a model's {MODEL} names the format '{FORMAT}'; '{folder}' has {found!r}. "
            "Name a folder written by save()."
        )
    version = document.get("version")
    if type(version) is int and version > VERSION:
        raise StorageError(
            f"this version of sharewise reads models up to format version {VERSION}; '{folder}' has "
            f"{version}. Upgrade sharewise."
        )
    if tuple(document) != KEYS or type(version) is not int or version != VERSION:
        _damaged(folder, f"{MODEL} has the keys {', '.join(map(str, document))} and version {version}"[:200])
    try:
        intact = data == _seal({key: document[key] for key in KEYS[:-1]})
    except (ValueError, RecursionError):
        intact = False
    if not intact:
        _damaged(folder, f"{MODEL} does not match its checksum")
    return document


def _listed(folder: Path, document: dict[str, Any]) -> list[tuple[str, int, str]]:
    """Path, bytes and checksum of each file of the model; no path leads out of the folder."""
    for key, kind in (("versions", dict), ("card", dict), ("files", list)):
        if not isinstance(document[key], kind):
            _damaged(folder, f"'{key}' is no {kind.__name__}")
    listed = []
    for entry in document["files"]:
        match entry:
            case {"path": str(path), "bytes": int(size), "sha256": str(digest)}:
                if path not in (ARRAYS, CARD) and not _TEXT_FILE.fullmatch(path):
                    _damaged(folder, f"it lists a file {path[:80]!r}, which no model has")
                listed.append((path, size, digest))
            case _:
                _damaged(folder, f"it lists a file as {str(entry)[:80]}")
    return listed


def _read_part(folder: Path, path: str, size: int, digest: str) -> bytes:
    place = folder / path
    try:
        if not place.is_file():
            _damaged(folder, f"{path} is missing")
        if (found := place.stat().st_size) != size:
            _damaged(folder, f"{path} has {found:,} bytes instead of {size:,}")
        data = place.read_bytes()
    except StorageError:
        raise
    except OSError as error:
        _damaged(folder, f"{path} cannot be read ({error})", error)
    if _digest(data) != digest:
        _damaged(folder, f"{path} does not match its checksum")
    return data


def _warn_of_versions(saved: dict[str, Any]) -> None:
    installed = versions()
    for name in WATCHED:
        old, new = str(saved.get(name, "")), installed.get(name, "")
        if old and new and old.split(".")[:2] != new.split(".")[:2]:
            warnings.warn(
                f"the model was saved with {name} {old} and is read with {new}: its predictions may differ. "
                f"Install {name} {old} or fit the model again.",
                SharewiseWarning,
                stacklevel=3,
            )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _damaged(folder: Path, what: str, cause: BaseException | None = None) -> NoReturn:
    raise StorageError(
        f"a saved model must be as it was written; in '{folder}' {what}. Save it again or restore a copy."
    ) from cause
