"""Five seconds of music, synthesised: four chords, a bass, and a melody of bells with an echo.

Pure additive synthesis on numpy; the same call gives the same samples.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

SAMPLE_RATE: Final = 48_000
CHORD_S: Final = 1.25
"""One chord, one photograph: two beats at 96 a minute."""
PEAK: Final = 0.7
"""Loudest sample, of 1."""

type Samples = npt.NDArray[np.float64]
"""(n,) for one voice, (2, n) for stereo, within -1 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A note: MIDI pitch (69 is 440 Hz), beginning and length in seconds, loudness 0 to 1, place -1 (left) to 1."""

    pitch: int
    start_s: float
    length_s: float
    level: float
    place: float = 0.0


CHORDS: Final = ((53, 60, 64, 69), (55, 59, 62, 69), (52, 60, 64, 67), (48, 60, 64, 67))
"""F major seventh, G with its ninth, C over E, C: MIDI pitches, bass first."""

MELODY: Final = (
    (0.0, 76), (0.625, 72), (0.9375, 74), (1.25, 74), (1.875, 79), (2.1875, 76),
    (2.5, 76), (2.8125, 79), (3.125, 84), (3.4375, 83), (3.75, 84), (4.0625, 79),
)  # fmt: skip
"""(seconds, pitch)."""


def music(duration_s: float) -> Samples:
    """The piece, (2, n) at `SAMPLE_RATE`, faded out at its end; repeated when longer than the four chords."""
    length = round(duration_s * SAMPLE_RATE)
    mix = np.zeros((2, length))
    for pad in _repeated(_pads(), duration_s):
        _add(mix, pad, _pad_voice(pad))
    for bell in _repeated(_bells(), duration_s):
        _add(mix, bell, _bell_voice(bell))
    fade = np.clip((length - np.arange(length)) / (0.5 * SAMPLE_RATE), 0, 1) ** 2
    mix *= fade
    scaled: Samples = mix * (PEAK / np.abs(mix).max())
    return scaled


def _pads() -> list[Note]:
    """The chords: a bass in the middle, the other tones spread from left to right."""
    notes = []
    for number, (bass, *tones) in enumerate(CHORDS):
        start_s = number * CHORD_S
        notes.append(Note(pitch=bass - 12, start_s=start_s, length_s=CHORD_S, level=0.55))
        notes += [
            Note(pitch=tone, start_s=start_s, length_s=CHORD_S, level=0.2, place=place)
            for tone, place in zip(tones, (-0.6, 0.6, 0.1), strict=True)
        ]
    return notes


def _bells() -> list[Note]:
    """The melody and, three sixteenths later and softer on the other side, its echo."""
    notes = []
    for start_s, pitch in MELODY:
        for echo, level in enumerate((0.42, 0.17, 0.08)):
            side = 0.35 if echo % 2 else -0.35
            late_s = start_s + echo * 0.46875
            notes.append(Note(pitch=pitch, start_s=late_s, length_s=1.4, level=level, place=side))
    return notes


def _repeated(notes: list[Note], duration_s: float) -> list[Note]:
    bar_s = len(CHORDS) * CHORD_S
    return [
        Note(
            pitch=note.pitch,
            start_s=note.start_s + bar * bar_s,
            length_s=note.length_s,
            level=note.level,
            place=note.place,
        )
        for bar in range(int(np.ceil(duration_s / bar_s)))
        for note in notes
    ]


def _pad_voice(note: Note) -> Samples:
    """Slow in, slow out; a few soft overtones, each doubled a little out of tune so that it moves."""
    time_s = _times(note.length_s + 0.35)
    swell = np.clip(time_s / 0.18, 0, 1) * np.clip((note.length_s + 0.35 - time_s) / 0.5, 0, 1)
    tone = np.zeros_like(time_s)
    for overtone, level in enumerate((1.0, 0.35, 0.16, 0.06), start=1):
        for cents in (-4, 4):
            frequency_hz = _frequency_hz(note.pitch) * overtone * 2 ** (cents / 1200)
            tone += 0.5 * level * np.sin(2 * np.pi * frequency_hz * time_s)
    voice: Samples = tone * np.sin(swell * np.pi / 2) ** 2
    return voice


def _bell_voice(note: Note) -> Samples:
    """Struck and ringing: overtones of a marimba-like bar, the higher ones gone sooner."""
    time_s = _times(note.length_s)
    tone = np.zeros_like(time_s)
    for ratio, level, decay_s in ((1.0, 1.0, 0.42), (2.0, 0.28, 0.25), (3.93, 0.18, 0.09), (6.8, 0.06, 0.04)):
        tone += level * np.exp(-time_s / decay_s) * np.sin(2 * np.pi * _frequency_hz(note.pitch) * ratio * time_s)
    voice: Samples = tone * np.clip(time_s / 0.004, 0, 1)
    return voice


def _add(mix: Samples, note: Note, voice: Samples) -> None:
    """Put a voice into the mix at its time and place; constant power between left and right."""
    start = round(note.start_s * SAMPLE_RATE)
    voice = voice[: max(0, mix.shape[1] - start)]
    angle = (note.place + 1) * np.pi / 4
    mix[0, start : start + len(voice)] += note.level * np.cos(angle) * voice
    mix[1, start : start + len(voice)] += note.level * np.sin(angle) * voice


def _times(length_s: float) -> Samples:
    return np.arange(round(length_s * SAMPLE_RATE)) / SAMPLE_RATE


def _frequency_hz(pitch: int) -> float:
    return float(440.0 * 2 ** ((pitch - 69) / 12))
