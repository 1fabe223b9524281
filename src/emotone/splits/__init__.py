"""Train and test: at random, by speaker, by clip, by corpus, or from a fold file.

Every split is named by a short text, the *spec*::

    random:test=0.25,seed=9     as sklearn.model_selection.train_test_split with random_state=9
    random:test=0.2,stratify=true
    speakers:5                  five folds, no speaker in both train and test
    speakers:loo                one fold per speaker
    clips:5                     five folds, each speaker's clips spread over all; whoever has a
                                single one is trained on alone
    corpora:loo                 one fold per corpus, over the emotions it shares with the others
    file:emobox/ravdess.csv     the folds of an EmoBox file, or of every CSV of a folder
    none                        everything is for training

A random split depends on the order of the utterances. `emotone.corpora.load` sorts them by path, so
the same files give the same split on every machine. The RAVDESS tutorials draw theirs over
``glob.glob`` order, which differs from one file system to the next: the same size and
``random_state`` here give a split like theirs, drawn the same way over sorted paths.
"""

from emotone.splits.drawing import make
from emotone.splits.held_out import validation
from emotone.splits.split import Fold, Indices, Split

__all__ = ["Fold", "Indices", "Split", "make", "validation"]
