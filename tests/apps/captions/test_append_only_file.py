"""Caption files that hold what was said at any moment: after SIGKILL and on a full disk."""

import os
import resource
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
import srt
import webvtt

from tests.apps.conftest import CLIPS
from unmask.apps.captions.append_only_file import CaptionFile, WriteError
from unmask.errors import InputError


def test_text_is_appended(tmp_path: Path) -> None:
    file = CaptionFile(tmp_path / "a.txt")
    file.append("one\n")
    file.append("zwölf\n", sync=False)
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "one\nzwölf\n"
    file.close()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no/such/place"):
        CaptionFile(tmp_path / "no/such/place.srt")


def test_a_full_disk_keeps_whole_appends_and_the_rest_comes_later(tmp_path: Path) -> None:
    """A limit on the size of files is a disk with so much room."""
    path, (soft, hard) = tmp_path / "a.txt", resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        file = CaptionFile(path)
        file.append("first\n")
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
        file.append("second\n")  # four bytes fit
        assert path.read_text() == "first\n"
        assert file.error is not None
        file.append("third\n")
        assert path.read_text() == "first\n"
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        file.append("fourth\n")
        assert file.error is None
        file.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_text() == "first\nsecond\nthird\nfourth\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_what_never_could_be_written_is_told_at_the_end() -> None:
    file = CaptionFile(Path("/dev/full"))
    file.append("lost?\n")
    assert file.error is not None
    with pytest.raises(WriteError, match=r"No space left.*lost\?"):
        file.close()


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_sigkill_leaves_a_valid_file_with_all_ended_segments(tmp_path: Path, form: str) -> None:
    """Two clips with silence between go through a pipe that stays open, so that the process is alive when it is killed."""
    out, raw = tmp_path / f"a.{form}", b""
    for name in ("lj-jail", "librispeech-533"):
        raw += pcm(CLIPS / f"{name}.flac") + bytes(2 * 16_000)
    line = [sys.executable, "-m", "unmask.apps.cli.main", "caption", "-", "--format", form, "--output", str(out), "--quiet"]
    with subprocess.Popen(line, stdin=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write(raw)
        process.stdin.flush()
        until = time.monotonic() + 20
        while time.monotonic() < until and not (out.exists() and "unusual" in out.read_text()):
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    if form == "srt":
        found = [(cue.start.total_seconds(), cue.end.total_seconds(), cue.content) for cue in srt.parse(out.read_text())]
    else:
        found = [(cue.start_in_seconds, cue.end_in_seconds, cue.text) for cue in webvtt.read(out)]
    text = " ".join(text for _, _, text in found)
    assert "London" in text
    assert "unusual" in text
    for (_, end, _), (start, _, _) in pairwise(found):
        assert start >= end


def pcm(path: Path) -> bytes:
    import numpy as np

    from unmask.apps.audio.files import read_recording

    return (read_recording(path) * 32767).astype(np.int16).tobytes()
