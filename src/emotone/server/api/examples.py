"""An example of everything that an answer holds, for OpenAPI."""

from __future__ import annotations

from typing import Any

SUMMARY: dict[str, Any] = {
    "duration_s": 61.44,
    "speech_s": 40.5,
    "shares": {"neutral": 0.7, "happy": 0.3},
    "changes_per_minute": 2.96,
    "valence": 0.24,
    "arousal": 0.06,
    "peaks": [
        {"emotion": "neutral", "time": 12.5, "confidence": 0.91, "channel": None},
        {"emotion": "happy", "time": 48.25, "confidence": 0.74, "channel": None},
    ],
}

OPTIONS: dict[str, Any] = {
    "model": "default",
    "channels": "mix",
    "speakers": None,
    "window_s": 3.0,
    "step_s": 0.5,
    "switch": 2.0,
    "pause_s": 0.5,
}

ANALYSIS: dict[str, Any] = {
    "id": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "name": "Visit 4",
    "notes": "Noisy room.",
    "state": "done",
    "progress": 1.0,
    "heard_s": 61.44,
    "duration_s": 61.44,
    "created_at": "2026-03-01T12:00:00+00:00",
    "started_at": "2026-03-01T12:00:00.150000+00:00",
    "finished_at": "2026-03-01T12:00:02.800000+00:00",
    "expires_at": None,
    "model": "emotone-default@1.5",
    "options": OPTIONS,
    "has_audio": True,
    "error": None,
    "warnings": [],
    "summary": SUMMARY,
    "model_summary": {**SUMMARY, "shares": {"neutral": 0.6, "happy": 0.4}},
    "corrected": 1,
}

SEGMENT: dict[str, Any] = {
    "index": 7,
    "start": 46.5,
    "end": 50.0,
    "kind": "speech",
    "emotion": "happy",
    "confidence": 0.74,
    "valence": 0.61,
    "arousal": 0.32,
    "scores": {"happy": 0.74, "surprised": 0.15, "neutral": 0.11},
    "label": "surprised",
    "label_note": "She did not expect it.",
    "labelled_at": "2026-03-02T09:30:00+00:00",
}

TIMELINE: dict[str, Any] = {
    "format": 1,
    "file": "Visit 4",
    "duration_s": 61.44,
    "model": "emotone-default@1.5",
    "emotions": ["neutral", "happy", "surprised"],
    "settings": {"channels": "mix", "window_s": 3.0, "step_s": 0.5},
    "summary": SUMMARY,
    "segments": [SEGMENT],
    "measurements": [
        {"start": 46.5, "end": 47.0, "scores": {"happy": 0.6, "surprised": 0.2, "neutral": 0.2}}
    ],
}

FULL_ANALYSIS: dict[str, Any] = {**ANALYSIS, "timeline": TIMELINE}

ANALYSES: dict[str, Any] = {
    "items": [ANALYSIS],
    "next": "MjAyNi0wMy0wMVQxMjowMDowMCswMDowMCAwZjhmYWQ1Yg",
    "total": 12,
}

CORRECTION: dict[str, Any] = {
    "analysis": ANALYSIS["id"],
    "name": "Visit 4",
    "segment": 7,
    "start": 46.5,
    "end": 50.0,
    "channel": None,
    "speaker": None,
    "emotion": "happy",
    "confidence": 0.74,
    "label": "surprised",
    "note": "She did not expect it.",
    "labelled_at": "2026-03-02T09:30:00+00:00",
    "has_audio": True,
}

CORRECTIONS: dict[str, Any] = {"items": [CORRECTION], "next": None, "total": 1}

TRACKS: dict[str, Any] = {
    "duration_s": 0.04,
    "channels": [{"channel": None, "step_s": 0.01, "low": "9u3y/Q==", "high": "ChIOBQ=="}],
    "mel": {
        "step_s": 0.02,
        "bands": 2,
        "frames": 2,
        "low_hz": 0,
        "high_hz": 8000,
        "low_db": -80.0,
        "data": "AH//gA==",
    },
}

MODEL: dict[str, Any] = {
    "name": "default",
    "model": "emotone-default@1.5",
    "emotions": ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"],
    "default": True,
    "uncertain_below": 0.6725,
    "figures": {"EmoBox folds, eight emotions": {"ua": 0.618261, "ci95": [0.577154, 0.663296]}},
}

MODELS: dict[str, Any] = {"items": [MODEL]}

SERVICE: dict[str, Any] = {
    "version": "0.1.0",
    "api": "v1",
    "emotions": ["neutral", "happy"],
    "colours": {"neutral": "#8C8C8C", "happy": "#E69F00"},
    "places": {
        "neutral": {"valence": 0.0, "arousal": -0.1},
        "happy": {"valence": 0.9, "arousal": 0.5},
    },
    "limits": {
        "max_clip_bytes": 67108864,
        "max_clip_s": 300.0,
        "max_upload_bytes": 4294967296,
        "max_recording_s": 86400.0,
    },
    "retention": {"results_days": 30.0, "keeps_audio_by_default": False},
    "auth": {"required": False, "scopes": ["read", "write", "admin"]},
    "export_formats": ["csv", "json", "png"],
    "responsible_use": "This is what a model hears in a voice, not what a person feels. …",
}
