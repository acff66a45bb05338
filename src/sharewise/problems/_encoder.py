"""The user's own module that turns inputs into features: checked, told from another, sent to workers.

PyTorch is imported only once a module is at hand, so by its owner already.
"""

from __future__ import annotations

import copy
import hashlib
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import OptionError

if TYPE_CHECKING:
    from torch import Tensor, nn

Form = tuple[tuple[str, tuple[int, ...]], ...]
"""Names and shapes of the tensors in a module's state, in its order."""


def check_encoder(encoder: object, inputs: NDArray[Any]) -> None:
    """Try a copy of the encoder on two of the ``inputs`` ``(N, *shape)``.

    Raises:
        OptionError: It is no module, cannot be copied, or gives no ``(B, D)`` features.
    """
    module = as_module(encoder)
    import torch

    form_of(module)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            trial = copy.deepcopy(module).eval()
        except Exception as error:
            raise OptionError(
                f"an encoder is copied for every trial; a {type(module).__name__} gave {_first_line(error)}. "
                "Keep in it only what can be copied."
            ) from error
        batch = torch.from_numpy(np.array(inputs[:2])).to(_device(module))
        shape, dtype = tuple(batch.shape), inputs.dtype
        try:
            features = trial(batch)
        except Exception as error:
            raise OptionError(
                f"an encoder must take a batch of the datasets' inputs; given {shape} in {dtype} it raised "
                f"{_first_line(error)}. Mend the encoder or the datasets' inputs."
            ) from error
    if not isinstance(features, torch.Tensor):
        raise OptionError(
            f"an encoder gives a tensor (B, D) of features; this one gave a {type(features).__name__}. "
            "Wrap it so that it returns the features alone."
        )
    if features.ndim != 2 or len(features) != shape[0] or not features.is_floating_point():
        raise OptionError(
            f"an encoder gives features (B, D) as real numbers; of a batch {shape} this one made "
            f"{tuple(features.shape)} in {features.dtype}. Pool or flatten at its end."
        )


def as_module(encoder: object) -> nn.Module:
    """The encoder as what it must be.

    Raises:
        OptionError: It is no `torch.nn.Module`.
    """
    torch: Any = sys.modules.get("torch")  # without it nothing can be a module
    if torch is not None and isinstance(encoder, torch.nn.Module):
        module: nn.Module = encoder
        return module
    if torch is not None and isinstance(encoder, type) and issubclass(encoder, torch.nn.Module):
        raise OptionError(
            f"an encoder is a module, not its class; got {encoder.__name__}. Write {encoder.__name__}(…)."
        )
    raise OptionError(
        f"an encoder is a torch.nn.Module that turns a batch of inputs into features (B, D); "
        f"got {'None' if encoder is None else f'a {type(encoder).__name__}'}. Build one, such as sw.networks.mlp."
    )


def form_of(encoder: object) -> Form:
    """Names and shapes of its parameters and stored buffers.

    Raises:
        OptionError: Some have no shape yet (lazy modules).
    """
    from torch.nn.parameter import is_lazy

    module = as_module(encoder)
    waits: Any = is_lazy  # its type says that no parameter ever is
    lazy = [name for name, value in _tensors(module) if waits(value)]
    if lazy:
        raise OptionError(
            f"an encoder's parameters must have their shapes; '{lazy[0]}' waits for a first batch. "
            "Call the encoder once on a batch before."
        )
    return tuple((name, tuple(value.shape)) for name, value in _tensors(module))


def check_form(encoder: object, form: Form) -> None:
    """Refuse an encoder that cannot hold the weights of the one a model was made with.

    Raises:
        OptionError: Names or shapes differ.
    """
    found, wanted = dict(form_of(encoder)), dict(form)
    for name in (*wanted, *found):
        if found.get(name) != wanted.get(name):
            raise OptionError(
                "an encoder must have the parameters that the model was made with; "
                f"'{name}' {_told(wanted.get(name))} then and {_told(found.get(name))} in this one. "
                "Build it as it was."
            )


def encoder_digest(encoder: object) -> str:
    """SHA-256 of a module's structure and weights: equal text for an equal module, in any process.

    The structure is the classes of its parts, their plain settings (numbers and texts), and which parameters
    learn. What the code of a class does is not looked at.
    """
    import torch

    module = as_module(encoder)
    digest = hashlib.sha256()
    for name, part in module.named_modules():
        settings = sorted(
            (key, value)
            for key, value in vars(part).items()
            if key != "training" and not key.startswith("_") and _is_plain(value)
        )
        _add(digest, name, type(part).__module__, type(part).__qualname__, part.extra_repr(), settings)
    for name, value in _tensors(module):
        _add(digest, name, value.dtype, tuple(value.shape), value.requires_grad)
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def packed_encoder(encoder: object) -> bytes:
    """A module as bytes for another process, its class with it where it was defined in a script or notebook.

    Raises:
        OptionError: It cannot be packed.
    """
    import cloudpickle

    try:
        packed: bytes = cloudpickle.dumps(encoder)
    except Exception as error:
        raise OptionError(
            f"an encoder is sent to worker processes; a {type(encoder).__name__} cannot be "
            f"({_first_line(error)}). Keep open files, locks and the like out of it, or use workers=1."
        ) from error
    return packed


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _tensors(module: nn.Module) -> list[tuple[str, Tensor]]:
    """What is stored of a module: its parameters and the buffers that count as its state."""
    import torch

    state = module.state_dict(keep_vars=True)
    return [(name, value) for name, value in state.items() if isinstance(value, torch.Tensor)]


def _device(module: nn.Module) -> Any:
    return next((value.device for _, value in _tensors(module)), None)


def _add(digest: Any, *values: object) -> None:
    text = repr(values).encode()
    digest.update(len(text).to_bytes(8, "little") + text)


def _told(shape: tuple[int, ...] | None) -> str:
    return "was missing" if shape is None else f"was {shape}"


def _first_line(error: Exception) -> str:
    text = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {text[:120]}"
