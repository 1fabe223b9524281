"""Families of models: what learns an emotion from features or from the sound itself.

>>> from emotone.models import build
>>> classifier = build("svm-rbf", params={"C": 10}).fit(X, y, groups=speakers)  # doctest: +SKIP
>>> classifier.scores(X_new).shape                                              # doctest: +SKIP
(12, 8)
"""

from emotone.models.building import AnyClassifier, build
from emotone.models.classical import Classifier
from emotone.models.families import FAMILIES, Family
from emotone.models.neural.classifier import NeuralClassifier

__all__ = ["FAMILIES", "AnyClassifier", "Classifier", "Family", "NeuralClassifier", "build"]
