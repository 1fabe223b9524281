"""The vocabulary: canonical emotion names, their synonyms, colours, and valence and arousal.

Corpora, models and people use many words for one emotion (``ps``, ``Wut``, ``gio``). Everything
inside emotone uses one canonical name for each; `canonical` translates.
"""

from __future__ import annotations

from dataclasses import dataclass

from emotone.errors import UsageError


@dataclass(frozen=True, slots=True)
class Emotion:
    """One emotion of the vocabulary.

    Attributes
    ----------
    name
        The canonical name.
    colour
        Hex RGB for plots, terminal and page. The eight canonical ones are chosen to be told apart
        with the common colour-vision deficiencies (after Okabe & Ito 2008).
    valence, arousal
        Position in the circumplex (Russell 1980), each from -1 to 1. Rounded from the normative
        ratings of the emotion words in Warriner et al. 2013, rescaled; good for a picture, not a
        measurement.
    """

    name: str
    colour: str
    valence: float
    arousal: float


CANONICAL: tuple[str, ...] = (
    "neutral",
    "calm",
    "happy",
    "sad",
    "angry",
    "fearful",
    "disgust",
    "surprised",
)
"""The eight emotions of the default model, in the order of RAVDESS."""

EMOTIONS: dict[str, Emotion] = {
    emotion.name: emotion
    for emotion in (
        Emotion("neutral", "#8C8C8C", 0.0, -0.1),
        Emotion("calm", "#56B4E9", 0.4, -0.7),
        Emotion("happy", "#E69F00", 0.9, 0.5),
        Emotion("sad", "#0072B2", -0.7, -0.4),
        Emotion("angry", "#D55E00", -0.7, 0.7),
        Emotion("fearful", "#7B3FA0", -0.6, 0.6),
        Emotion("disgust", "#5E7A1F", -0.6, 0.2),
        Emotion("surprised", "#009E73", 0.4, 0.7),
        Emotion("boredom", "#B8A06A", -0.4, -0.7),
        Emotion("contempt", "#9C5A6B", -0.6, 0.1),
        Emotion("anxious", "#A87BC7", -0.5, 0.5),
        Emotion("frustrated", "#B5543A", -0.6, 0.4),
        Emotion("excited", "#F0C419", 0.7, 0.8),
        Emotion("apologetic", "#6C8EBF", -0.2, -0.2),
        Emotion("other", "#5F5F5F", 0.0, 0.0),
    )
}
"""Every emotion with a colour and a place, by canonical name: the eight, then extras."""

_SYNONYMS: dict[str, tuple[str, ...]] = {
    "neutral": ("neu", "neutrality", "neutrale", "normal", "n"),
    "calm": ("calmness", "cal"),
    "happy": ("hap", "happiness", "joy", "joyful", "gioia", "gio", "freude", "h"),
    "sad": ("sadness", "tristezza", "tri", "trauer", "s"),
    "angry": ("ang", "anger", "rabbia", "rab", "wut", "a"),
    "fearful": ("fear", "fea", "scared", "afraid", "paura", "pau", "angst", "f"),
    "disgust": ("dis", "disgusted", "disgusto", "ekel", "d"),
    "surprised": (
        "surprise",
        "sur",
        "ps",
        "pleasant_surprise",
        "pleasant_surprised",
        "sorpresa",
        "su",
    ),
    "boredom": ("bored", "bor", "langeweile"),
    "contempt": ("contemptuous",),
    "anxious": ("anxiety",),
    "frustrated": ("frustration", "fru"),
    "excited": ("excitement", "exc"),
    "apologetic": ("apology",),
    "other": ("oth", "xxx"),
}

_TO_CANONICAL: dict[str, str] = {name: name for name in EMOTIONS} | {
    synonym: name for name, synonyms in _SYNONYMS.items() for synonym in synonyms
}


def _key(label: str) -> str:
    return label.strip().lower().replace("-", "_").replace(" ", "_")


def canonical(label: str) -> str:
    """The canonical name for a label; an unknown label comes back as given, in lower case.

    Parameters
    ----------
    label
        Any spelling: ``"Happiness"``, ``"ps"``, ``"Wut"``.

    Raises
    ------
    UsageError
        If the label is empty.

    Examples
    --------
    >>> canonical("Pleasant Surprise")
    'surprised'
    """
    key = _key(label)
    if not key:
        raise UsageError("an emotion label is empty", remedy="Give each label a name.")
    return _TO_CANONICAL.get(key, key)


def is_known(label: str) -> bool:
    """Whether the label, in any spelling, belongs to the vocabulary."""
    return _key(label) in _TO_CANONICAL


_TYPO = 0.75
"""How alike a slip and what was meant are at least: "hapy", but neither "tired" nor "pride"."""


def nearly(label: str) -> str | None:
    """The canonical name that an unknown label is probably a slip of, or None.

    >>> nearly("hapy")
    'happy'
    """
    import difflib

    key = _key(label)
    known = [] if key in _TO_CANONICAL else [word for word in _TO_CANONICAL if len(word) > 2]
    for word in difflib.get_close_matches(key, known, n=1, cutoff=_TYPO):
        # With more than a letter beside it, it is another word: "unhappy".
        if word not in key or len(key) - len(word) == 1:
            return _TO_CANONICAL[word]
    return None


_SPARE_COLOURS = ("#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377")


def colour(name: str) -> str:
    """The hex colour for an emotion; one outside the vocabulary gets a stable colour of its own."""
    known = EMOTIONS.get(canonical(name))
    if known is not None:
        return known.colour
    return _SPARE_COLOURS[sum(name.encode("utf-8", "surrogatepass")) % len(_SPARE_COLOURS)]


def in_order(names: set[str] | list[str] | tuple[str, ...]) -> list[str]:
    """Distinct names in the order of the vocabulary, unknown ones last and alphabetical."""
    rank = {name: i for i, name in enumerate(EMOTIONS)}
    return sorted(set(names), key=lambda name: (rank.get(name, len(rank)), name))
