"""Runs the trials and prints a Markdown table of them: what was expected, what happens now, and the test that holds it.

    python -m benchmarks.lab.trials [NUMBER ...]

Without a number it runs all of them. Some need ffmpeg, sox, lame, espeak-ng or strace, and say so where one lacks.
The exit code is 1 if one is wrong.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.lab.trials import captions, checkpoints, families, running, sound
from benchmarks.lab.trials.trial import Outcome, Trial

TRIALS: tuple[Trial, ...] = (
    *captions.TRIALS,
    *sound.TRIALS,
    *checkpoints.TRIALS,
    *families.TRIALS,
    *running.TRIALS,
)
"""All trials, in the order of their table."""


def run(trial: Trial) -> Outcome:
    """The trial in a folder of its own; a program that this machine lacks, or a command that never ends, is an outcome too."""
    with tempfile.TemporaryDirectory(prefix="trial-") as folder:
        try:
            return trial.run(Path(folder))
        except FileNotFoundError as error:
            return Outcome(False, f"not run: {error.filename} is not on this machine")
        except subprocess.TimeoutExpired:
            return Outcome(False, "did not end")


def main(numbers: list[str]) -> int:
    """Prints the table; returns the exit code."""
    chosen = [trial for trial in TRIALS if not numbers or trial.number in numbers]
    print("| # | kind | expected | now | test |\n|---|---|---|---|---|")
    wrong = 0
    for trial in chosen:
        outcome = run(trial)
        wrong += not outcome.right
        now = outcome.now if outcome.right else f"**wrong**: {outcome.now}"
        print(f"| {trial.number} | {trial.kind} | {trial.expected} | {now} | `{trial.test}` |", flush=True)
    print(f"\n{len(chosen) - wrong} of {len(chosen)} are right.")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
