"""Families of models: what learns an emotion from features.

>>> from emotone.models import build
>>> classifier = build("svm-rbf", params={"C": 10}).fit(X, y, groups=speakers)  # doctest: +SKIP
>>> classifier.scores(X_new).shape                                              # doctest: +SKIP
(12, 8)
"""

from emotone.models.classical import Classifier, build
from emotone.models.families import FAMILIES, Family

__all__ = ["FAMILIES", "Classifier", "Family", "build"]
