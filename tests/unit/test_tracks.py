"""What pictures of a timeline are drawn from: tracks of voices, and the scores as steps."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from emotone.timeline import Measurement, Segment, Timeline
from emotone.timeline.segments import circumplex
from emotone.timeline.tracks import curve, filled, tracks
from recordings import conversation

HAPPY, SAD = {"happy": 0.8, "sad": 0.2}, {"happy": 0.1, "sad": 0.9}


def timeline(segments=(), measurements=(), duration_s=10.0, emotions=("happy", "sad")):
    return Timeline(duration_s, "m@1", emotions, tuple(segments), tuple(measurements))


def test_there_is_a_track_for_each_channel_and_each_of_its_speakers():
    assert [track.name for track in tracks(conversation(30))] == [""]
    assert [track.name for track in tracks(conversation(30, (0, 1)))] == ["channel 0", "channel 1"]
    names = [track.name for track in tracks(conversation(60, (0, 2), speakers=("A", "Ö\n b")))]
    assert names == ["channel 0, A", "channel 0, Ö b", "channel 2, A", "channel 2, Ö b"]
    assert tracks(timeline()) == []


def test_a_track_has_the_speech_of_its_voice_and_all_else_of_its_channel():
    whole = conversation(60, (0, 1), speakers=("A", "B"))
    track = next(t for t in tracks(whole) if (t.channel, t.speaker) == (1, "B"))
    assert {(s.channel, s.speaker) for s in track.segments if s.kind == "speech"} == {(1, "B")}
    gaps = [s for s in whole.segments if s.channel == 1 and s.kind != "speech"]
    assert [s for s in track.segments if s.kind != "speech"] == gaps


def test_speech_of_nobody_has_a_name_beside_others():
    segments = [Segment.of_speech(0, 1, HAPPY, speaker="A"), Segment.of_speech(1, 2, SAD)]
    assert [t.name for t in tracks(timeline(segments))] == ["A", "unknown speaker"]


def test_few_segments_are_drawn_as_they_are_and_many_by_what_takes_most_of_a_column():
    (track,) = tracks(conversation(60))
    edges = np.linspace(0, 60, 1001)
    assert track.runs(edges) == [(s.start, s.end, s.label) for s in track.segments]
    (track,) = tracks(conversation(7200))
    edges = np.linspace(0, 7200, 101)
    runs = track.runs(edges)
    assert len(runs) <= 100
    unspoken = ("silence", "non-speech")
    for start, end, label in runs:
        for column in range(round(start / 72), round(end / 72)):
            taken = {}
            for s in track.segments:
                overlap = max(0, min(s.end, edges[column + 1]) - max(s.start, edges[column]))
                if (s.label in unspoken) == (label in unspoken):
                    taken[s.label] = taken.get(s.label, 0) + overlap
            assert taken[label] == pytest.approx(max(taken.values()))


@pytest.mark.parametrize("columns", [100, 400])
def test_of_many_segments_speech_has_as_many_columns_as_it_takes_time(columns):
    (track,) = tracks(conversation(7200))
    runs = track.runs(np.linspace(0, 7200, columns + 1))
    for until in (1800, 3600, 7200):
        spoken = sum(min(s.end, until) - min(s.start, until) for s in track.segments if s.scores)
        drawn = sum(
            min(end, until) - min(start, until)
            for start, end, label in runs
            if label not in ("silence", "non-speech")
        )
        assert drawn == pytest.approx(spoken, abs=7200 / columns)


def test_as_many_columns_are_filled_as_were_heard():
    edges = np.linspace(0, 20, 11)
    whole, none = np.full(10, 2.0), np.zeros(10)
    assert filled(edges, whole).all()
    assert not filled(edges, none).any()
    thirds = filled(edges, whole / 3)
    assert np.flatnonzero(thirds).tolist() == [1, 4, 7]
    fine = np.linspace(0, 641.3, 1201)
    assert filled(fine, np.diff(fine)).all()


def test_of_two_runs_that_touch_the_labels_differ():
    (track,) = tracks(conversation(7200))
    runs = track.runs(np.linspace(0, 7200, 101))
    assert all(a[1] < b[0] or a[2] != b[2] for a, b in itertools.pairwise(runs))


def test_windows_that_overlap_meet_in_the_middle_and_others_stay_whole():
    heard = [
        Measurement(0, 1, HAPPY),
        Measurement(0, 2, SAD),
        Measurement(1, 4, HAPPY),
        Measurement(6, 7, SAD),
    ]
    found = curve(timeline(measurements=heard), None)
    assert found.starts.tolist() == [0, 0.75, 1.75, 6]
    assert found.ends.tolist() == [0.75, 1.75, 4, 7]
    assert found.scores[:, 0].tolist() == [0.8, 0.1, 0.8, 0.1]


def test_the_steps_of_a_channel_never_overlap_and_cover_its_speech():
    whole = conversation(120, (0, 1))
    for channel in (0, 1):
        found = curve(whole, channel)
        assert (found.starts <= found.ends).all()
        assert (found.starts[1:] >= found.ends[:-1]).all()
        spoken = sum(s.duration_s for s in whole.speech if s.channel == channel)
        assert (found.ends - found.starts).sum() == pytest.approx(spoken)


def test_means_are_over_what_is_covered():
    heard = [Measurement(0, 1, HAPPY), Measurement(2, 4, SAD)]
    found = curve(timeline(measurements=heard), None)
    means = found.means(np.array([0.0, 0.5, 3.0, 4.0, 10.0]))
    np.testing.assert_allclose(means[0], [0.8, 0.2])
    np.testing.assert_allclose(means[1], [(0.5 * 0.8 + 0.1) / 1.5, (0.5 * 0.2 + 0.9) / 1.5])
    np.testing.assert_allclose(means[2], [0.1, 0.9])
    assert np.isnan(means[3]).all()


def test_without_measurements_the_scores_are_those_of_the_segments():
    whole = conversation(60, measured=False)
    found = curve(whole, None)
    assert found.starts.tolist() == [s.start for s in whole.speech]
    assert found.scores[0].tolist() == pytest.approx(
        [whole.speech[0].scores[name] for name in whole.emotions]
    )
    silent = curve(timeline([Segment(0, 10, "silence")]), None)
    assert np.isnan(silent.means(np.array([0.0, 5.0, 10.0]))).all()


def test_valence_and_arousal_are_those_of_segments():
    emotions = ("happy", "unheard of", "sad")
    scores = {"happy": 0.3, "unheard of": 0.5, "sad": 0.2}
    segment = Segment.of_speech(0, 1, scores)
    found = curve(timeline([segment], emotions=emotions), None)
    np.testing.assert_allclose(found.circumplex(found.scores), [circumplex(scores)])
    only = curve(timeline([Segment.of_speech(0, 1, {"x": 1.0})], emotions=("x",)), None)
    assert only.circumplex(only.scores).tolist() == [[0, 0]]
