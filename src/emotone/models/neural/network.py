"""A body with heads: one over all emotions, and one for each corpus where there are several."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emotone.models.neural.bodies import Compressed
from emotone.models.neural.kernel import KernelHead

IMPOSSIBLE = -1e4
"""The logit of an emotion that a corpus does not have; bfloat16 can hold it."""


class Logits(NamedTuple):
    """What the heads say, in 32 bits.

    Attributes
    ----------
    general
        Of the head over all emotions, shape ``(B, k)``.
    own
        Of the head of each corpus, shape ``(B, corpora, k)``; None where there is one corpus.
    """

    general: Tensor
    own: Tensor | None


class Network(nn.Module):
    """A body and its heads.

    Parameters
    ----------
    body
        See `emotone.models.neural.bodies`.
    has
        Which of the k emotions each corpus has, bool ``(corpora, k)``.
    """

    has: Tensor

    def __init__(self, body: nn.Module, has: Tensor) -> None:
        super().__init__()
        self.body = body
        self.register_buffer("has", has)
        self.renew_heads()

    def renew_heads(self) -> None:
        """Make heads that have learned nothing, for as many numbers as the body gives."""
        corpora, emotions = self.has.shape
        self.general = self._head(emotions)
        self.own = self._head(corpora * emotions) if corpora > 1 else None

    def _head(self, outputs: int) -> nn.Linear | KernelHead:
        dimension = cast(int, self.body.dimension)
        if isinstance(self.body, Compressed) and self.body.kernel is not None:
            landmarks = len(self.body.kernel.landmarks)
            return KernelHead(dimension - landmarks, landmarks, outputs)
        return nn.Linear(dimension, outputs)

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> Logits:
        """What the heads say to waveforms (B, N), each ``lengths`` samples long."""
        return self.heads(self.body(waveforms, lengths))

    def heads(self, embeddings: Tensor) -> Logits:
        """What the heads say to embeddings (B, dimension)."""
        general = self.general(embeddings).float()
        if self.own is None:
            return Logits(general, None)
        return Logits(general, self.own(embeddings).float().unflatten(1, (len(self.has), -1)))

    def restricted(self, logits: Logits, corpora: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits of the general head and of each clip's own, over the emotions of its corpus."""
        absent = ~self.has[corpora]
        general = logits.general.masked_fill(absent, IMPOSSIBLE)
        if logits.own is None:
            return general, None
        rows = torch.arange(len(corpora), device=corpora.device)
        return general, logits.own[rows, corpora].masked_fill(absent, IMPOSSIBLE)

    def losses(
        self,
        logits: Logits,
        labels: Tensor,
        corpora: Tensor,
        *,
        smoothing: float,
        own_weight: float,
        general_weight: float,
        open_share: float,
    ) -> Tensor:
        """The loss of each clip, shape ``(B,)``.

        Cross-entropy of the head of its corpus over the emotions of that corpus, and of the general
        head, for `open_share` of it over all emotions; weighted. Where there is one corpus, of the
        general head alone.
        """
        present = self.has[corpora]
        general, own = self.restricted(logits, corpora)
        loss = cross_entropy(general, labels, present, smoothing)
        if own is None:
            return loss
        if open_share:
            over_all = cross_entropy(logits.general, labels, torch.ones_like(present), smoothing)
            loss = (1 - open_share) * loss + open_share * over_all
        of_own = cross_entropy(own, labels, present, smoothing)
        return own_weight * of_own + general_weight * loss


def cross_entropy(logits: Tensor, labels: Tensor, present: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy of each row, its target smoothed over the classes that are present."""
    log = logits.log_softmax(1)
    target = log.gather(1, labels[:, None])[:, 0]
    even = log.masked_fill(~present, 0).sum(1) / present.sum(1)
    return -(1 - smoothing) * target - smoothing * even


CONTRAST_TEMPERATURE = 0.15
"""How much nearer the nearest clips count than others in `contrast`."""


def contrast(embeddings: Tensor, labels: Tensor) -> Tensor:
    """How far clips of one emotion lie apart among all, a mean over clips that have a partner.

    The supervised contrastive loss of Khosla et al. (2020), over directions of embeddings (B, d).
    It sees every pair in a batch, also of two corpora, and so draws the voices together that a head
    only has to sort.
    """
    directions = F.normalize(embeddings.float(), dim=1)
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    near = directions @ directions.T / CONTRAST_TEMPERATURE
    log = near - near.masked_fill(itself, IMPOSSIBLE).logsumexp(1, keepdim=True)
    partners = (labels[:, None] == labels[None]) & ~itself
    count = partners.sum(1)
    of_each = -(log * partners).sum(1) / count.clamp_min(1)
    return of_each.sum() / (count > 0).sum().clamp_min(1)


def probabilities(
    network: Network, logits: Logits, corpora: Tensor, general_t: float, own_t: float
) -> Tensor:
    """Scores of clips whose corpus is known: the mean of its own head's and the general one's."""
    general, own = network.restricted(logits, corpora)
    scores = F.softmax(general / general_t, 1)
    return scores if own is None else (scores + F.softmax(own / own_t, 1)) / 2
