"""New tasks from few labels: a learner sees many small tasks, and then adapts to a new one in milliseconds.

A task is an *episode*: labelled `support` rows to adapt on, `query` rows to be judged on. Episodes are drawn from
labelled classes (`ClassPool`: five ways, one shot) or from a long table of tasks (`TaskPool`: schools, patients), and
are tensors with masks for uneven sizes. `meta_train` learns across tasks, `evaluate` scores tasks not seen before,
`adapt` gives a small model of one task that shares everything learnt and changes none of it.

>>> import numpy as np, torch
>>> centres = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
>>> labels = np.repeat(np.arange(40), 12)
>>> inputs = centres[labels] + 0.3 * torch.randn(480, 6, generator=torch.Generator().manual_seed(1))
>>> pool = ClassPool(inputs, labels)
>>> seen, unseen = (pool.only(units) for units in split(pool, 0.25, seed=0))
>>> check_apart(seen, unseen)
>>> learner = Prototypes(torch.nn.Linear(6, 6))
>>> trained = meta_train(learner, lambda rng: seen.draw(rng, ways=5, shots=1, queries=5, episodes=4), steps=30)
>>> test = unseen.draw(np.random.default_rng(0), ways=5, shots=1, queries=10, episodes=50)
>>> result = evaluate(learner, [test])
>>> result.mean > 0.8, result.transductive
(True, False)
>>> model = learner.adapt(test.support_x[0], test.support_y[0])
>>> model.predict(test.query_x[0]).shape
torch.Size([50, 5])

`META_LEARNERS` has the learners by name. One of your own subclasses `MetaLearner` and joins the shipped tests in one
line: ``sharewise.meta.conformance.check_meta_learner``; a package names it under the entry points
``sharewise.meta_learners``.
"""

from sharewise._plugins import Registry, subclass_of
from sharewise.meta._anil import ANIL
from sharewise.meta._backbone import conv4
from sharewise.meta._base import Adapted, Kind, MetaLearner, State
from sharewise.meta._bayesian_head import BayesianHead
from sharewise.meta._conditional_process import ConditionalProcess
from sharewise.meta._contrastive import Contrastive
from sharewise.meta._episodes import Episodes, Support
from sharewise.meta._evaluate import Evaluation, evaluate
from sharewise.meta._first_order_maml import FirstOrderMAML
from sharewise.meta._floor import Constant, FromScratch
from sharewise.meta._gradient import GradientLearner
from sharewise.meta._lda import LDA
from sharewise.meta._logistic import Logistic
from sharewise.meta._maml import MAML
from sharewise.meta._masked_features import MaskedFeatures
from sharewise.meta._masked_tokens import MaskedTokens
from sharewise.meta._meta_sgd import MetaSGD
from sharewise.meta._neighbours import Neighbours
from sharewise.meta._neural_process import NeuralProcess
from sharewise.meta._objective import Objective
from sharewise.meta._pools import ClassPool, Pool, TaskPool, check_apart, split
from sharewise.meta._pretrain import OBJECTIVES, pretrain
from sharewise.meta._prototypes import Prototypes
from sharewise.meta._reptile import Reptile
from sharewise.meta._ridge import Ridge
from sharewise.meta._rotations import Rotations
from sharewise.meta._scarf import Scarf
from sharewise.meta._train import MetaTrained, meta_train
from sharewise.meta._transfer import Transfer
from sharewise.meta._transfer_train import transfer_train
from sharewise.meta._transformer_process import TransformerProcess
from sharewise.meta._views import Views

META_LEARNERS: Registry[type[MetaLearner]] = Registry(
    "sharewise.meta_learners",
    "learner",
    {
        learner.name: learner
        for learner in (
            *(Prototypes, Ridge, LDA, Logistic),
            *(MAML, FirstOrderMAML, ANIL, Reptile, MetaSGD),
            *(BayesianHead, ConditionalProcess, TransformerProcess, Transfer),
            *(Neighbours, FromScratch, Constant),
        )
    },
    subclass_of(MetaLearner),  # type: ignore[type-abstract]
)
"""By name; with those of installed packages."""

__all__ = [
    "ANIL",
    "LDA",
    "MAML",
    "META_LEARNERS",
    "OBJECTIVES",
    "Adapted",
    "BayesianHead",
    "ClassPool",
    "ConditionalProcess",
    "Constant",
    "Contrastive",
    "Episodes",
    "Evaluation",
    "FirstOrderMAML",
    "FromScratch",
    "GradientLearner",
    "Kind",
    "Logistic",
    "MaskedFeatures",
    "MaskedTokens",
    "MetaLearner",
    "MetaSGD",
    "MetaTrained",
    "Neighbours",
    "NeuralProcess",
    "Objective",
    "Pool",
    "Prototypes",
    "Reptile",
    "Ridge",
    "Rotations",
    "Scarf",
    "State",
    "Support",
    "TaskPool",
    "Transfer",
    "TransformerProcess",
    "Views",
    "check_apart",
    "conv4",
    "evaluate",
    "meta_train",
    "pretrain",
    "split",
    "transfer_train",
]
