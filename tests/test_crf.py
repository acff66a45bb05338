"""The linear chain beside sums over every tag sequence."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch

from sharewise.errors import OptionError
from sharewise.networks import LinearChainCRF
from sharewise.tasks import Spans, Transitions

KIND = Spans(("O", "B-A", "I-A"))


def chain_of(allowed: Transitions | None, labels: int = 3) -> LinearChainCRF:
    chain = LinearChainCRF(labels, allowed).double()
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in chain.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random, dtype=torch.float64))
    return chain


def score_of(chain: LinearChainCRF, scores: torch.Tensor, tags: tuple[int, ...]) -> float:
    """The sum of equation 1, written out."""
    first, between, last = (p.detach().numpy() for p in (chain.first, chain.next, chain.last))
    total = first[tags[0]] + last[tags[-1]] + sum(float(scores[i, tag]) for i, tag in enumerate(tags))
    return float(total + sum(between[a, b] for a, b in pairwise(tags)))


def legal(tags: tuple[int, ...]) -> bool:
    names = [KIND.labels[tag] for tag in tags]
    return all(tag != "I-A" or (i > 0 and names[i - 1] != "O") for i, tag in enumerate(names))


@pytest.mark.parametrize("masked", [False, True])
def test_probabilities_and_the_best_tags_are_those_of_all_sequences(masked: bool) -> None:
    chain = chain_of(KIND.transitions() if masked else None)
    lengths = [4, 1, 3]
    scores = 2 * torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    mask = torch.tensor([[place < length for place in range(4)] for length in lengths])
    decoded = chain.decode(scores, mask)
    marginals = chain.marginals(scores, mask)
    for row, length in enumerate(lengths):
        every = [tags for tags in product(range(3), repeat=length) if not masked or legal(tags)]
        values = np.array([score_of(chain, scores[row], tags) for tags in every])
        total = np.logaddexp.reduce(values)
        best = every[int(values.argmax())]
        assert tuple(decoded[row, :length].tolist()) == best
        assert (decoded[row, length:] == -1).all()
        shares = np.exp(values - total)
        by_hand = np.zeros((4, 3))
        for tags, share in zip(every, shares, strict=True):
            by_hand[np.arange(length), tags] += share
        np.testing.assert_allclose(marginals[row].numpy(), by_hand, atol=1e-9)
        for tags in (best, every[0]):
            target = torch.full((1, 4), -100)
            target[0, :length] = torch.tensor(tags)
            loss = chain.log_loss(scores[row : row + 1], target, mask[row : row + 1])
            assert loss.item() == pytest.approx(total - score_of(chain, scores[row], tags), abs=1e-9)


def test_forbidden_tags_are_never_decoded_and_have_no_probability() -> None:
    chain = chain_of(KIND.transitions())
    scores = torch.zeros(1, 3, 3, dtype=torch.float64)
    scores[..., 2] = 50.0  # the head wants I-A throughout
    mask = torch.ones(1, 3, dtype=torch.bool)
    assert [KIND.labels[tag] for tag in chain.decode(scores, mask)[0]] == ["B-A", "I-A", "I-A"]
    assert chain.log_loss(scores, torch.tensor([[2, 2, 2]]), mask).item() > 5_000


def test_slopes_are_right_and_stop_at_what_is_masked() -> None:
    chain = chain_of(KIND.transitions())
    scores = torch.randn(2, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    scores.requires_grad_()
    mask = torch.tensor([[True, True, True], [True, True, False]])
    target = torch.tensor([[1, 2, 0], [0, 1, -100]])
    assert torch.autograd.gradcheck(lambda s: chain.log_loss(s, target, mask), (scores,))
    chain.log_loss(scores, target, mask).sum().backward()
    assert scores.grad is not None
    assert (scores.grad[1, 2] == 0).all()
    assert chain.next.grad is not None
    assert chain.next.grad[0, 2] == 0
    assert all(bool(torch.isfinite(p.grad).all()) for p in chain.parameters() if p.grad is not None)


def test_a_sentence_without_labels_costs_nothing() -> None:
    chain = chain_of(None)
    scores = torch.randn(2, 2, 3, dtype=torch.float64, requires_grad=True)
    mask = torch.ones(2, 2, dtype=torch.bool)
    loss = chain.log_loss(scores, torch.tensor([[0, 1], [-1, -1]]), mask)
    loss.sum().backward()
    assert loss[1] == 0
    assert scores.grad is not None
    assert (scores.grad[1] == 0).all()
    assert (scores.grad[0] != 0).any()


def test_half_precision_is_computed_in_single() -> None:
    chain = LinearChainCRF(3)
    scores = torch.randn(1, 40, 3, dtype=torch.bfloat16)
    loss = chain.log_loss(scores, torch.zeros(1, 40, dtype=torch.long), torch.ones(1, 40, dtype=torch.bool))
    assert loss.dtype == torch.float32
    assert bool(torch.isfinite(loss).all())


def test_what_does_not_fit_is_refused() -> None:
    chain, mask = LinearChainCRF(3), torch.ones(1, 2, dtype=torch.bool)
    scores, target = torch.zeros(1, 2, 3), torch.zeros(1, 2, dtype=torch.long)
    with pytest.raises(OptionError, match="as many labels as the chain has; got 3 for 4"):
        LinearChainCRF(4, KIND.transitions())
    with pytest.raises(OptionError, match=r"\(sentences, places, 3\)"):
        chain.decode(torch.zeros(1, 2, 4), mask)
    with pytest.raises(OptionError, match="a hole or an empty sentence"):
        chain.log_loss(scores, target, torch.tensor([[False, True]]))
    with pytest.raises(OptionError, match="labelled in part"):
        chain.log_loss(scores, torch.tensor([[0, -1]]), mask)
