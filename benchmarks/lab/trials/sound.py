"""Trials of sound as it comes: guessed and unknown lengths, damage, pipes, killed recorders, memory, and reasons.

Inputs are made from the shipped clips with soundfile; ffmpeg makes the M4A.
"""

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from benchmarks.lab.trials.trial import CLIPS, Outcome, Run, Trial, unmask

RATE = 16000
END = "city of London"  # the last words of the clip L, which has 22
WORDS = 22


def clip(name: str = "lj-jail") -> NDArray[np.float32]:
    samples, rate_hz = soundfile.read(CLIPS / f"{name}.flac", dtype="float32")
    return np.asarray(soxr.resample(samples, rate_hz, RATE), np.float32)


def whole(run: Run, words: int = WORDS) -> bool:
    """All words of the clip came, and nothing went wrong."""
    return run.code == 0 and not run.traceback and END in run.out and abs(len(run.out.split()) - words) <= 1


def said(run: Run) -> str:
    return f"{len(run.out.split())} words; {run.last_line.removeprefix('unmask: ')}"


def joined(folder: Path, form: str, times: int = 12, **options: str) -> bytearray:
    """A minute and more: the clip again and again, which is known at any time."""
    path = folder / f"join.{form.lower()}"
    samples = clip()
    with soundfile.SoundFile(path, "w", RATE, 1, format=form, **options) as file:
        for _ in range(times):
            file.write(samples)
    return bytearray(path.read_bytes())


def guessed_length(folder: Path) -> Outcome:
    path = folder / "l.mp3"
    samples = soxr.resample(clip(), RATE, 44100)
    soundfile.write(path, samples, 44100, format="MP3", bitrate_mode="VARIABLE", compression_level=0.5)
    data = path.read_bytes()
    sync = data[:2]
    (folder / "no-xing.mp3").write_bytes(data[data.index(sync, 40) :])
    run = unmask("caption", "no-xing.mp3", folder=folder)
    return Outcome(whole(run) and "7.2 s of audio" in run.err.replace("7.3", "7.2"), said(run))


def unknown_length(folder: Path) -> Outcome:
    data = bytearray((CLIPS / "lj-jail.flac").read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    (folder / "streamed.flac").write_bytes(data)
    chained = b""
    for name in ("austen-dashwood", "lj-jail"):
        soundfile.write(folder / "one.ogg", clip(name), RATE, format="OGG", subtype="VORBIS")
        chained += (folder / "one.ogg").read_bytes()
    (folder / "chained.ogg").write_bytes(chained)
    flac, ogg = (unmask("caption", name, folder=folder) for name in ("streamed.flac", "chained.ogg"))
    return Outcome(whole(flac) and whole(ogg, WORDS + 21), f"FLAC {said(flac)}; Ogg {said(ogg)}")


def damage(form: str, change: Callable[[bytearray], None], **options: str) -> Callable[[Path], Outcome]:
    """The last cue of a damaged file against that of the whole one."""

    def run(folder: Path) -> Outcome:
        data = joined(folder, form, **options)
        change(data)
        name = f"bad.{form.lower()}"
        (folder / name).write_bytes(data)
        good, bad = (unmask("caption", "--format", "srt", one, folder=folder) for one in (f"join.{form.lower()}", name))
        ends = [next((line[17:] for line in reversed(one.out.splitlines()) if " --> " in line), "never") for one in (good, bad)]
        told = next((line[8:] for line in bad.err.splitlines() if f"{name}: damaged" in line), "nothing is told")
        right = bad.code == 0 and told.startswith(name) and ends[0][:8] == ends[1][:8]
        return Outcome(right, f"last cue ends {ends[1]} of {ends[0]}; {told}")

    return run


def flip(data: bytearray) -> None:
    data[len(data) // 2] ^= 16


def zero(data: bytearray) -> None:
    third = len(data) // 3
    data[third : 4 * third // 3] = bytes(4 * third // 3 - third)


def cut(data: bytearray) -> None:
    del data[len(data) // 3 : len(data) // 3 + len(data) // 9]


def halves(folder: Path) -> Outcome:
    told = []
    for form, options in (("WAV", {}), ("FLAC", {}), ("MP3", {}), ("OGG", {"subtype": "VORBIS"})):
        data = joined(folder, form, **options)
        (folder / f"half.{form.lower()}").write_bytes(data[: len(data) // 2])
        run = unmask("caption", f"half.{form.lower()}", folder=folder)
        told.append(run.code == 0 and "damaged" in run.err and len(run.out.split()) > 4 * WORDS)
    return Outcome(all(told), f"{sum(told)} of 4 are captioned and told")


def standard_input(folder: Path) -> Outcome:
    right = []
    forms = [("FLAC", None), ("MP3", None), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("AIFF", None), ("AU", None), ("CAF", None)]
    for form, subtype in forms:
        soundfile.write(folder / "x", clip(), RATE, format=form, subtype=subtype)
        right.append(whole(unmask("caption", "-", folder=folder, stdin=(folder / "x").read_bytes())))
    subprocess.run(["ffmpeg", "-v", "error", "-i", CLIPS / "lj-jail.flac", folder / "x.m4a"], check=True)
    run = unmask("caption", "-", folder=folder, stdin=(folder / "x.m4a").read_bytes())
    right.append(whole(run) or "pip install" in run.err)
    return Outcome(all(right), f"{sum(right)} of {len(right)} formats")


def pipes(folder: Path) -> Outcome:
    data = (CLIPS / "lj-jail.flac").read_bytes()
    named = unmask("caption", "/dev/stdin", folder=folder, stdin=data)
    os.mkfifo(folder / "pipe")
    writer = subprocess.Popen(["sh", "-c", f"cat {CLIPS / 'lj-jail.flac'} > pipe"], cwd=folder)
    fifo = unmask("caption", "pipe", folder=folder)
    writer.wait()
    return Outcome(whole(named) and whole(fifo), f"/dev/stdin {said(named)}; FIFO {said(fifo)}")


def memory(folder: Path) -> Outcome:
    """Peak of the whole command, for a silent MP3 of 48 kHz stereo; each in a process whose only child it is."""
    peaks = []
    for minutes in (1, 10):
        with soundfile.SoundFile(folder / "m.mp3", "w", 48000, 2, format="MP3") as file:
            for _ in range(minutes * 60):
                file.write(np.zeros((48000, 2), np.float32))
        code = (
            "import resource, subprocess, sys; subprocess.run([sys.executable, '-m', 'unmask.apps.cli.main', 'caption', 'm.mp3'],"
            " check=True, capture_output=True); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
    return Outcome(peaks[1] < peaks[0] + 20, f"1 min {peaks[0]} MiB, 10 min {peaks[1]} MiB")


def killed_recorder(folder: Path) -> Outcome:
    soundfile.write(folder / "killed.wav", clip(), RATE)
    data = bytearray((folder / "killed.wav").read_bytes())
    at = data.find(b"data")
    data[at + 4 : at + 8] = data[4:8] = bytes(4)
    (folder / "killed.wav").write_bytes(data)
    file, piped = unmask("caption", "killed.wav", folder=folder), unmask("caption", "-", folder=folder, stdin=bytes(data))
    tail = b"id3 " + struct.pack("<I", 600_000) + bytes(600_000)
    soundfile.write(folder / "tail.wav", clip(), RATE)
    after = unmask("caption", "-", folder=folder, stdin=(folder / "tail.wav").read_bytes() + tail)
    right = whole(file) and whole(piped) and "7.2 s heard" in after.err
    return Outcome(right, f"file {said(file)}; - {said(piped)}; with a chunk after it {after.last_line}")


def reasons(folder: Path) -> Outcome:
    (folder / "x.mp3").write_bytes(b"\0\0\0\x18ftypM4A ")
    run = unmask("caption", "x.mp3", folder=folder)
    return Outcome(run.code == 2 and "M4A" in run.err and not run.traceback, run.last_line)


TRIALS = (
    Trial(
        "F3",
        "MP3 whose length is a guess",
        "22 words, 7.2 s",
        "apps/audio/test_lengths.py::test_mp3_without_the_encoders_tag_is_read_to_its_end",
        guessed_length,
    ),
    Trial(
        "F5",
        "streams of unknown length",
        "FLAC 22 words, chained Ogg 43",
        "apps/audio/test_lengths.py::test_all_links_of_chained_ogg_are_heard",
        unknown_length,
    ),
    *(
        Trial(
            "F7",
            f"{options.get('subtype', form)}: {what}",
            "all that can be read, at its time, and a line",
            f"apps/audio/test_damaged.py::{test}",
            damage(form, change, **options),
        )
        for form, options in (("FLAC", {}), ("OGG", {"subtype": "VORBIS"}), ("OGG", {"subtype": "OPUS"}))
        for what, change, test in (
            ("one bit", flip, "test_one_flipped_bit_costs_a_moment"),
            ("a stretch zeroed", zero, "test_a_stretch_of_zeros_is_silence_and_what_follows_keeps_its_time"),
            ("a stretch cut out", cut, "test_a_stretch_that_was_cut_out_leaves_silence"),
        )
    ),
    Trial(
        "F7",
        "MP3: a stretch zeroed",
        "all that can be read, at its time, and a line",
        "apps/audio/test_damaged.py::test_a_stretch_of_zeros_is_silence_and_what_follows_keeps_its_time",
        damage("MP3", zero),
    ),
    Trial(
        "F7",
        "cut in half",
        "the first half, and a line",
        "apps/audio/test_damaged.py::test_a_file_cut_in_half_is_heard_to_its_end_and_says_what_is_missing",
        halves,
    ),
    Trial(
        "F10",
        "audio on standard input in another form",
        "the text",
        "apps/audio/test_pipes.py::test_every_format_is_heard_on_standard_input",
        standard_input,
    ),
    Trial(
        "F11",
        "pipes as files",
        "the text",
        "apps/audio/test_pipes.py::test_every_format_is_heard_through_a_pipe_with_a_name",
        pipes,
    ),
    Trial(
        "F12", "memory by length", "the same", "apps/audio/test_files.py::test_memory_does_not_grow_with_the_recording", memory
    ),
    Trial(
        "F14",
        "recorder was killed",
        "22 words in a file and through `-`; chunks after the sound are not heard",
        "apps/audio/test_lengths.py::test_wav_of_a_recorder_that_was_killed",
        killed_recorder,
    ),
    Trial(
        "F22",
        "M4A named .mp3",
        "exit 2, one line that says M4A",
        "apps/audio/test_formats.py::test_a_format_that_takes_another_package_says_which_and_how_to_convert",
        reasons,
    ),
)
