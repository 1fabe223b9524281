"""What suits a model that will hear the voices it learned from again, in place of the defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

VOICES: Final = ("new", "known")
"""Whom a model will hear: people it has not learned from, or the very ones."""

_SLIGHTLY: Final[dict[str, Any]] = {
    "augment.speed": 0.03,
    "augment.warp": 0.05,
    "augment.pitch": 0.1,
    "augment.noise_share": 0.1,
    "augment.band_share": 0.0,
    "augment.equalizer_share": 0.2,
    "augment.reverb_share": 0.0,
}
"""Clips are altered so little that a voice and a microphone can still be told by them."""

_OWN: Final[dict[str, dict[str, Any]]] = {
    "crnn": {
        "epochs": 80,
        "cycles": 2,
        "patience": None,
        "batch_size": 32,
        "max_seconds": 4.0,
        "recurrent": 0,
        "mixup": 0.3,
        "ema": 0.995,
        "contrast": 0.3,
    },
    "functionals": {"epochs": 80, "mixup": 0.3, "views": 4},
    "ridge": {"views": 1, "speakers": 0.0},
}


def known_voices(
    family: str, members: Sequence[str] = (), given: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Parameters of a neural family, over its defaults, for voices that will be heard again.

    Where test and training share their speakers, a hybrid of these is right more often than one of
    the defaults, which has to leave aside what tells people apart; on new voices, in noise and on
    the telephone it is worse. Chosen on a part of RAVDESS, and for the regression on EmoDB and
    TurEV-DB as well; see docs/experiments.md.

    Parameters
    ----------
    family
        Its name.
    members
        Those of a hybrid.
    given
        The user's own, which go before. Where the epochs or the patience are among them, the
        learning rate rises and falls once, as they would not suit two cycles.
    """
    chosen: dict[str, Any] = {}
    given = dict(given or {})
    for member in members or (family,):
        prefix = f"{member}." if members else ""
        own = {**_SLIGHTLY, **_OWN.get(member, {})}
        if {f"{prefix}epochs", f"{prefix}patience"} & set(given):
            own.pop("cycles", None)
        chosen |= {prefix + name: value for name, value in own.items()}
    return {**chosen, "hold_out": "clips", **given}
