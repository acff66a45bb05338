"""Sets that scikit-learn carries, each with several targets that belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def breast_cancer() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Diagnosis and the area of the worst cells; the other two sizes of the worst cells are left out.

    Source: W. H. Wolberg, W. N. Street and O. L. Mangasarian, Breast Cancer Wisconsin (Diagnostic),
    UCI, 1995: 569 tumours.
    """
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer(as_frame=True)
    frame = bunch.data.assign(diagnosis=bunch.target_names[bunch.target].astype(object))
    drop = ["worst radius", "worst perimeter"]  # the area again, by geometry
    return frame, {"targets": ["diagnosis", "worst area"], "drop": drop}


def digits() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Which digit an 8 by 8 image shows, and whether it is odd or even.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (its test
    part): 1,797 images.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits(as_frame=True)
    parity = bunch.target.map(lambda digit: "odd" if digit % 2 else "even")
    frame = bunch.data.assign(digit=bunch.target, parity=parity)
    return frame, {"targets": ["digit", "parity"], "kinds": {"digit": "multiclass"}}


def iris() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Species and both sizes of the petal, from the sepal alone.

    Source: R. A. Fisher, 1936, measured by E. Anderson: 150 flowers.
    """
    from sklearn.datasets import load_iris

    bunch = load_iris(as_frame=True)
    frame = bunch.data.assign(species=bunch.target_names[bunch.target].astype(object))
    return frame, {"targets": ["petal length (cm)", "petal width (cm)", "species"]}


def linnerud() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Weight, waist and pulse of 20 men from three exercises: as small as a problem may be.

    Source: A. C. Linnerud, in M. Tenenhaus, *La régression PLS* (Technip, 1998).
    """
    from sklearn.datasets import load_linnerud

    bunch = load_linnerud(as_frame=True)
    return bunch.frame, {"targets": ["Weight", "Waist", "Pulse"]}


def wine() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Cultivar, alcohol and colour of 178 wines from eleven other measurements.

    Source: M. Forina et al., PARVUS, 1988; UCI, 1991.
    """
    from sklearn.datasets import load_wine

    bunch = load_wine(as_frame=True)
    frame = bunch.data.assign(cultivar=bunch.target_names[bunch.target].astype(object))
    return frame, {"targets": ["cultivar", "alcohol", "color_intensity"]}
