"""A model against labelled clips it has not seen: figures with intervals, and every answer."""

from emotone.evaluation.answers import (
    TestedClip,
    check_predictions_path,
    read_predictions,
    tested_clips,
    write_predictions,
)
from emotone.evaluation.run import EvaluationRun, Progress, confused_pairs, evaluate

__all__ = [
    "EvaluationRun",
    "Progress",
    "TestedClip",
    "check_predictions_path",
    "confused_pairs",
    "evaluate",
    "read_predictions",
    "tested_clips",
    "write_predictions",
]
