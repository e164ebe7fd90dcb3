"""Captions of recordings in a chosen format: written as segments end, to stdout, to one file or to a folder.

Knows formats, files and captions. Knows no audio and no model.
"""

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from unmask.apps.captions.replaced_file import ReplacedFile, check_outputs
from unmask.apps.captions.subtitles import SubtitleWriter
from unmask.errors import AudioError, InputError
from unmask.speech.captioner import Caption

Form = Literal["txt", "jsonl", "srt", "vtt"]


class Transcript:
    """The text of one recording, piece by piece: `head`, a `part` for each segment, and at the end the `rest`."""

    def __init__(self, form: Form, path: Path, named: bool) -> None:
        """named: lines of text begin with the recording's path."""
        self._form, self._path, self._named = form, path, named
        self._subtitles = SubtitleWriter(form) if form in ("srt", "vtt") else None
        self._begun = False

    def head(self) -> str:
        if self._subtitles:
            return self._subtitles.head()
        return f"{self._path}: " if self._form == "txt" and self._named else ""

    def part(self, part: Caption) -> str:
        """What the caption of one more segment adds. JSON has one object for a recording, so nothing comes before its end."""
        if self._subtitles:
            return self._subtitles.add(part.words)
        if self._form == "jsonl" or not part.text:
            return ""
        space, self._begun = " " if self._begun else "", True
        return space + part.text

    def rest(self, done: Caption, seconds: float, broken_off: bool = False) -> str:
        """What is still to be written. done: the caption of the recording, or of its first part if the work is `broken_off`."""
        if self._subtitles:
            return self._subtitles.rest(done.audio_s)
        if self._form == "txt":
            return "\n"
        own: dict[str, object] = {"rows_per_token": done.rows_per_token, "seconds": round(seconds, 4)}
        if broken_off:
            own["broken_off"] = True
        return json.dumps({"file": str(self._path), **dataclasses.asdict(done), **own}, ensure_ascii=False) + "\n"


class Writer:
    """Writes the captions of recordings, one after the other: `begin`, a `write` for each segment, `end`.

    Refuses what would lose text before any audio is read, with InputError. As a context manager: a file takes its place when all
    is written. Where the work breaks off, what is done is kept, and nothing that exists is replaced.
    """

    def __init__(self, form: Form, output: Path | None, files: Sequence[Path]) -> None:
        self.form, self.named = form, len(files) > 1
        self.folder = output if output and output.is_dir() else None
        if form in ("srt", "vtt") and self.named and not self.folder:
            raise InputError(f"{form} holds one recording; for several, name an existing folder: --output FOLDER")
        if output and not self.folder and not output.parent.is_dir():
            raise InputError(f"{output.parent}: no such folder; make it first")
        targets = [self._target(path) for path in files] if self.folder else []
        twice = next((target for target in targets if targets.count(target) > 1), None)
        if twice:
            raise InputError(f"two recordings would be written to {twice}; caption them one at a time")
        check_outputs([*targets, *([output] if output else [])], files)
        self._file = ReplacedFile(output) if output and not self.folder else None
        for target in targets:  # a folder or a file that cannot be written is refused before the work
            ReplacedFile(target).drop()
        self._broken = False
        self.on_terminal = output is None and sys.stdout.isatty()

    def begin(self, path: Path) -> None:
        """Go on to the captions of this recording."""
        if self.folder:
            self._file, self._broken = ReplacedFile(self._target(path)), False
        self._transcript = Transcript(self.form, path, self.named and not self.folder)
        self._head: str | None = self._transcript.head()  # waits, so that a recording that cannot be read leaves no line

    def write(self, part: Caption) -> None:
        """Add the caption of one more segment."""
        if text := self._transcript.part(part):
            self._put(text)

    def end(self, done: Caption, seconds: float, broken_off: bool = False) -> None:
        """done: the recording's caption, or what there is of it if the work is `broken_off`; `seconds` is what it took."""
        if not broken_off or done.words:
            self._put(self._transcript.rest(done, seconds, broken_off))
        self._broken |= broken_off
        if self.folder:
            self._close()

    def _put(self, text: str) -> None:
        text, self._head = (self._head or "") + text, None
        if self._file:
            self._file.write(text)
        else:
            print(text, end="", flush=True)

    def _close(self) -> None:
        """The file takes its place; what was there before stays if there is no new text, or only a part of it."""
        if self._file is None:
            return
        if self._file.empty:
            self._file.drop()
        elif not self._broken:
            self._file.keep()
        else:
            place = self._file.interrupt()
            kept = "" if place == self._file.path else f"{self._file.path} is as it was; "
            print(f"unmask: {kept}the captions so far are in {place}", file=sys.stderr)
        self._file = None

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._broken |= kind not in (None, AudioError)  # recordings that cannot be read leave the others whole
        self._close()

    def _target(self, path: Path) -> Path:
        assert self.folder is not None
        return self.folder / f"{path.stem}.{self.form}"
