"""Pictures as a problem's rows: where they come from, and how each becomes a block of bytes of one size.

>>> import numpy as np
>>> pictures = decode(np.zeros((4, 30, 40), np.uint8), Decoding(32, 32, channels=1))
>>> pictures.pixels.shape, pictures.sizes[0].tolist()
((4, 1, 32, 32), [40, 30])

Needs Pillow (extra ``images``), and no torch before a batch is asked for.
"""

from sharewise.problems.pictures._decoding import Decoding, Fit, Placement
from sharewise.problems.pictures._form import Form, decoding_of, form_of
from sharewise.problems.pictures._pictures import MEMORY, Pictures, decode
from sharewise.problems.pictures._pillow import decode_array, decode_file, decode_mask, place_mask, read_mask
from sharewise.problems.pictures._sources import SUFFIXES, Folder, read_arrays, read_column, read_folder
from sharewise.problems.pictures._survey import decoding_for

__all__ = [
    "MEMORY",
    "SUFFIXES",
    "Decoding",
    "Fit",
    "Folder",
    "Form",
    "Pictures",
    "Placement",
    "decode",
    "decode_array",
    "decode_file",
    "decode_mask",
    "decoding_for",
    "decoding_of",
    "form_of",
    "place_mask",
    "read_arrays",
    "read_column",
    "read_folder",
    "read_mask",
]
