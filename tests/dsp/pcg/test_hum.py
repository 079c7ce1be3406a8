"""Mains hum is taken out where it drowns the heart, and a heart without it stays as it is."""

from __future__ import annotations

import numpy as np
import pytest

from edge.dsp import synthesis
from edge.dsp.pcg import listening
from edge.dsp.pcg.frontend import log_mel, to_internal
from edge.dsp.pcg.hum import without_hum

T = np.arange(10_000) / 2000.0


def heart() -> np.ndarray:
    beats = synthesis.beats([synthesis.Episode(0.0, "sinus", 90.0)], 6.0, seed=3)
    return 0.3 * synthesis.pcg(beats, T, murmur=[], noise=0.01, seed=5)


def hum(hz: float, size: float) -> np.ndarray:
    return size * (
        np.sin(2 * np.pi * hz * T + 1.0) + 0.3 * np.sin(2 * np.pi * 3 * hz * T) + 0.1 * np.cos(4 * np.pi * hz * T)
    )


@pytest.mark.parametrize("hz", [49.8, 50.0, 50.13, 59.9, 60.0, 60.2])
@pytest.mark.parametrize("size", [1.0, 4.0, 20.0])
def test_a_hum_of_any_strength_leaves_the_heart(hz: float, size: float) -> None:
    whole = to_internal(heart(), 2000.0)
    found = without_hum(to_internal(heart() + hum(hz, size * heart().std()), 2000.0))
    inner = slice(400, -400)
    assert np.corrcoef(found[inner], whole[inner])[0, 1] > 0.94
    assert np.std((found - whole)[inner]) < 0.35 * whole.std()


@pytest.mark.parametrize("hz", [49.8, 50.0, 59.9, 60.2])
@pytest.mark.parametrize("size", [0.1, 0.2, 0.3])
def test_a_weak_hum_is_known_by_its_lines_and_what_lay_under_it_is_seen_again(hz: float, size: float) -> None:
    overtones = sum(np.sin(2 * np.pi * k * hz * T + k) / k for k in range(1, 6))
    clean = heart()
    dirty = clean + size * clean.std() * overtones / overtones.std()
    whole = log_mel(to_internal(clean, 2000.0))
    seen = log_mel(to_internal(dirty, 2000.0))
    found = log_mel(without_hum(to_internal(dirty, 2000.0)))
    assert np.abs(seen - whole).mean() > 0.5
    assert np.abs(found - whole).mean() < 0.4


@pytest.mark.parametrize(("second_hz", "is_hum"), [(150.45, True), (149.5, False)])
def test_two_lines_are_hum_where_they_have_one_fundamental(second_hz: float, is_hum: bool) -> None:
    lines = np.sin(2 * np.pi * 100.3 * T) + np.sin(2 * np.pi * second_hz * T)
    y = to_internal(heart() + 0.02 * lines, 2000.0)
    assert (without_hum(y) is not y) == is_hum


def test_a_heart_without_hum_is_the_same_array() -> None:
    y = to_internal(heart(), 2000.0)
    assert without_hum(y) is y
    silent = np.zeros(6000, np.float32)
    assert without_hum(silent) is silent


@pytest.mark.parametrize("hz", [50.0, 60.0])
def test_the_heart_rate_is_the_hearts_and_not_the_hums(hz: float) -> None:
    sound, reason = listening.listen_to(heart() + hum(hz, 3 * heart().std()), 2000.0)
    assert reason == ""
    assert sound is not None
    assert sound.pulse.rate_bpm == pytest.approx(90.0, abs=3.0)
    assert sound.pulse.periodicity > 0.3


def test_real_hearts_are_left_alone(data_dir) -> None:
    soundfile = pytest.importorskip("soundfile")
    for path in sorted((data_dir / "pcg" / "circor2022").glob("*.flac"))[::60]:
        x, rate = soundfile.read(path)
        for a in range(0, len(x) - 10_000 + 1, 5000):
            y = to_internal(x[a : a + 10_000], rate)
            assert without_hum(y) is y, path.name
