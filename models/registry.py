"""The routes there are. A new one is one file and one line here; tests/models/test_contract.py then covers it."""

from models.classifier import ExamClassifier
from models.ensemble import Ensemble
from models.finetuned import FineTuned
from models.mrnet import MRNet
from models.svc import SVC

ROUTES: dict[str, type[ExamClassifier]] = {"mrnet": MRNet, "finetuned": FineTuned, "svc": SVC, "ensemble": Ensemble}
