"""Corpus, feature set, split and family in; a tested model, ready to be a bundle, out."""

from emotone.execution import Callback, Progress
from emotone.training.fitting import train
from emotone.training.history import History
from emotone.training.run import TrainingRun

__all__ = ["Callback", "History", "Progress", "TrainingRun", "train"]
