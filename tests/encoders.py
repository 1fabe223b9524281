"""Tiny foundation encoders with random weights, saved the way that published ones are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

KINDS = ("wav2vec2", "wav2vec2-large", "hubert", "wavlm", "data2vec-audio", "whisper")
"""Each architecture; wav2vec 2.0 in both its forms, as base and large models have it."""

WIDTH = 32

SPREAD = 0.2
"""Of the weights: ten times the usual, so that two layers make as much of a clip as twelve."""

_SPEECH: dict[str, Any] = {
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 128,
    "conv_dim": (16, 16, 16),
    "conv_kernel": (10, 3, 2),
    "conv_stride": (5, 8, 8),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "initializer_range": SPREAD,
}
_STABLE = {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True}
_STACKED = {"num_conv_pos_embeddings": 3, "conv_pos_kernel_size": 7}
_WHISPER: dict[str, Any] = {
    "d_model": WIDTH,
    "encoder_layers": 2,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 128,
    "decoder_ffn_dim": 32,
    "num_mel_bins": 16,
    "max_source_positions": 150,
    "vocab_size": 50,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
    "init_std": SPREAD,
}


def save(folder: Path, kind: str, seed: int = 0, **changes: Any) -> Path:
    """A tiny encoder of a kind, with the settings of its input, in a new folder."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = _model(kind, changes)
    bars = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.disable_progress_bar()
    try:
        model.save_pretrained(folder)
    finally:
        if bars:
            transformers.utils.logging.enable_progress_bar()
    if kind == "whisper":
        transformers.WhisperFeatureExtractor(feature_size=16, chunk_length=3).save_pretrained(
            folder
        )
    else:
        transformers.Wav2Vec2FeatureExtractor(do_normalize=kind != "wavlm").save_pretrained(folder)
    return folder


def _model(kind: str, changes: dict[str, Any]) -> Any:
    if kind == "wav2vec2-large":
        config = transformers.Wav2Vec2Config(**{**_SPEECH, **_STABLE, **changes})
        return transformers.Wav2Vec2ForPreTraining(config)  # as published, with its other parts
    if kind == "wav2vec2":
        return transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**{**_SPEECH, **changes}))
    if kind == "hubert":
        return transformers.HubertModel(transformers.HubertConfig(**{**_SPEECH, **changes}))
    if kind == "wavlm":
        return transformers.WavLMModel(transformers.WavLMConfig(**{**_SPEECH, **changes}))
    if kind == "data2vec-audio":
        return transformers.Data2VecAudioModel(
            transformers.Data2VecAudioConfig(**{**_SPEECH, **_STACKED, **changes})
        )
    return transformers.WhisperForConditionalGeneration(
        transformers.WhisperConfig(**{**_WHISPER, **changes})
    )
