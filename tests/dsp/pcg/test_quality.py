"""Heart rate, clipping and speech on signals of known truth."""

from __future__ import annotations

import numpy as np
import pytest

from edge.dsp import synthesis
from edge.dsp.pcg import frontend, quality
from edge.dsp.pcg.frontend import RATE_HZ
from edge.dsp.pcg.listening import listen_to, tells_rate


def picture_of(x: np.ndarray, rate: float) -> np.ndarray:
    return frontend.log_mel(frontend.to_internal(x, rate))


@pytest.mark.parametrize("bpm", [45, 60, 75, 90, 110, 130, 150, 170])
@pytest.mark.parametrize("murmur", [False, True])
def test_heart_rate_of_a_known_heart(bpm: int, murmur: bool) -> None:
    beats = synthesis.beats([synthesis.Episode(0.0, "sinus", float(bpm))], 7.0, seed=4)
    t = np.arange(20_000) / 4000
    x = synthesis.pcg(beats, t, murmur=[(0.0, 9.0)] if murmur else [], noise=0.03, seed=1)
    found = quality.heart_rate(picture_of(x, 4000))
    truth = beats.rate_bpm(0.0, 5.0)
    assert truth is not None
    assert abs(found.rate_bpm - truth) < 0.06 * truth
    assert found.periodicity > 0.2


def test_hum_and_tones_do_not_repeat_like_a_heart() -> None:
    t = np.arange(10_000) / 2000
    rng = np.random.default_rng(0)
    tone = np.sin(2 * np.pi * 50 * t) + 0.02 * rng.standard_normal(10_000)
    assert quality.heart_rate(picture_of(tone, 2000)).periodicity < 0.2


@pytest.mark.parametrize("colour", [0.0, 0.5])
def test_steady_noise_hides_murmurs_and_a_quiet_room_or_a_dull_microphone_does_not(colour: float) -> None:
    heart, quiet = hearts(0.0), hearts(0.005)
    waves = np.fft.rfft(np.random.default_rng(1).normal(size=len(heart)))
    k = np.arange(len(waves))
    noise = np.fft.irfft(np.where(k < 125, 0.0, waves * np.maximum(1, k) ** -colour), len(heart))  # from 25 Hz on
    noise *= heart.std() / noise.std()
    assert not hides(quiet)
    for below_db, hidden in ((40, False), (0, True)):
        assert hides(heart + noise * 10 ** (-below_db / 20)) is hidden


def test_a_loud_murmur_hides_none() -> None:
    t = np.arange(10_000) / 2000.0
    beats = synthesis.beats([synthesis.Episode(0.0, "sinus", 72.0)], 6.0, seed=3)
    assert not hides(synthesis.pcg(beats, t, murmur=[(0.0, 9.0)], noise=0.02))


@pytest.mark.parametrize(
    ("breaths_hz", "below_db", "hidden", "feigned"),
    [(0.7, 40, False, False), (0.7, 0, True, True), (0.0, 0, True, False)],
)
def test_fast_breath_is_taken_for_a_murmur_and_steady_noise_is_not(
    breaths_hz: float, below_db: float, hidden: bool, feigned: bool
) -> None:
    t = np.arange(10_000) / 2000.0
    waves = np.fft.rfft(np.random.default_rng(3).normal(size=len(t)))
    waves[:500] = waves[2500:] = 0.0  # 100 to 500 Hz
    breath = np.fft.irfft(waves, len(t)) * (1.0 + 0.6 * np.sin(2 * np.pi * breaths_hz * t))
    x = hearts(0.005)
    x += breath / breath.std() * x.std() * 10 ** (-below_db / 20)
    assert hides(x) is hidden
    assert feigns(x) is feigned


@pytest.mark.parametrize("bpm", [60.0, 90.0, 150.0])
def test_a_murmur_beside_noise_swells_with_the_beats_and_is_not_feigned(bpm: float) -> None:
    t = np.arange(10_000) / 2000.0
    beats = synthesis.beats([synthesis.Episode(0.0, "sinus", bpm)], 6.0, seed=3)
    assert not feigns(synthesis.pcg(beats, t, murmur=[(0.0, 9.0)], noise=0.03))


def hides(x: np.ndarray) -> bool:
    picture = picture_of(x, 2000.0)
    return quality.hides_murmurs(picture, quality.noise_between(np.exp(picture)))


def feigns(x: np.ndarray) -> bool:
    picture = picture_of(x, 2000.0)
    return quality.feigns_murmurs(picture, quality.heart_rate(picture), quality.noise_between(np.exp(picture)))


def hearts(noise: float) -> np.ndarray:
    t = np.arange(10_000) / 2000.0
    beats = synthesis.beats([synthesis.Episode(0.0, "sinus", 72.0)], 6.0, seed=3)
    return synthesis.pcg(beats, t, noise=noise, seed=5)


def test_clipped_share() -> None:
    t = np.arange(10_000) / 2000
    sine = np.sin(2 * np.pi * 60 * t)
    assert quality.clipped_share(sine) < 0.02
    assert quality.clipped_share(np.clip(2 * sine, -1, 1)) > 0.3
    assert quality.clipped_share(np.clip(20_000 * sine, -9000, 9000).astype(np.int16)) > 0.3
    assert quality.clipped_share(np.zeros(100)) == 1.0


@pytest.mark.parametrize("hum_hz", [50.0, 60.0])
@pytest.mark.parametrize("unit", [1.0, 30_000.0])
def test_hum_that_is_clipped_at_its_crests_alone_is_clipped(hum_hz: float, unit: float) -> None:
    """A sample or two at each: a heart beside it is heard in none, and a murmur was not."""
    t = np.arange(10_000) / 2000
    x = hearts(0.01) + 30.0 * hearts(0.01).std() * np.sin(2 * np.pi * hum_hz * t)
    assert not quality.piles_up(x)
    x = np.clip(x, *np.quantile(x, [0.03, 0.97]))
    x = np.round(unit * x / abs(x).max()) if unit > 1.0 else x
    assert quality.clipped_share(x) < quality.MAX_CLIPPED
    assert quality.piles_up(x)
    assert listen_to(x, 2000.0) == (None, "saturated")


def test_an_even_tone_is_strange_and_not_clipped() -> None:
    """Of 50 samples a period, each at the same place, two stand at its end."""
    x = np.sin(2 * np.pi * 40.0 * np.arange(10_000) / 2000)
    assert quality.piles_up(x)
    sound, reason = listen_to(x, 2000.0)
    assert sound is not None
    assert (sound.tonal, reason) == (True, "")


def test_sustained_voicing_is_seen_in_vowels_and_not_in_a_heart() -> None:
    rate, t = 2000, np.arange(10_000) / 2000
    vowel = np.zeros(10_000)
    for at in (0.3, 1.5, 2.6, 3.8):
        on = (t > at) & (t < at + 0.6)
        glide = 130 + 12 * (t - at)
        phase = 2 * np.pi * np.cumsum(glide) / rate
        sound = sum(np.sin(k * phase) / (1 + ((k * 130 - 500) / 150) ** 2) for k in range(1, 7))
        vowel += np.where(on, np.sin(np.pi * np.clip((t - at) / 0.6, 0, 1)) ** 0.5 * sound, 0.0)
    vowel += 0.01 * np.random.default_rng(0).standard_normal(10_000)
    y = frontend.to_internal(vowel, rate)
    assert quality.voiced_s(y, frontend.log_mel(y)) >= quality.SPEECH_RUN_S
    beats = synthesis.beats([synthesis.Episode(0.0, "sinus", 70.0)], 7.0, seed=4)
    heart = synthesis.pcg(beats, t, murmur=[(0.0, 9.0)], noise=0.01)
    y = frontend.to_internal(heart, rate)
    assert quality.voiced_s(y, frontend.log_mel(y)) < quality.SPEECH_RUN_S


def pulses(rhythm: str, bpm: float, rate: int, count: int) -> list[quality.Pulse]:
    """What is found in as many windows of 5 s, each of another heart."""
    found = []
    for seed in range(count):
        heart = synthesis.beats([synthesis.Episode(0.0, rhythm, bpm)], 9.0, seed=seed)
        sound = synthesis.pcg(heart, np.arange(3.0, 8.0, 1 / rate), noise=0.02, seed=seed)
        found.append(quality.heart_rate(picture_of(sound, rate)))
    return found


@pytest.mark.parametrize(("bpm", "least"), [(42, 5), (60, 6), (120, 6), (175, 6)])
def test_a_rate_that_is_told_apart_is_right(bpm: int, least: int) -> None:
    told = [found.rate_bpm for found in pulses("sinus", bpm, 4000, 8) if tells_rate(found)]
    assert told == pytest.approx([bpm] * len(told), rel=0.08)
    assert len(told) >= least


@pytest.mark.parametrize("bpm", [30, 35])
def test_where_the_sounds_of_one_beat_are_as_alike_as_two_beats_no_rate_is_told(bpm: int) -> None:
    """S1 and S2 of a slow heart: their distance is what is found, and not its period."""
    found = pulses("sinus", bpm, 4000, 8)
    assert min(one.rate_bpm for one in found) > 4.0 * bpm
    assert not any(map(tells_rate, found))


@pytest.mark.parametrize(("bpm", "least"), [(130, 25), (150, 12)])
def test_a_fast_heart_with_early_beats_is_never_said_to_be_half_as_fast(bpm: int, least: int) -> None:
    told = [found.rate_bpm for found in pulses("pvc", bpm, 2000, 30) if tells_rate(found)]
    assert min(told) > 0.6 * bpm
    assert len(told) >= least


@pytest.mark.parametrize("bpm", [182, 190, 205, 220])
def test_a_heart_too_fast_to_be_told_is_never_said_to_be_half_as_fast(bpm: int) -> None:
    """An infant's: two beats lie on whole frames where one does not, and look more alike for it. Told or not, it is
    found as fast as it is."""
    for seed in range(40):
        found = quality.heart_rate(picture_of(infant(bpm, np.random.default_rng([bpm, seed])), RATE_HZ))
        assert found.rate_bpm == pytest.approx(bpm, rel=0.1)


def infant(bpm: float, rng: np.random.Generator) -> np.ndarray:
    """5 s of two sounds of three tones each that last about as long as an infant's, in even beats, at 2 kHz."""
    t = np.arange(0, 5, 1 / RATE_HZ)
    sounds = []
    for loud, low_hz, high_hz, width_s in (
        (1.0, 28, 60, (0.014, 0.025)),
        (rng.uniform(0.3, 1.2), 40, 90, (0.01, 0.017)),
    ):
        s = np.arange(-0.08, 0.08, 1 / RATE_HZ)
        tones = np.sin(2 * np.pi * rng.uniform(low_hz, high_hz, (3, 1)) * s + rng.uniform(0, 6, (3, 1)))
        sounds.append(loud * tones.mean(axis=0) * np.exp(-0.5 * (s / rng.uniform(*width_s)) ** 2))
    x, at = 0.02 * rng.standard_normal(len(t) + 1000), rng.uniform(0.0, 0.3)
    while at < 5.0:
        for sound, later in zip(sounds, (0.0, 31.0 / bpm), strict=True):
            first = round((at + later) * RATE_HZ)
            x[first : first + len(sound)] += rng.normal(1.0, 0.05) * sound
        at += 60.0 / bpm * rng.normal(1.0, 0.02)
    return x[: len(t)]


def test_a_heart_without_a_rhythm_has_a_rate_in_few_windows_and_a_steady_one_in_all() -> None:
    told, wrong = dict.fromkeys(("af", "sinus"), 0), dict.fromkeys(("af", "sinus"), 0)
    for rhythm in told:
        for seed in range(100):
            bpm = (60.0, 75.0, 90.0, 110.0, 130.0)[seed % 5]
            heart = synthesis.beats([synthesis.Episode(0.0, rhythm, bpm)], 9.0, seed=seed)
            sound = synthesis.pcg(heart, np.arange(3.0, 8.0, 1 / 2000), noise=0.02, seed=seed)
            found = quality.heart_rate(picture_of(sound, 2000))
            if tells_rate(found):
                told[rhythm] += 1
                wrong[rhythm] += found.rate_bpm != pytest.approx(heart.rate_bpm(3.0, 8.0), rel=0.1)
    assert told["sinus"] >= 99
    assert wrong == {"af": 4, "sinus": 0}
    assert told["af"] <= 15


def test_a_systole_of_half_the_cycle_is_not_told_from_twice_the_rate() -> None:
    """Equal sounds 0.26 s apart: 115 bpm with S2 in the middle, or 230 bpm."""
    t = np.arange(0, 5, 1 / 4000)
    sound = sum(np.exp(-(((t - at) / 0.02) ** 2)) * np.sin(2 * np.pi * 60 * t) for at in np.arange(0.1, 5, 0.27))
    assert not quality.heart_rate(picture_of(sound, 4000)).told_apart


@pytest.mark.parametrize("bpm", [140, 150, 160, 170])
@pytest.mark.parametrize("systole", [0.45, 0.48, 0.5, 0.52, 0.55])
def test_three_sounds_of_a_fast_heart_are_not_two_beats(bpm: int, systole: float) -> None:
    """An infant's S1 and S2 are alike and evenly spaced: what comes again after one and a half beats is no beat."""
    period_s, t = 60.0 / bpm, np.arange(0, 5, 1 / 4000)
    sounds = [at + part for at in np.arange(0.1, 5, period_s) for part in (0.0, systole * period_s)]
    sound = sum(np.exp(-(((t - at) / 0.02) ** 2)) * np.sin(2 * np.pi * 60 * (t - at)) for at in sounds)
    found = quality.heart_rate(picture_of(sound + 0.01 * np.random.default_rng(1).standard_normal(len(t)), 4000))
    assert found.told_apart
    assert found.rate_bpm == pytest.approx(bpm, rel=0.04)
