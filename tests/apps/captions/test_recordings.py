"""Captions of recordings are written as segments end, and what is done outlives whatever ends the work."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import srt

from tests.apps.conftest import CLIPS, start
from unmask.apps.audio.files import read_recording
from unmask.apps.captions.recordings import Form, Transcript, Writer
from unmask.errors import AudioError
from unmask.speech.captioner import Caption, whole
from unmask.speech.words import Word


def part(text: str, start_s: float) -> Caption:
    words = tuple(Word(word, start_s + i, start_s + i + 0.5, 0.9) for i, word in enumerate(text.split()))
    return Caption(text, words, 20.0, 1, 2, 30, len(words))


PARTS = (part("One two. Three", 0.0), part("", 20.0), part("four.", 40.0))
DONE = whole(PARTS, 60.0)


@pytest.mark.parametrize(
    ("form", "pieces"),
    [
        ("txt", ["a.wav: ", "One two. Three", "", " four.", "\n"]),
        ("jsonl", ["", "", "", "", None]),
    ],
)
def test_pieces_of_text(form: Form, pieces: list[str | None]) -> None:
    written = Transcript(form, Path("a.wav"), named=True)
    found = [written.head(), *(written.part(one) for one in PARTS), written.rest(DONE, 1.0)]
    assert found[:-1] == pieces[:-1]
    if form == "jsonl":
        assert json.loads(found[-1])["text"] == "One two. Three four."
    else:
        assert found[-1] == pieces[-1]


def test_a_caption_of_parts_adds_up() -> None:
    assert (DONE.text, DONE.audio_s, DONE.segments, DONE.passes, DONE.rows, DONE.tokens) == (
        "One two. Three four.",
        60,
        3,
        6,
        90,
        4,
    )


def test_subtitles_of_parts_are_those_of_the_whole(tmp_path: Path) -> None:
    written, at_once = (Transcript("srt", Path("a.wav"), named=False) for _ in range(2))
    piecewise = written.head() + "".join(written.part(one) for one in PARTS) + written.rest(DONE, 1.0)
    assert piecewise == at_once.part(DONE) + at_once.rest(DONE, 1.0)
    assert [cue.content for cue in srt.parse(piecewise)][-1].endswith("four.")


@pytest.mark.parametrize("place", ["new file", "old file", "folder", "old file in a folder"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, AudioError])
def test_what_is_done_stays_and_replaces_nothing(
    tmp_path: Path, place: str, error: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "a.txt"
    if "old" in place:
        target.write_text("old\n")

    def work() -> None:
        with Writer("txt", tmp_path if "folder" in place else target, [Path("a.wav")]) as writer:
            writer.begin(Path("a.wav"))
            try:
                writer.write(PARTS[0])
                raise error
            finally:
                writer.end(whole(PARTS[:1], 20.0), 1.0, broken_off=True)

    with pytest.raises(error):
        work()
    (kept,) = [path for path in tmp_path.iterdir() if "old" not in place or path != target]
    assert kept.read_text() == "One two. Three\n"
    assert ("old" in place) == (kept != target)
    assert "old" not in place or target.read_text() == "old\n"
    assert f"the captions so far are in {kept}" in capsys.readouterr().err


def test_a_recording_without_a_part_leaves_no_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = Path("good.wav"), Path("bad.wav")
    with Writer("txt", None, [bad, good]) as writer:
        writer.begin(bad)
        writer.end(whole((), 0.0), 0.0, broken_off=True)
        writer.begin(good)
        writer.end(whole((), 5.0), 0.0)  # silence
    assert capsys.readouterr().out == "good.wav: \n"


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Minutes of speech."""
    path = tmp_path_factory.mktemp("long") / "long.wav"
    soundfile.write(path, np.tile(read_recording(CLIPS / "librispeech-533.flac"), 60), 16_000)
    return path


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)])
def test_captions_so_far_outlive_the_process(tmp_path: Path, long: Path, sent: signal.Signals, code: int) -> None:
    out = tmp_path / "t.srt"
    process = start("caption", "--quiet", "--format", "srt", "--output", out, long)
    until = time.monotonic() + 60
    while not any(path.stat().st_size for path in tmp_path.iterdir()) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(sent)
    _, err = process.communicate(timeout=30)
    (kept,) = tmp_path.iterdir()
    assert process.returncode == code
    assert "unusual" in " ".join(cue.content for cue in srt.parse(kept.read_text(), ignore_errors=False))
    if sent != signal.SIGKILL:
        assert kept == out
        assert f"the captions so far are in {out}" in err
        assert err.endswith(f"{'interrupted' if sent == signal.SIGINT else 'terminated'}; what was printed is complete\n")


def test_stdout_gets_each_segment_when_it_ends(long: Path) -> None:
    process = start("caption", "--quiet", long)
    assert process.stdout
    first = os.read(process.stdout.fileno(), 1 << 16).decode()  # at once what is there
    process.send_signal(signal.SIGINT)
    rest, err = process.communicate(timeout=30)
    assert rest.endswith("\n")
    assert 0 < (first + rest).count("unusual") < 60
    assert err == "unmask: interrupted; what was printed is complete\n"
