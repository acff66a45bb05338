"""Text encoders: padding, seeds, values by hand, refusals, the cache, and the networks that share them."""

import copy
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import sharewise as sw
from sharewise.errors import DataError, OptionError
from sharewise.modalities.text import (
    BagOfTokens,
    Cached,
    HubTokens,
    LengthBatches,
    SmallTransformer,
    TextCNN,
    TextEncoder,
    Vocabulary,
    batches,
    features,
)

TEXTS = [
    "Free prize, call now!",
    "see you at home",
    "call me at home",
    "free call",
    "now or never: call",
    "ok",
]
ENCODERS: dict[str, Callable[[int], TextEncoder]] = {
    "bag": lambda size: BagOfTokens(size, width=8),
    "bag with pairs": lambda size: BagOfTokens(size, width=8, pairs=64),
    "cnn": lambda size: TextCNN(size, width=8, channels=6, windows=(2, 3)),
    "transformer": lambda size: SmallTransformer(size, width=16, layers=2, heads=2),
}
every_encoder = pytest.mark.parametrize("make", ENCODERS.values(), ids=list(ENCODERS))


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.fit(TEXTS)


def made(make: Callable[[int], TextEncoder], size: int, seed: int = 0) -> TextEncoder:
    torch.manual_seed(seed)
    return make(size).eval()


@every_encoder
def test_padding_never_changes_a_prediction(
    vocabulary: Vocabulary, make: Callable[[int], TextEncoder]
) -> None:
    encoder = made(make, vocabulary.size).double()
    tokens = vocabulary.encode([*TEXTS, None, "never ever seen 明日 before"])
    together = encoder(torch.from_numpy(tokens.padded(length=64)))
    assert together.shape == (len(tokens), encoder.out_features)
    for row in range(len(tokens)):
        alone = encoder(torch.from_numpy(tokens.padded(np.array([row]))))
        torch.testing.assert_close(together[row], alone[0], rtol=1e-12, atol=1e-12)
    # Where the encoder cannot look at values nothing is trimmed: the masks alone must do.
    padded = torch.from_numpy(tokens.padded(length=40))
    masked = torch.vmap(lambda row: encoder(row[None])[0])(padded)
    torch.testing.assert_close(masked, together, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(features(encoder, tokens, size=3), together, rtol=1e-12, atol=1e-12)


@every_encoder
def test_a_batch_of_padding_or_of_no_columns_is_finite(make: Callable[[int], TextEncoder]) -> None:
    encoder = made(make, 10)
    assert encoder(torch.zeros(2, 5, dtype=torch.long)).isfinite().all()
    assert encoder(torch.zeros(2, 0, dtype=torch.long)).isfinite().all()
    assert encoder(torch.zeros(0, 3, dtype=torch.long)).shape == (0, encoder.out_features)


@every_encoder
def test_an_encoder_learns_the_same_by_one_seed(
    vocabulary: Vocabulary, make: Callable[[int], TextEncoder]
) -> None:
    tokens = vocabulary.encode(TEXTS * 4)
    y = torch.tensor([1.0, 0, 0, 1, 1, 0] * 4)

    def learnt(seed: int) -> tuple[float, torch.Tensor]:
        torch.manual_seed(seed)
        encoder = make(vocabulary.size)
        network = nn.Sequential(encoder, nn.Linear(encoder.out_features, 1))
        optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
        plan = LengthBatches(tokens.lengths, 6, seed=seed)
        for _ in range(12):
            for rows, ids in batches(tokens, plan):
                loss = nn.functional.binary_cross_entropy_with_logits(network(ids)[:, 0], y[rows])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        network.eval()
        scores = network(torch.from_numpy(tokens.padded()))[:, 0].detach()
        return float(nn.functional.binary_cross_entropy_with_logits(scores, y)), scores

    loss, scores = learnt(0)
    assert loss < 0.1
    assert torch.equal(scores, learnt(0)[1])


def test_the_cnn_by_hand() -> None:
    encoder = TextCNN(4, width=1, windows=(2,), channels=1).eval()
    with torch.no_grad():
        # Padding's own embedding, 100, is never seen.
        encoder.words.weight.copy_(torch.tensor([[100.0], [1.0], [2.0], [-5.0]]))
        encoder.filters[0].weight.copy_(torch.tensor([[[1.0, 10.0]]]))  # type: ignore[operator, union-attr]
        encoder.filters[0].bias.fill_(0.5)  # type: ignore[operator, union-attr]
    # Windows over (0, 1), (1, 2), (2, 0): 10, 1 + 20, 2; and over (0, -5), (-5, 0): below zero.
    found = encoder(torch.tensor([[1, 2, 0, 0], [3, 0, 0, 0]]))
    assert found.tolist() == [[21.5], [0.0]]


def test_the_bag_is_the_mean_and_forgets_the_order_without_pairs() -> None:
    encoder = made(ENCODERS["bag"], 10)
    assert isinstance(encoder, BagOfTokens)
    weight = encoder.words.weight
    torch.testing.assert_close(encoder(torch.tensor([[3, 4, 0]]))[0], (weight[3] + weight[4]) / 2)
    pairs = made(ENCODERS["bag with pairs"], 10)
    one, other = (pairs(torch.tensor([ids])) for ids in ([3, 4, 5], [5, 4, 3]))
    assert not torch.allclose(one, other)


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (torch.zeros(3), "takes ids (B, L) as whole numbers; got (3,) in torch.float32"),
        (torch.zeros(2, 3), "got (2, 3) in torch.float32"),
        (torch.tensor([[1, 10]]), "run from 0 to 9; got 10"),
        (torch.tensor([[-1, 1]]), "run from 0 to 9; got -1"),
    ],
)
def test_what_is_no_ids_is_refused(ids: torch.Tensor, words: str) -> None:
    with pytest.raises(DataError, match=re.escape(words)):
        BagOfTokens(10)(ids)


@pytest.mark.parametrize(
    "make",
    [
        lambda: BagOfTokens(10, pairs=-1),
        lambda: BagOfTokens(0),
        lambda: TextCNN(10, windows=()),
        lambda: SmallTransformer(10, width=20, heads=4),
        lambda: Vocabulary.fit(TEXTS, size=10),
        lambda: Vocabulary.fit(TEXTS, length=0),
        lambda: LengthBatches(np.array([1]), 0),
        lambda: HubTokens("{}", 0, 1),
    ],
)
def test_wrong_options_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(OptionError, match="got"):
        make()


# The cache


def test_a_cache_computes_each_text_once_and_within_its_bound(vocabulary: Vocabulary) -> None:
    encoder = made(ENCODERS["cnn"], vocabulary.size).requires_grad_(False)
    seen: list[int] = []
    encoder.register_forward_hook(lambda module, given, out: seen.append(len(given[0])))
    cached = Cached(encoder, megabytes=1)
    ids = torch.from_numpy(vocabulary.encode(TEXTS).padded())
    expected = encoder(ids)
    seen.clear()
    cached.train()
    for part in (ids, ids.flip(0).flip(0), torch.nn.functional.pad(ids, (0, 9)), ids[[0, 0, 1]]):
        torch.testing.assert_close(cached(part), expected[[0, 0, 1]] if len(part) == 3 else expected)
    assert seen == [len(TEXTS)], "padding and order of rows are not content"
    torch.testing.assert_close(copy.deepcopy(cached)(ids), expected)
    assert seen == [len(TEXTS)], "a copy knows what the first has computed"
    with torch.no_grad():
        encoder.get_parameter("words.weight").mul_(2)
    assert not torch.allclose(cached(ids), expected), "other weights, other features"
    tight = Cached(encoder, megabytes=0.003)
    tight(ids)
    assert 0 < len(tight._store) <= 2
    with pytest.raises(OptionError, match=r"'words.weight' learns"):
        Cached(TextCNN(10))


# Among the other rooms


@every_encoder
@pytest.mark.parametrize("name", ["hard_sharing", "low_rank", "adapters", "mmoe"])
def test_architectures_share_a_text_encoder(
    vocabulary: Vocabulary, make: Callable[[int], TextEncoder], name: str
) -> None:
    encoder = made(make, vocabulary.size)
    if name == "low_rank" and isinstance(encoder, BagOfTokens):
        with pytest.raises(OptionError, match="BagOfTokens has none"):
            sw.networks.LowRank(encoder, sw.networks.heads({"a": 2}, encoder.out_features))
        return
    network = sw.networks.ARCHITECTURES[name](
        encoder, sw.networks.heads({"a": 2, "b": 1}, encoder.out_features)
    )
    found = network(torch.from_numpy(vocabulary.encode(TEXTS).padded()))
    assert {task: tuple(out.shape) for task, out in found.items()} == {"a": (6, 2), "b": (6, 1)}


def test_a_problem_takes_padded_ids_and_a_text_encoder(vocabulary: Vocabulary) -> None:
    texts = [f"{place} {text}" for place in range(4) for text in TEXTS]
    ids = torch.from_numpy(vocabulary.encode(texts).padded(length=8))
    problem = sw.Problem.from_datasets(
        {
            "spam": (TensorDataset(ids, torch.tensor([1, 0, 0, 1, 1, 0] * 4)), sw.tasks.Multiclass(2)),
            "loud": (TensorDataset(ids, torch.tensor([1, 0, 0, 0, 0, 1] * 4)), sw.tasks.Multiclass(2)),
        },
        encoder=TextCNN(vocabulary.size, width=8, channels=4),
    )
    assert len(problem) == len(texts)
