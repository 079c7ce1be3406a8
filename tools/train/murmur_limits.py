"""What the card says by hand of what the murmur network cannot do, with the commands of its figures."""

from __future__ import annotations

LIMITS = """## Limits

- CirCor's people are children and adolescents, recorded with one kind of stethoscope in two screening campaigns in
  Brazil. Adults, other stethoscopes and hospitals are the [sets left out whole](#sets-left-out-whole), where it does less well.
  Infants are few and harder: of their recordings without a murmur 0.79 are called absent together and 0.75 by themselves,
  of older children's 0.94 and 0.92.
- Its murmurs are nearly all systolic. "Absent" does not rule out a diastolic murmur; mitral stenosis is never claimed.
- A murmur is not a disease, and no murmur is not health. Not a medical device.
- The heart rate from sound has no reference here beyond generated hearts. Of 210 windows of generated AF it is said in 20
  and is off by over a tenth in 7; with premature beats it may be that of the beats between them, a tenth too low. Of 3,626
  windows of CirCor with a rate 96 % of those that agree with the rest of their recording keep it under its rules, and
  60 % of the others; of 952 of CinC 2016 90 % and 64 %. Hearts of over 180 bpm have no rate.
- Noise without a pitch that swells at a heart's rate is taken for a heart, mostly with a murmur; so is the breath of an
  infant who wheezes once a second: [sounds that pass for a heart](#sounds-that-pass-for-a-heart).
- [Noise](#noise) beside the heart makes "absent" or "present" "unknown" where it could hide or feign a murmur; against
  rubbing and rumble that helps little.
- Mains hum is taken out where two of its multiples are heard or it has a tenth of the power; what lay under it stays
  hidden, so it still costs quiet murmurs. Gain that follows the beat (the automatic one of phones) makes noise between
  beats louder, which sounds like a murmur: it must be off.
- Sound in few steps (8 bits, hardly filled) is answered with noise of one step added; it hides quiet murmurs.
- At 1 kHz there is no sound above 500 Hz; the bands below stand in for it. Of 200 recordings 3 are then answered otherwise
  than at 2 kHz (1.1.0 without that: 9), at 1.2 kHz 2, at 1.6 and 4 kHz none, at 8 and 48 kHz one.
"""

PASSING = """## Sounds that pass for a heart

Tones, notes, machines and knocks are refused by their spectrum, machines and notes also by a pitch that lasts for a
tenth of a second and longer, and steps, drums and strings by how suddenly they start (of 20,450 windows of real hearts
22 are refused for these two, 20 of them with a whistle at 558 Hz, and none of 2,478 with a murmur). Noise without a pitch
that swells at a heart's rate is still taken for a heart, mostly with a murmur: so is the breath of an infant who
wheezes once a second. How slowly the sound under 120 Hz comes and goes does not part the two: limits that no recorded
murmur crosses find a third. Generated sounds that were never learnt, without these two rules and with them, as shares
of full windows (`tools/train/murmur_foreign.py`):

| sound | room noise | answered | "present" | with a rate |
|---|---|---|---|---|
| steps | 30 dB below | 0.81, 0.00 | 0.18, 0.00 | 0.81, 0.00 |
| steps | 15 dB below | 0.86, 0.24 | 0.14, 0.04 | 0.86, 0.24 |
| a drum | 30 dB below | 0.97, 0.00 | 0.42, 0.00 | 0.97, 0.00 |
| a drum | 15 dB below | 1.00, 0.51 | 0.38, 0.31 | 1.00, 0.51 |
| drums | 30 dB below | 0.79, 0.02 | 0.02, 0.00 | 0.79, 0.02 |
| drums | 15 dB below | 0.99, 0.71 | 0.01, 0.01 | 0.99, 0.71 |
| a bass | 30 dB below | 0.37, 0.03 | 0.32, 0.01 | 0.29, 0.02 |
| a bass | 15 dB below | 0.49, 0.05 | 0.36, 0.04 | 0.33, 0.03 |
| bass and drums | 30 dB below | 0.44, 0.03 | 0.30, 0.02 | 0.30, 0.02 |
| bass and drums | 15 dB below | 0.53, 0.12 | 0.39, 0.10 | 0.33, 0.07 |
| a pump of 17 to 38 Hz | 30 dB below | 0.08, 0.00 | 0.08, 0.00 | 0.04, 0.00 |
| a pump of 17 to 38 Hz | 15 dB below | 0.03, 0.00 | 0.03, 0.00 | 0.02, 0.00 |
| rubbing now and then | 30 dB below | 0.00, 0.00 | 0.00, 0.00 | 0.00, 0.00 |
| rubbing now and then | 15 dB below | 0.01, 0.01 | 0.01, 0.01 | 0.00, 0.00 |
| dull noise that swells | 30 dB below | 0.53, 0.53 | 0.53, 0.53 | 0.53, 0.53 |
| dull noise that swells | 15 dB below | 0.59, 0.59 | 0.59, 0.59 | 0.58, 0.58 |
"""

NOISE = """## Noise

Noise that would hide a quiet murmur makes "absent" "unknown", noise that swells out of step with the heart (fast breath)
makes "present" "unknown", and a window with speech in it is refused where a murmur would be said. Of 125 people with and
130 without a murmur, each heard by the network that never saw them, windows 2 s apart, with generated noise so many dB
under their sounds (`tools/train/murmur_noise.py`): without the rules for noise, with them, and in the light of the
person's other recordings, which were left as they are. Windows with speech are refused in all; the limits were chosen on
half of these people, with a look at all:

| noise | with a murmur, called absent | without one, called present | together called so: with, without |
|---|---|---|---|
| none | 21, 21, 19 | 9, 9, 10 | 106, 117 |
| white, 5 dB | 41, 3, 18 | 10, 9, 10 | 91, 96 |
| white, 10 dB | 36, 25, 24 | 10, 7, 10 | 99, 114 |
| rumble (brown), 5 dB | 46, 36, 26 | 6, 4, 7 | 87, 103 |
| rumble (brown), 10 dB | 37, 35, 27 | 5, 5, 4 | 95, 119 |
| slow breath, 18 a minute, 5 dB | 61, 22, 29 | 7, 1, 8 | 81, 104 |
| slow breath, 18 a minute, 10 dB | 46, 35, 34 | 3, 2, 5 | 85, 117 |
| ventilator, 0 dB | 69, 13, 26 | 2, 0, 9 | 76, 98 |
| ventilator, 10 dB | 49, 39, 32 | 3, 2, 4 | 82, 121 |
| fast breath, 42 a minute, 5 dB | 3, 0, 20 | 110, 12, 14 | 93, 102 |
| fast breath, 42 a minute, 10 dB | 19, 15, 18 | 70, 36, 22 | 101, 102 |
| panting, 66 a minute, 5 dB | 1, 0, 17 | 124, 16, 21 | 99, 100 |
| speech, 10 dB | 12, 12, 13 | 34, 32, 16 | 94, 102 |
| speech, 0 dB | 14, 14, 10 | 33, 32, 16 | 65, 81 |
| pump of 17 to 38 Hz, 0 dB | 8, 1, 3 | 6, 4, 4 | 18, 17 |
| a stethoscope that rubs now and then, 0 dB | 28, 28, 20 | 22, 22, 14 | 101, 106 |

By themselves most are told "unknown" then. Beside others that could tell most are told about again, since noise that would
hide a murmur, or be taken for one, takes from a recording the word it has against the others, or for one; the price is
that of those with a murmur up to 34 of 125 are called absent then (19 without noise), and of those without one up to 22
of 130 present (10). Where noise hides half of what was heard of a person, what it hides stays "unknown". Against rubbing,
against rumble, and at 10 dB the rules help little; the rate of a drum as loud as the heart is said for the heart's. With
1.1.0 a limit for steady noise that is 6 dB lower left 16 of 125 in white noise at 10 dB and 25 in rumble at 5 dB, and cost
0.7 points of specificity. Of CirCor's 1,908 recordings of people without a murmur 14 have so much noise in half of their
windows, of the 381 with one 2; noise like breath have 44 and 2.
"""
