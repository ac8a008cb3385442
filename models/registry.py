"""The routes there are. A new one is one file and one line here; tests/models/test_contract.py then covers it."""

from models.classifier import ExamClassifier
from models.finetuned import FineTuned
from models.mrnet import MRNet

ROUTES: dict[str, type[ExamClassifier]] = {"mrnet": MRNet, "finetuned": FineTuned}
