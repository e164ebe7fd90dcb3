"""`unmask caption` on live audio, as a person runs it."""

import io
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console

from tests.apps.captions.test_append_only_file import pcm
from tests.apps.conftest import CLIPS, Command
from tests.apps.conftest import listen as can_be_interrupted
from unmask import Captioner, LiveOptions
from unmask.apps.audio.backlog import Item
from unmask.apps.terminal.listen import ListenOptions, Outputs, listen
from unmask.apps.terminal.live_view import TerminalView
from unmask.errors import AudioError
from unmask.speech import words
from unmask.speech.events import Event

LINE = [sys.executable, "-m", "unmask.apps.cli.main", "caption"]


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clip on standard input."""
    stream = io.TextIOWrapper(io.BytesIO(pcm(CLIPS / "lj-jail.flac")))
    monkeypatch.setattr(sys, "stdin", stream)


@pytest.mark.usefixtures("piped")
def test_standard_input_is_captioned(command: Command) -> None:
    result = command("caption", "-")
    assert result.code == 0
    assert "grand juries of the city of London" in result.out.replace("\n", " ")
    assert "7.2 s heard" in result.err


@pytest.mark.usefixtures("piped")
def test_events_are_json_lines_and_keep_their_promises(command: Command) -> None:
    result = command("caption", "-", "--format", "jsonl", "--quiet")
    events = [json.loads(line) for line in result.out.splitlines()]
    assert result.err == ""
    assert [events[0]["event"], events[-1]["event"]] == ["segment_started", "segment_ended"]
    stable = ""
    for event in events:
        assert event["stable"].startswith(stable)
        stable = event["stable"] if event["event"] != "segment_ended" else ""
    assert any(event["tentative"] for event in events)


def test_what_does_not_sound_like_english_is_told(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Speech played backwards. Each word counts as unsure below 0.8, so that no processor's rounding decides."""
    monkeypatch.setattr(words, "UNSURE", 0.8)
    speech = pcm(CLIPS / "lj-jail.flac")
    backwards = np.frombuffer(speech, "<i2")[::-1].tobytes()
    for stream, told in ((backwards, True), (speech, False)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stream)))
        assert ("standard input: many words are unsure" in command("caption", "-", "--quiet").err) == told


@pytest.mark.usefixtures("piped")
def test_what_was_heard_can_be_kept(command: Command, tmp_path: Path) -> None:
    assert command("caption", "-", "--save-audio", tmp_path / "heard.wav", "--output", tmp_path / "a.txt").code == 0
    kept, rate = soundfile.read(tmp_path / "heard.wav", dtype="int16")
    assert rate == 16_000
    assert np.abs(kept - np.frombuffer(pcm(CLIPS / "lj-jail.flac"), np.int16)).max() <= 1
    assert "London" in (tmp_path / "a.txt").read_text()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (["-", "--stability", "2"], "stability"),
        (["-", "--end-silence-s", "0.01"], "--end-silence-s"),
        (["-", "--backlog-s", "0"], "--backlog-s"),
        (["-", "--rate", "0"], "--rate"),
        (["-", "talk.wav"], "one source"),
        (["--realtime", "no-such.wav"], "no such file"),
        (["-", "--output", "."], "one file"),
        (["-", "--output", "no/such/folder.srt"], "cannot be written"),
        (["-", "--save-audio", "no/such/folder.wav"], "cannot be saved"),
    ],
)
def test_what_cannot_be_used_is_named_before_anything_is_heard(
    command: Command, fp32_bundle: Path, wrong: list[str], named: str
) -> None:
    result = command("caption", *wrong, "--bundle", fp32_bundle)
    assert result.code == 2
    assert named in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_finishes_the_open_segment(ending: signal.Signals) -> None:
    line = [*LINE, "--realtime", str(CLIPS / "lj-jail.flac"), "--format", "jsonl"]
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=can_be_interrupted
    ) as process:
        assert process.stdout
        for line_ in process.stdout:
            if json.loads(line_)["stable"]:
                break
        process.send_signal(ending)
        rest, errors = process.communicate(timeout=10)
    last = json.loads(rest.splitlines()[-1])
    assert process.returncode == 0
    assert last["event"] == "segment_ended"
    assert last["stable"].startswith("The inad")
    assert "heard" in errors


class Script:
    """A source that yields what it is told, with a fault at the end if there is one."""

    name, clocked = "script", True

    def __init__(self, items: list[Item], fault: AudioError | None = None, pace_s: float = 0.0) -> None:
        self._items, self._fault, self._pace_s = items, fault, pace_s

    def blocks(self, stop: threading.Event) -> Iterator[Item]:
        for item in self._items:
            time.sleep(self._pace_s)
            yield item
        if self._fault:
            raise self._fault


class Noted(Outputs):
    def __init__(self, slow_s: float = 0.0) -> None:
        super().__init__("txt", None, "", quiet=True)
        self.events, self._slow_s = list[Event](), slow_s

    def publish(self, event: Event) -> None:
        time.sleep(self._slow_s)
        self.events.append(event)


def talk() -> np.ndarray:
    return np.frombuffer(pcm(CLIPS / "lj-jail.flac"), np.int16).astype(np.float32) / 32768


def test_a_machine_that_falls_behind_drops_the_oldest_and_says_so(shipped: Captioner) -> None:
    blocks: list[Item] = [talk()[i : i + 1600] for i in range(0, 3 * 16_000, 1600)] * 4
    outputs = Noted(slow_s=0.3)
    summary = listen(shipped, Script(blocks, pace_s=0.01), ListenOptions(backlog_s=1), LiveOptions(), outputs)
    dropped = sum(e.dropped_s for e in outputs.events if e.event == "dropped")
    assert dropped == pytest.approx(summary.dropped_s)
    assert dropped > 1
    assert summary.audio_s + summary.dropped_s == pytest.approx(12)
    assert outputs.events[-1].time_s == pytest.approx(12, abs=0.01)


def test_what_a_failing_source_gave_is_finished_before_its_error(shipped: Captioner) -> None:
    outputs = Noted()
    with pytest.raises(AudioError, match="unplugged for good"):
        listen(shipped, Script([talk()], AudioError("unplugged for good")), ListenOptions(backlog_s=60), LiveOptions(), outputs)
    assert outputs.events[-1].event == "segment_ended"
    assert "London" in outputs.events[-1].stable


def test_the_view_tells_stable_from_tentative_and_shows_trouble() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    view = TerminalView("a microphone", console)
    view.show_level(np.full(1600, 0.5, np.float32), 2.0)
    view.show(Event("updated", 1, 1.0, stable="we went", tentative=" home", passes=3))
    view.show(Event("dropped", 1, 3.0, dropped_s=1.5))
    spans = view._render()
    told = {spans.plain[span.start : span.end]: str(span.style) for span in spans.spans}
    assert "bold" in told["we went"]
    assert "dim" in told[" home"]
    assert any("1.5 s dropped" in text for text in told)
    assert "red" in next(style for text, style in told.items() if "2.0 s behind" in text)
    view.show(Event("segment_ended", 1, 4.0, stable="We went home."))
    view.close()
    assert "We went home." in console.file.getvalue()  # type: ignore[attr-defined]
