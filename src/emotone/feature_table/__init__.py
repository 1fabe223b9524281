"""Features on disk, as `emotone features` writes them to Parquet, to learn from without the audio.

A table is one file or the parts of one extraction, or several of these. What is said of each clip
is read into memory, about half a kilobyte for each; the features themselves stay where they are.
"""

from emotone.feature_table.corpus import StoredCorpus, StoredUtterance, failures
from emotone.feature_table.rows import StoredFeatures
from emotone.feature_table.table import FeatureTable, is_table

__all__ = [
    "FeatureTable",
    "StoredCorpus",
    "StoredFeatures",
    "StoredUtterance",
    "failures",
    "is_table",
]
