"""Rate under motion: the step frequency is not taken for the heart, nothing comes from the future."""

import numpy as np
import pytest

from edge.dsp.filters import butterworth, zero_phase
from edge.dsp.motion.rate import MotionRate, log_evidence
from edge.dsp.motion.spectra import CHANNELS, GRID_BPM, RATE_HZ, network_input, residual, spectra


def walk(seconds=60.0, heart_hz=2.0, step_hz=1.6, motion=3.0, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(0, seconds, 1 / RATE_HZ)
    phase = 2 * np.pi * step_hz * t + 0.3 * np.sin(0.2 * t)
    acc = np.stack([np.sin(phase), 0.5 * np.cos(2 * phase), 0.3 * np.sin(phase + 1)], axis=1)
    pulse = np.sin(2 * np.pi * heart_hz * t) + 0.3 * np.sin(4 * np.pi * heart_hz * t)
    shaken = motion * np.roll(acc[:, 0], 2) + 0.5 * motion * acc[:, 1]
    ppg = np.stack([pulse + shaken, 0.8 * pulse + 1.2 * shaken], axis=1)
    return ppg + 0.2 * rng.normal(size=ppg.shape), acc + 0.02 * rng.normal(size=acc.shape)


def follow(ppg, acc, network=None, hop=25):
    rate, found = MotionRate(network), []
    for end in range(200, len(ppg) + 1, hop):
        begin = max(0, end - 400)
        found.append(rate.update(ppg[begin:end], None if acc is None else acc[begin:end], hop / 25))
    return np.array(found)


def test_the_heart_is_found_under_steps_three_times_as_strong():
    found = follow(*walk())
    assert abs(found[10:, 0] - 120).mean() < 2
    assert (found[10:, 1] < 8).all()


def test_without_an_accelerometer_a_still_wearer_is_read():
    ppg, _ = walk(motion=0.0)
    assert abs(follow(ppg, None)[5:, 0] - 120).mean() < 2


def test_the_future_changes_nothing():
    ppg, acc = walk(30.0)
    other_ppg, other_acc = ppg.copy(), acc.copy()
    other_ppg[500:] *= -7.0
    other_acc[500:] += 3.0
    here = (500 - 200) // 25 + 1
    assert np.array_equal(follow(ppg, acc)[:here], follow(other_ppg, other_acc)[:here])


def test_where_all_was_seen_nothing_changes_to_the_last_bit():
    ppg, acc = walk(16.0)
    whole, told = spectra(ppg, acc), spectra(ppg, acc, np.ones(400, dtype=bool))
    for name in ("residual", "long_residual", "raw", "movement"):
        assert np.array_equal(getattr(whole, name), getattr(told, name)), name
    assert whole.left == told.left


def test_what_was_not_seen_counts_in_no_fit_and_in_no_spectrum():
    ppg, acc = walk(16.0)
    seen = np.ones(400, dtype=bool)
    seen[230:255] = seen[330:350] = False
    torn, shaken = ppg.copy(), acc.copy()
    for a, b in ((230, 255), (330, 350)):  # a line, as the grid has there
        for x in (torn, shaken):
            x[a:b] = np.linspace(x[a - 1], x[b], b - a)
    told, blind = spectra(torn, shaken, seen), spectra(torn, shaken)
    near = slice(115, 126)  # the heart's 120 a minute
    assert told.residual[:, near].sum() > blind.residual[:, near].sum()
    assert abs(30 + np.argmax(log_evidence(told)) - 120) <= 1
    assert told.left > 0.0


def test_a_residual_holds_nothing_of_the_motion():
    ppg, acc = walk(16.0)
    left = residual(ppg[-400:], acc[-400:])
    assert left.std() < 0.5 * ppg[-200:].std()


def test_the_newest_counts_most_where_what_movement_does_turns_round():
    _, acc = walk(16.0)
    shaken = 3.0 * acc[:, :1]
    shaken[200:] *= -1.0  # an even fit over all 16 s would find nothing to take out
    assert residual(shaken, acc)[-100:].std() < 0.6 * shaken[-100:].std()


@pytest.mark.parametrize("bpm_per_s", [0.5, -0.5, 1.0])
def test_a_changing_rate_is_that_of_the_beats_of_the_8_s_and_does_not_lag(bpm_per_s):
    rng = np.random.default_rng(4)
    t = np.arange(0, 120, 1 / RATE_HZ)
    rate = (70 if bpm_per_s > 0 else 140) + bpm_per_s * t
    phase = 2 * np.pi * np.cumsum(rate) / 60 / RATE_HZ
    ppg = (np.sin(phase) + 0.3 * np.sin(2 * phase) + 0.1 * rng.normal(size=len(t)))[:, None]
    found = follow(ppg, 0.02 * rng.normal(size=(len(t), 3)))
    counted = rate[0] + bpm_per_s * (4.0 + np.arange(len(found)))
    ahead_s = (found[:, 0] - counted)[20:].mean() / bpm_per_s
    assert abs(ahead_s) < 0.4


def plainly(ppg, acc):
    """Residual and movement of ``spectra`` written out: one regression a channel, one transform a row."""
    sections = butterworth(2, (0.4, 8.0), RATE_HZ, "band")
    x, motion = zero_phase(ppg, sections, 100), zero_phase(acc, sections, 100)
    n = len(x)
    held = np.concatenate([np.repeat(motion[:1], 20, axis=0), motion, np.repeat(motion[-1:], 20, axis=0)])
    columns = np.concatenate([held[20 - lag : 20 - lag + n] for lag in range(-6, 7, 2)], axis=1)
    counts = np.exp(-np.arange(n)[::-1] / (8.0 * RATE_HZ))
    columns, level = (y - counts @ y / counts.sum() for y in (columns, x))
    squares = columns.T @ (counts[:, None] * columns)
    ridge = np.diag(0.1 * np.diag(squares))

    def share(row, first):
        power = abs(np.fft.rfft((row - row.mean()) * np.linspace(first, 2 - first, len(row)), 1500)[:446]) ** 2
        return power / power[30:223].sum()

    weights = np.linalg.solve(squares + ridge, columns.T @ (counts[:, None] * level))
    left = (level - columns @ weights).T
    moved = sum(abs(np.fft.rfft((a - a.mean()) * np.linspace(0.4, 1.6, 200), 1500)[:446]) ** 2 for a in motion[-200:].T)
    raw = [share(row[-200:], 0.4) for row in x.T]
    return [share(row[-200:], 0.4) for row in left], [share(row, 0.2) for row in left], raw, moved / moved[30:].sum()


@pytest.mark.parametrize("seconds", [8.0, 11.0, 16.0])
def test_the_shared_sums_change_nothing(seconds):
    ppg, acc = walk(seconds)
    found = spectra(ppg, acc)
    short, long, raw, moved = plainly(ppg, acc)
    np.testing.assert_allclose(found.residual, short, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.long_residual, long, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.raw, raw, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.movement[0], moved, rtol=1e-6, atol=1e-9)


def test_noise_leaves_doubt():
    rng = np.random.default_rng(3)
    found = follow(rng.normal(size=(1000, 1)), rng.normal(size=(1000, 3)))
    assert len(found) == 33
    assert all(answer is None or answer[1] > 8 for answer in found)
    assert sum(answer is not None for answer in found) <= 2


def test_silence_is_no_evidence():
    assert log_evidence(spectra(np.zeros((400, 1)), None)) == pytest.approx(np.zeros(193))


@pytest.mark.parametrize("gain", [2.0**-100, 2.0**-33, 2.0**60])
def test_the_unit_of_a_pulse_wave_changes_nothing(gain):
    """Amperes of a photodiode, say, whose pulse is a billionth of one."""
    ppg, acc = walk(20.0)
    assert follow(gain * ppg, acc).tolist() == follow(ppg, acc).tolist()


def loudest(x):
    """A stand-in for the network: the residual's own logarithm."""
    return 6.0 * x[:, :1]


@pytest.mark.parametrize("network", [None, loudest])
def test_the_future_changes_nothing_with_and_without_a_network(network):
    ppg, acc = walk(40.0)
    whole = follow(ppg, acc, network)
    for samples in (300, 425, 775):
        cut = follow(ppg[:samples], acc[:samples], network)
        assert np.array_equal(whole[: len(cut)], cut)


def test_a_network_is_asked_only_where_there_is_an_accelerometer():
    ppg, acc = walk(20.0)
    asked = []

    def network(x):
        asked.append(x)
        return loudest(x)

    follow(ppg, None, network)
    assert not asked
    follow(ppg, acc, network)
    assert asked[0].shape == (1, len(CHANNELS), 1, len(GRID_BPM))
    assert asked[0].dtype == np.float32
    assert all(np.isfinite(x).all() for x in asked)


def test_closer_windows_are_not_believed_more():
    ppg, acc = walk(60.0, motion=6.0)
    often, seldom = follow(ppg, acc, hop=25), follow(ppg, acc, hop=50)
    assert np.median(often[20:, 1]) > 0.7 * np.median(seldom[10:, 1])


def test_silence_can_be_shown_to_a_network():
    still = np.zeros((400, 2))
    x = network_input(spectra(still, np.zeros((400, 3))))
    assert np.isfinite(x).all()
    with pytest.raises(ValueError, match="accelerometer"):
        network_input(spectra(still, None))


def test_the_spectrum_is_read_at_whole_bpm():
    t = np.arange(400) / RATE_HZ
    ppg = np.sin(2 * np.pi * (101.0 / 60.0) * t)[:, None]
    found = spectra(ppg, None)
    assert found.residual[0].argmax() == 101
    assert found.long_residual[0].argmax() == 101
    assert found.residual[:, 30:223].sum() == pytest.approx(1.0)
