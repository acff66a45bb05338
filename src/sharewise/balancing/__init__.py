"""How several losses move one set of weights: one method, one file.

A *scalarizer* turns the tasks' losses into one number to differentiate; a *weighting* turns the Gramian of their
gradients (inner products, a row and a column a task) into the weights of the gradients' sum. Solvers are float64
and converge; updates are of a common length unless ``norm="raw"`` (see `Weighting`), so that one learning rate
compares them fairly. `BALANCERS` has them all by name; each works without arguments. `backward` applies either kind to
a network, in one call between the losses and the optimizer's step.

>>> import numpy as np
>>> J = np.array([[1.0, 1.0], [-1.0, 2.0]])  # a gradient a row
>>> MGDA(norm="raw")(J @ J.T).round(3)
array([0.8, 0.2])
>>> sorted(BALANCERS)
['aligned-mtl', 'cagrad', 'db-mtl', 'dwa', 'fairgrad', 'famo', 'geometric-mean', 'gradnorm', 'gradvac', 'imtl-g',
 'imtl-l', 'mgda', 'nash-mtl', 'pcgrad', 'rlw', 'stch', 'sum', 'uncertainty', 'upgrad', 'weighted']

A Pareto front is a training for each of `aims_of` a `preference_lattice`; `ParetoFront.of` keeps what is worth showing.

A method of your own subclasses `Scalarizer` or `Weighting` and joins the shipped tests in one line:
``sharewise.balancing.conformance.check_balancer(MyMethod)``. A package that names it under the entry points
``sharewise.balancers`` has it in `BALANCERS` and in studies wherever it is installed.
"""

from sharewise._plugins import Registry, subclass_of
from sharewise.balancing._aligned_mtl import AlignedMTL
from sharewise.balancing._backward import backward
from sharewise.balancing._balanced import Balanced
from sharewise.balancing._base import Balancer, Combined, Norm, Scalarizer, Seen, Weighting
from sharewise.balancing._cagrad import CAGrad
from sharewise.balancing._db_mtl import DBMTL
from sharewise.balancing._dwa import DWA
from sharewise.balancing._fairgrad import FairGrad
from sharewise.balancing._famo import FAMO
from sharewise.balancing._geometric_mean import GeometricMean
from sharewise.balancing._gradnorm import GradNorm
from sharewise.balancing._gradvac import GradVac
from sharewise.balancing._imtl_g import IMTLG
from sharewise.balancing._imtl_l import IMTLL
from sharewise.balancing._mgda import MGDA
from sharewise.balancing._nash_mtl import NashMTL
from sharewise.balancing._pareto import Aim, ParetoFront, aims_of, nondominated, preference_lattice
from sharewise.balancing._pcgrad import PCGrad
from sharewise.balancing._rlw import RLW
from sharewise.balancing._stch import STCH
from sharewise.balancing._sum import Sum
from sharewise.balancing._uncertainty import Uncertainty
from sharewise.balancing._upgrad import UPGrad
from sharewise.balancing._weighted import Weighted

BALANCERS: Registry[type[Balancer]] = Registry(
    "sharewise.balancers",
    "balancer",
    {
        method.name: method
        for method in (
            *(Sum, Weighted, Uncertainty, DWA, RLW, GeometricMean, IMTLL, STCH, FAMO),
            *(MGDA, PCGrad, GradVac, CAGrad, IMTLG, NashMTL, AlignedMTL, UPGrad, FairGrad, DBMTL, GradNorm),
        )
    },
    subclass_of(Balancer),
)
"""By name; with those of installed packages."""

__all__ = [
    "BALANCERS",
    "DBMTL",
    "DWA",
    "FAMO",
    "IMTLG",
    "IMTLL",
    "MGDA",
    "RLW",
    "STCH",
    "Aim",
    "AlignedMTL",
    "Balanced",
    "Balancer",
    "CAGrad",
    "Combined",
    "FairGrad",
    "GeometricMean",
    "GradNorm",
    "GradVac",
    "NashMTL",
    "Norm",
    "PCGrad",
    "ParetoFront",
    "Scalarizer",
    "Seen",
    "Sum",
    "UPGrad",
    "Uncertainty",
    "Weighted",
    "Weighting",
    "aims_of",
    "backward",
    "nondominated",
    "preference_lattice",
]
