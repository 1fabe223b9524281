"""What is computed of clips before the training: standardisation, and functionals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from emotone.models.neural import augmentation
from emotone.models.neural.augmentation import Chance
from emotone.models.neural.bodies import DescribedBody
from emotone.models.neural.data import LabelledClips, TrainingData, even_batches, padded
from emotone.models.neural.frontend import FrontEnd
from emotone.models.neural.network import Network
from emotone.models.neural.settings import Augmentation, Settings

_STATISTICS_CLIPS = 500
"""Clips that the front end's standardisation is computed on."""


def standardise(network: Network, data: LabelledClips, seed: int) -> None:
    """Let a spectral body's front end know mean and deviation of the training clips."""
    end = getattr(network.body, "front_end", None)
    if not isinstance(end, FrontEnd):
        return
    chosen = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        end.standardise(
            [
                end.analyse(torch.from_numpy(data.clips[row])[None], None)
                for row in chosen[:_STATISTICS_CLIPS].tolist()
            ]
        )


def described(network: Network, data: TrainingData, settings: Settings, seed: int) -> TrainingData:
    """The data with descriptions in place of sound, for a body that hears by nothing else."""
    body = network.body
    if not isinstance(body, DescribedBody):
        return data

    def views(part: LabelledClips, count: int) -> LabelledClips:
        return replace(part, views=_views(body, part, count, settings.augmentation, seed))

    return replace(
        data,
        training=views(data.training, settings.body.views),
        validation=None if data.validation is None else views(data.validation, 1),
        watched=None if data.watched is None else views(data.watched, 1),
    )


def _views(
    body: DescribedBody,
    part: LabelledClips,
    count: int,
    altered: Augmentation | None,
    seed: int,
) -> npt.NDArray[np.float32]:
    """Standardised functionals of clips as they are, and `count` - 1 times altered."""
    end = body.front_end
    found = np.empty((count, len(part), end.described), dtype=np.float32)
    with torch.no_grad():
        for view in range(count):
            for number, rows in enumerate(even_batches(part.clips)):
                waveforms, lengths = padded([part.clips[int(row)] for row in rows])
                hop, warps = None, None
                if view and altered is not None:
                    chance = Chance(augmentation.generator(end.mean.device, seed, view, number))
                    waveforms, lengths = augmentation.alter_waveforms(
                        waveforms, lengths, altered, chance, end.rate
                    )
                    hop = augmentation.draw_hop(altered, chance, end.hop)
                    warps = augmentation.draw_warps(altered, chance, len(lengths))
                found[view, rows] = end.functionals(
                    waveforms, lengths, hop=hop, warps=warps
                ).numpy()
    return found
