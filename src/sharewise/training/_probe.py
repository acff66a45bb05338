"""One batch through the network before training, so that what does not fit is said in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from sharewise.errors import OptionError, SharewiseError
from sharewise.networks import MultiTaskNetwork
from sharewise.tasks import Kind
from sharewise.tasks._torch_loss import check_outputs
from sharewise.training._devices import Devices
from sharewise.training._evaluate import evaluating
from sharewise.training._feed import Feed
from sharewise.training._tree import map_tensors


def probe(network: MultiTaskNetwork, feed: Feed, kinds: Mapping[str, Kind], devices: Devices) -> None:
    """Passes a first batch through encoder and heads, without gradients, and looks at the shapes.

    Raises:
        OptionError: The encoder does not take the loader's inputs, a head does not take the encoder's
            features, or a head's outputs do not fit its kind.
        DataError: As the feed says.
    """
    batch = feed.first()
    tasks = tuple(batch.targets)
    x = map_tensors(batch.x, lambda value: value.to(devices.device))
    with evaluating(network), torch.no_grad():
        features = _tried("the encoder takes the loader's inputs", lambda: network.encode(x, tasks))
        outputs = _tried("the encoder's width fits the heads", lambda: network.decode(features, tasks))
    for task in tasks:
        if task not in outputs:
            raise OptionError(f"a network gives outputs for every task; '{task}' is missing. Give it a head.")
        check_outputs(kinds[task], outputs[task], len(batch.targets[task]), task)


def _tried(rule: str, call: Any) -> Any:
    try:
        return call()
    except SharewiseError:
        raise
    except (RuntimeError, ValueError, TypeError, KeyError, IndexError) as error:
        raise OptionError(f"{rule}; the first batch did not pass: {error}. Change one of the two.") from error
