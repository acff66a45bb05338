"""Pictures: files to tensors, once; changed at random for training; maps of features for tasks to share.

`decode` reads a column of paths or arrays to blocks of bytes of one size, which stay in memory up to a bound and in a
file beyond it. Backbones give maps of features, fine to coarse, and a pyramid lets each of them see the coarser ones.

>>> import numpy as np, torch
>>> pictures = decode(np.zeros((4, 30, 40), np.uint8), Decoding(32, 32, channels=1))
>>> batch = Augmentation(shift=2)(pictures.batch([0, 3]), torch.Generator().manual_seed(0))
>>> network = FeaturePyramid(ResNet(1, (8, 16, 32)), 16)
>>> [tuple(level.shape) for level in network(batch)]
[(2, 16, 16, 16), (2, 16, 8, 8), (2, 16, 4, 4)]

Needs torch, and Pillow where pictures are decoded (extra ``images``).
"""

from sharewise.modalities.images._augment import Augmentation, recoloured
from sharewise.modalities.images._backbone import Backbone, Pooled, Standardise
from sharewise.modalities.images._by_name import BACKBONES, Maps, backbone
from sharewise.modalities.images._efficientnet_lite import EfficientNetLite0
from sharewise.modalities.images._pyramid import FeaturePyramid
from sharewise.modalities.images._resnet import ResNet
from sharewise.problems.pictures import (
    MEMORY,
    Decoding,
    Folder,
    Pictures,
    Placement,
    decode,
    decode_array,
    decode_file,
    decode_mask,
    read_arrays,
    read_column,
    read_folder,
)

__all__ = [
    "BACKBONES",
    "MEMORY",
    "Augmentation",
    "Backbone",
    "Decoding",
    "EfficientNetLite0",
    "FeaturePyramid",
    "Folder",
    "Maps",
    "Pictures",
    "Placement",
    "Pooled",
    "ResNet",
    "Standardise",
    "backbone",
    "decode",
    "decode_array",
    "decode_file",
    "decode_mask",
    "read_arrays",
    "read_column",
    "read_folder",
    "recoloured",
]
