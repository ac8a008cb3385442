"""The routes that can be trained. A new route needs one file and one line here.

`models.bundle` finds the class of a bundle's route here. `training.config` finds which tables of a preset the route
reads, and `training.fitting` how it is trained. tests/models/routes/test_contract.py tests every route.
"""

from models.routes.classifier import TrainableClassifier
from models.routes.finetuned import FineTuned
from models.routes.mrnet import MRNet
from models.routes.svc import SVC

ROUTES: dict[str, type[TrainableClassifier]] = {"mrnet": MRNet, "finetuned": FineTuned, "svc": SVC}
