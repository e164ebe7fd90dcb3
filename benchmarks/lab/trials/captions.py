"""Trials of captions: words in their places, subtitles, files that are written, names, pipes, languages."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import soundfile
import srt

from benchmarks.lab.trials.trial import CLIPS, COMMAND, Outcome, Trial, unmask

JAIL, DASHWOOD, LIBRISPEECH = (CLIPS / f"{name}.flac" for name in ("lj-jail", "austen-dashwood", "librispeech-533"))
RATE = 16_000


def write(path: Path, samples: np.ndarray, **options: str) -> Path:
    soundfile.write(path, samples, RATE, **options)
    return path


def heard(clip: Path) -> np.ndarray:
    return soundfile.read(clip, dtype="float32")[0]


def destroyed(folder: Path) -> Outcome:
    """F2: outputs that are inputs, and old captions with bad input."""
    first, second, old = folder / "a.flac", folder / "b.flac", folder / "t.srt"
    for copy in (first, second):
        shutil.copy(JAIL, copy)
    old.write_text("old")
    runs = [
        unmask("caption", "--output", first, second, first, folder=folder),
        unmask("caption", second, "--output", second, folder=folder),
        unmask("caption", "--format", "srt", "gone.flac", "--output", old, folder=folder),
        unmask("caption", "--bundle", "nosuch", "--format", "srt", second, "--output", old, folder=folder),
    ]
    whole = first.read_bytes() == second.read_bytes() == JAIL.read_bytes() and old.read_text() == "old"
    codes = [run.code for run in runs]
    return Outcome(whole and codes == [2, 2, 2, 2], f"exit codes {codes}, {'all whole' if whole else 'not all whole'}")


def late(folder: Path) -> Outcome:
    """F4: the 36 files. The first sound of a clip is taken as its first word."""
    rng, early, times = np.random.default_rng(0), 0, list[float]()
    for clip in (JAIL, DASHWOOD, LIBRISPEECH):
        for silent_s in (1, 2, 3, 5, 8, 11):
            for noise in (0.0, 1e-3):
                silence = (noise * rng.standard_normal(silent_s * RATE)).astype(np.float32)
                path = write(folder / "late.wav", np.concatenate([silence, heard(clip)]))
                words = json.loads(unmask("caption", "--quiet", "--json", path, folder=folder).out)["words"]
                times.append(words[0]["start_s"] - silent_s)
                early += times[-1] < -0.3
    at = f"{min(times):+.2f} to {max(times):+.2f} s from the sound"
    return Outcome(not early, f"{early} of {len(times)} begin over 0.3 s early; the first word {at}")


def one_bad_file(folder: Path) -> Outcome:
    """F6: headerless sound among good recordings."""
    bad = folder / "pcm.raw"
    (heard(JAIL) * 32767).astype("<i2").tofile(bad)
    run = unmask("caption", "--quiet", bad, JAIL, folder=folder)
    return Outcome(
        run.code == 2 and "inadequacy" in run.out and not run.traceback, f"exit code {run.code}, the other is captioned"
    )


def listen() -> None:
    """A program that a shell starts in the background does not hear Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupted(folder: Path) -> Outcome:
    """F8: Ctrl-C, SIGTERM and SIGKILL in minutes of work, to a file."""
    path = write(folder / "long.wav", np.tile(heard(LIBRISPEECH), 80))
    found = []
    for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        target = folder / sent.name
        target.mkdir()
        options = ["--format", "srt", "--output", str(target / "t.srt")]
        line = [*COMMAND, "caption", *options, str(path)]
        process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True, preexec_fn=listen)
        until = time.monotonic() + 120
        while not any(part.stat().st_size for part in target.iterdir()) and time.monotonic() < until:
            time.sleep(0.1)
        process.send_signal(sent)
        _, error = process.communicate()
        cues = len(list(srt.parse(next(target.iterdir()).read_text())))
        found.append((process.returncode, cues, "Traceback" in error))
    right = [code for code, _, _ in found] == [130, 143, -9] and all(cues and not traceback for _, cues, traceback in found)
    return Outcome(right, ", ".join(f"exit {code}: {cues} cues" for code, cues, _ in found))


def unwritable(folder: Path) -> Outcome:
    """F9: a full device, and a folder of the target's name."""
    (folder / "o" / "lj-jail.txt").mkdir(parents=True)
    runs = [unmask("caption", JAIL, "--output", place, folder=folder) for place in ("/dev/full", "o")]
    one_line = all(run.code == 2 and not run.traceback for run in runs)
    return Outcome(one_line, f"exit codes {[run.code for run in runs]}: {runs[1].last_line.replace(str(folder), '')}")


def opposite(folder: Path) -> Outcome:
    """F13: the right channel is the left one upside down."""
    x = heard(JAIL)
    run = unmask("caption", "--quiet", write(folder / "phase.wav", np.stack([x, -x], 1)), folder=folder)
    return Outcome(len(run.out.split()) == 22, f"{len(run.out.split())} words")


def abbreviations(folder: Path) -> Outcome:
    """F15: the README's own clip."""
    cues = list(srt.parse(unmask("caption", "--quiet", "--format", "srt", DASHWOOD, folder=folder).out))
    return Outcome(cues[0].content.startswith("Mr. John Dashwood"), " / ".join(cues[0].content.splitlines()))


def names(folder: Path) -> Outcome:
    """F16: bytes that are no text."""
    name = os.fsdecode(b"caf\xe9.flac")
    shutil.copy(JAIL, folder / name)
    run = unmask("caption", "--quiet", name, JAIL, folder=folder)
    return Outcome(run.code == 0 and len(run.out.splitlines()) == 2, f"exit code {run.code}, {len(run.out.splitlines())} lines")


def closed_pipe(folder: Path) -> Outcome:
    """F17: the reader goes after the first line."""
    line = f"{sys.executable} -m unmask.apps.cli.main caption --quiet {JAIL} {JAIL} {JAIL} | head -n 1"
    done = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, check=False)
    return Outcome("inadequacy" in done.stdout and not done.stderr, "quiet" if not done.stderr else done.stderr.splitlines()[-1])


def left_over(folder: Path) -> Outcome:
    """F18 and F19 on the three clips with silence between; `benchmarks.lab.subtitles` has the figures of 13.9 minutes."""
    silence = np.zeros(2 * RATE, np.float32)
    joined = np.concatenate([part for clip in (JAIL, DASHWOOD, LIBRISPEECH) for part in (heard(clip), silence)])
    cues = list(srt.parse(unmask("caption", "--quiet", "--format", "srt", write(folder / "j.wav", joined), folder=folder).out))
    speeds = [len(cue.content) / (cue.end - cue.start).total_seconds() for cue in cues]
    alone = sum(len(cue.content.split()) == 1 for cue in cues)
    now = f"{len(cues)} cues, {alone} of one word, at most {max(speeds):.1f} characters a second"
    return Outcome(not alone and max(speeds) <= 20, now)


def encodings(folder: Path) -> Outcome:
    """F20: output in a code page that lacks the letters of a name."""
    shutil.copy(JAIL, folder / "ünï 日本.flac")
    run = unmask("caption", "--quiet", "ünï 日本.flac", JAIL, folder=folder, environment={"PYTHONIOENCODING": "cp1252"})
    return Outcome(run.code == 0 and run.out.count("inadequacy") == 2, f"exit code {run.code}")


def no_sound(folder: Path) -> Outcome:
    """F21: a float WAV in the range of 16-bit integers, and a channel of NaN."""
    x = heard(JAIL)
    scale = unmask("caption", "--quiet", write(folder / "scale.wav", x * 32768, subtype="FLOAT"), folder=folder)
    halves = np.stack([x, np.full_like(x, np.nan)], 1)
    nan = unmask("caption", "--quiet", write(folder / "nan.wav", halves, subtype="FLOAT"), folder=folder)
    runs = ((scale, "scale.wav"), (nan, "nan.wav"))
    told = [len(run.out.split()) == 22 or (run.code == 2 and name in run.err) for run, name in runs]
    return Outcome(all(told), "; ".join(run.last_line.replace(str(folder) + "/", "") or "22 words" for run in (scale, nan)))


def languages(folder: Path) -> Outcome:
    """F23: German by espeak-ng, and English."""
    said = {
        "de": "Guten Tag, meine Damen und Herren. Heute sprechen wir über die Geschichte der Eisenbahn in unserem Land.",
        "en-us": "Good day, ladies and gentlemen. Today we speak about the history of the railway in our country.",
    }
    told = {}
    for voice, text in said.items():
        subprocess.run(["espeak-ng", "-v", voice, "-w", str(folder / f"{voice}.wav"), text], check=True)
        told[voice] = "does not sound like English" in unmask("caption", "--quiet", f"{voice}.wav", folder=folder).err
    return Outcome(
        told == {"de": True, "en-us": False}, f"told: {', '.join(voice for voice, yes in told.items() if yes) or 'none'}"
    )


TRIALS = (
    Trial(
        "F2", "output destroys", "refused, all whole", "apps/cli/test_formats.py::test_a_recording_is_never_the_output", destroyed
    ),
    Trial(
        "F4",
        "words in silence",
        "0.3 s early at most",
        "runtime/speech/test_heard_times.py::test_a_word_that_was_put_before_its_sound_begins_with_it",
        late,
    ),
    Trial(
        "F6",
        "one bad file",
        "the others captioned",
        "apps/audio/test_files.py::test_headerless_sound_is_refused_in_one_line",
        one_bad_file,
    ),
    Trial(
        "F8",
        "interrupted",
        "what is done is there",
        "apps/captions/test_recordings.py::test_captions_so_far_outlive_the_process",
        interrupted,
    ),
    Trial(
        "F9",
        "cannot be written",
        "one line, before the work",
        "apps/captions/test_replaced_file.py::test_a_place_that_cannot_be_written_is_refused_at_once",
        unwritable,
    ),
    Trial(
        "F13",
        "opposite phase",
        "22 words",
        "apps/audio/test_files.py::test_channels_that_cancel_each_other_are_not_averaged",
        opposite,
    ),
    Trial(
        "F15",
        "abbreviations",
        "Mr. John Dashwood ...",
        "apps/captions/test_cues.py::test_abbreviations_end_no_cue",
        abbreviations,
    ),
    Trial("F16", "names", "both captioned", "apps/cli/test_faults.py::test_a_name_that_is_no_text_is_captioned", names),
    Trial("F17", "closed pipe", "a quiet end", "apps/cli/test_faults.py::test_a_reader_that_has_enough_is_no_error", closed_pipe),
    Trial("F18", "leftovers", "no word alone", "apps/captions/test_cues.py::test_no_few_words_are_left_over", left_over),
    Trial(
        "F19", "reading speed", "20 characters a second at most", "apps/captions/test_cues.py::test_how_long_cues_stay", left_over
    ),
    Trial(
        "F20",
        "not UTF-8",
        "both captioned",
        "apps/cli/test_faults.py::test_letters_that_the_output_cannot_show_are_marked",
        encodings,
    ),
    Trial(
        "F21",
        "numbers that are no sound",
        "a line with the name",
        "apps/audio/test_files.py::test_numbers_that_are_no_sound_are_named_with_their_file",
        no_sound,
    ),
    Trial(
        "F23", "other languages", "a line", "apps/cli/test_caption.py::test_what_does_not_sound_like_english_is_told", languages
    ),
)
