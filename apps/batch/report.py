"""What became of a batch: a line on stderr while it runs, and a file with what failed. Knows results."""

import json
import sys
import time
from collections.abc import Callable, Iterable

from unmask.apps.batch.places import write
from unmask.apps.batch.work import Done

REPORT = "failed.jsonl"
EVERY_S = 5.0


class Report:
    """Counts results. what: are done. clock: seconds."""

    def __init__(
        self, folder: str, total: int, quiet: bool, what: str = "recordings", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder, self._total, self._quiet, self._clock, self.what = folder, total, quiet, clock, what
        self.failed: list[Done] = []
        self.done, self.audio_s = 0, 0.0
        self._began = self._told = clock()

    def add(self, one: Done) -> None:
        self.done += 1
        self.audio_s += one.audio_s
        if one.error:
            named = one.error.startswith(one.job.source)  # most errors of recordings name them
            print(f"unmask: {one.error if named else f'{one.job.source}: {one.error}'}", file=sys.stderr)
        if one.lacking:
            print(f"unmask: {one.lacking}", file=sys.stderr)
        if one.error:
            self.failed.append(one)
        now = self._clock()
        if not self._quiet and (now - self._told >= EVERY_S or self.done == self._total):
            self._told = now
            print(self.line(now - self._began), file=sys.stderr, flush=True)

    def line(self, seconds: float) -> str:
        left = round(seconds / self.done * (self._total - self.done)) if self.done else 0
        failed = f", {len(self.failed)} failed" if self.failed else ""
        pace = f"{f'{self.audio_s / 3600:.2f} h of audio' if self.audio_s else self.what} in {seconds:.0f} s"
        return f"{self.done} of {self._total}{failed}: {pace}, {left // 60}:{left % 60:02} left"

    def write(self) -> None:
        """The failed ones as JSON lines; without any, a report of an earlier run becomes empty. Raises OSError."""
        lines = _lines(self.failed)
        write(self._folder, REPORT, lines.encode())


def _lines(failed: Iterable[Done]) -> str:
    return "".join(json.dumps({"file": one.job.source, "error": one.error}, ensure_ascii=False) + "\n" for one in failed)
