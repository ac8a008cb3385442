"""The routes that can be trained. A new one is one file and one line here.

`models.bundle` finds the class of a bundle's route here, `training.config` which tables of a preset the route reads,
and `training.fitting` how it learns. tests/models/routes/test_contract.py then covers it.
"""

from models.routes.classifier import TrainableClassifier
from models.routes.finetuned import FineTuned
from models.routes.mrnet import MRNet
from models.routes.svc import SVC

ROUTES: dict[str, type[TrainableClassifier]] = {"mrnet": MRNet, "finetuned": FineTuned, "svc": SVC}
