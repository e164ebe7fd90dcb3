"""Calls in a process of their own, so that one variant's memory, threads and caches do not affect another's.

The parent writes one JSON object a line to the worker's stdin and reads one a line from its stdout:
    {"target": "unmask.benchmarks.scenarios:name", "arguments": {...}}  once; the target returns a function of keywords
    {"call": {...}}                                                      each time; answered by {"result": ...}
An UnmaskError in the worker is answered by {"error": text}; anything else ends it, its traceback on stderr.
Knows processes and JSON. Knows no model.
"""

import contextlib
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from unmask.errors import InputError, UnmaskError
from unmask.system import own_stdout

PACKAGES = ("unmask.", "benchmarks.lab.")


class Worker:
    """A target opened in a process of its own. `with Worker(...) as worker: worker(case=1)`; not thread-safe.

    pin: processors that the process may run on, if the system supports that.
    """

    def __init__(self, target: str, arguments: dict[str, Any], pin: Sequence[int] = ()) -> None:
        """target: module:function of this project. Raises InputError when the target refuses its arguments."""
        environment = {**os.environ, "UNMASK_BENCH_PIN": ",".join(map(str, pin))}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "unmask.benchmarks.measure.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=environment,
        )
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self._ask({"target": target, "arguments": arguments})
            undo.pop_all()  # it stays open

    def __call__(self, **arguments: Any) -> Any:
        """Call the target's function. Raises InputError for its UnmaskErrors, RuntimeError when the process died."""
        return self._ask({"call": arguments})

    def _ask(self, message: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # its exit is reported below
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a measured process ended with code {self._process.wait()}; its message is above")
        answer = json.loads(line)
        if "error" in answer:
            raise InputError(answer["error"])
        return answer["result"]

    def close(self) -> None:
        """End the process; harmless when it has ended."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not stream.closed:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        self._process.terminate()
        self._process.wait()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def main() -> None:
    """The worker's side. What targets print goes to stderr, so that stdout holds only answers."""
    answers, sys.stdout = sys.stdout, sys.stderr
    if os.environ.get("UNMASK_BENCH_PIN") and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(number) for number in os.environ["UNMASK_BENCH_PIN"].split(",")})
    call: Callable[..., Any] | None = None
    for line in sys.stdin:
        message = json.loads(line)
        try:
            if call is None:
                call, answer = find(message["target"])(**message["arguments"]), {"result": None}
            else:
                answer = {"result": call(**message["call"])}
        except UnmaskError as error:
            answer = {"error": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def find(target: str) -> Callable[..., Any]:
    """A function or class of this project by module:name. Raises InputError for any other."""
    module, _, name = target.partition(":")
    if not module.startswith(PACKAGES):
        raise InputError(f"{target}: only {' and '.join(f'{package}*' for package in PACKAGES)} run in a measured process")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


def echo() -> Callable[..., Any]:
    """A target that answers with its arguments and its process id: for trying out the protocol."""
    return lambda **given: {**given, "pid": os.getpid()}


if __name__ == "__main__":
    sys.stdout = own_stdout()
    main()
