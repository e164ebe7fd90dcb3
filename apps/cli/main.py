"""The `unmask` command: its subcommands, its exit codes, and errors as one line on stderr.

Exit codes: 0 success; 1 a missed gate, or a bug in unmask (with a traceback); 2 bad input; 130 interrupted (Ctrl-C);
141 the reader of a pipe closed it; 143 terminated (SIGTERM, SIGHUP).
A subcommand's module is imported only when that subcommand is chosen.
"""

from __future__ import annotations

import codecs
import dataclasses
import io
import json
import math
import os
import signal
import sys
from importlib import import_module

TYPE_CHECKING = False  # without `typing`, so that Ctrl-C is caught from the first milliseconds on
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Never

    from cyclopts import App

BAD_INPUT = 2
INTERRUPTED = 130
BROKEN_PIPE = 141
LARGEST = 2**63 - 1
TERMINATED = 143
EXTRAS = {
    "apps": ("cyclopts", "docstring_parser", "rich", "soundfile", "soxr"),
    "litert-export": ("litert_torch", "ai_edge_quantizer"),
    "bench": ("jiwer", "matplotlib", "whisper_normalizer"),
    "export": ("torch", "onnx", "onnx_ir", "onnxscript", "safetensors"),
}
FOLDERS = {
    "bundles": {
        "devices": "Print this machine's processor, accelerators, engines and providers.",
        "export": "Convert a checkpoint of Dream, LLaDA, SDAR, Moonshine, ... to a bundle, or a bundle to a web page.",
        "inspect": "Verify a bundle and print what it contains.",
        "quantize": "Make a smaller bundle from an fp32 bundle or a checkpoint, or a bundle for another engine.",
    },
    "measure": {
        "bench": "Measure latency, memory and accuracy next to this machine's peak, each bundle in a process of its own.",
        "compare": "Compare two bundles of one model, or two reports of `unmask bench`.",
        "tune": "Measure settings of a bundle on this device and store the best one for runs of caption, serve and generate.",
    },
    "tasks": {
        "batch": "Caption many recordings, or answer many prompts (--task), on every core of this machine or of a Ray cluster.",
        "caption": "Write captions of recordings (WAV, FLAC, Ogg, MP3, ...), or of what the microphone hears.",
        "generate": "Answer a prompt, or run another task of a model that generates (Dream, LLaDA, SDAR, Omni-Diffusion).",
        "rank": "Rank texts by how well they fit a picture, or pictures by how well they fit a text.",
        "speak": "Say a text aloud, sentence by sentence, into a file or from the loudspeaker.",
        "serve": "Serve a web page with live captions of the browser's microphone.",
        "studio": "Open a page that runs every task of a model and shows each pass.",
        "wyoming": "Serve speech to text for Home Assistant, by the Wyoming protocol.",
        "ui": "Make a panel of what is said or typed, and change it by what is said next.",
    },
}
"""Folder of commands -> name of a command, which is also its module and its function -> the first sentence of its help."""
COMMANDS = dict(sorted(one for folder in FOLDERS.values() for one in folder.items()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    from cyclopts import CycloptsError, MissingArgumentError

    from unmask.errors import UnmaskError

    words = as_values(sys.argv[1:] if arguments is None else arguments)
    try:
        code = make_app(words)(words, exit_on_error=False, print_error=False, result_action="return_value") or 0
        sys.stdout.flush()  # a full disk shows here at the latest
        return int(code)
    except (UnmaskError, CycloptsError) as error:
        hint = " A value that begins with a dash is written --option=VALUE." if isinstance(error, MissingArgumentError) else ""
        return _fail(" ".join(str(error).split()) + hint, BAD_INPUT)
    except BrokenPipeError:
        raise
    except OSError as error:  # a file or folder that no check foresaw
        place = "standard output: " if _drop_output() else ""
        place = f"{error.filename}: " if error.filename is not None else place
        return _fail(f"{place}{error.strerror or error}", BAD_INPUT)
    except MemoryError as error:
        return _fail(f"not enough memory ({error or 'it cannot be had'}); make the input shorter", BAD_INPUT)


def as_values(words: Sequence[str]) -> list[str]:
    """The words of a command line, written so that no value is taken for an option.

    `-` is a file here. A word that begins with a dash and has a space before any equals sign names no option: it is a text, such
    as a prompt with a bullet, and belongs to the option before it.
    """
    found: list[str] = []
    option = ""
    for word in words:
        text = word.startswith("-") and any(letter.isspace() for letter in word.partition("=")[0])
        if text and option:
            found[-1:] = [f"{option}={word}"] if found[-1] == option else [found[-1], f"{option}={word}"]
        else:
            found.append("./-" if word == "-" else word)
        if word.startswith("--") and not text:
            option = word if "=" not in word else ""
    return found


def check_numbers(_: object, value: object) -> None:
    """Refuses what no option means: infinity, no number, and whole numbers that no array and no library takes.

    value: a record of options. Raises InputError that names the option.
    """
    from unmask.errors import InputError

    for name, number in vars(value).items() if dataclasses.is_dataclass(value) else ():
        if isinstance(number, float) and not math.isfinite(number):
            raise InputError(f"--{name.replace('_', '-')} is {number}; it must be a finite number")
        if isinstance(number, int) and not -LARGEST <= number <= LARGEST:
            raise InputError(f"--{name.replace('_', '-')} has {len(str(abs(number)))} digits; no such number can be used")


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP came: the work ends as after Ctrl-C, and what is done stays."""


def make_app(words: Sequence[str]) -> App:
    """The command with all subcommands. Only the one that is named first among `words` is imported; others have their help."""
    from cyclopts import App, Parameter

    from unmask import __version__

    app = App(
        name="unmask",
        help="On-device runtime for masked diffusion models.",
        version=__version__,
        default_parameter=Parameter(validator=check_numbers),
        suppress_keyboard_interrupt=False,
    )
    chosen = next((word for word in words if word in COMMANDS), None)
    for name, summary in COMMANDS.items():
        if name == chosen:
            app.command(function_of(name))
        else:
            app.command(App(name=name, help=summary))
    return app


def function_of(name: str) -> Callable[..., int | None]:
    """The function of a command, whose module is imported."""
    (folder,) = (folder for folder, names in FOLDERS.items() if name in names)
    function: Callable[..., int | None] = getattr(import_module(f"unmask.apps.cli.{folder}.{name}"), name)
    return function


def run() -> None:
    """Entry point of the installed command."""
    try:
        for name in ("SIGTERM", "SIGHUP"):
            if signal.getsignal(number := getattr(signal, name, signal.SIGTERM)) == signal.SIG_DFL:  # nohup ignores SIGHUP
                signal.signal(number, _terminate)
        _run()
    except KeyboardInterrupt as stopped:
        code, how = (TERMINATED, "terminated") if isinstance(stopped, Terminated) else (INTERRUPTED, "interrupted")
        _fail(f"{how}; {str(stopped) or 'what was printed is complete'}", code)
        sys.stdout.flush()
        os._exit(code)  # a native library that was interrupted while it was loaded would crash when Python unloads it


def _run() -> Never:
    from unmask.system import own_stdout

    _open_closed()
    sys.stdout = own_stdout()
    codecs.register_error("json", _escaped)
    data = any("json" in word for word in sys.argv[1:])  # --json, --format jsonl
    for stream in (sys.stdout, sys.stderr):  # a letter, or a file's name, that the terminal or the pipe cannot show is marked
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="json" if data else "replace")
    try:
        sys.exit(main())
    except (BrokenPipeError, SystemExit) as ended:  # who reads has enough, as `head` does; rich makes an exit of it
        if not isinstance(ended, BrokenPipeError) and not isinstance(ended.__context__, BrokenPipeError):
            raise
        _drop_output()
        sys.exit(BROKEN_PIPE)
    except ModuleNotFoundError as error:
        name = (error.name or "").split(".")[0]
        extra = next((extra for extra, names in EXTRAS.items() if name in names), None)
        if extra is None:
            raise
        sys.exit(_fail(f"{name} is not installed; this needs an extra: pip install 'unmask[{extra}]'", BAD_INPUT))


def _open_closed() -> None:
    """Standard input, output and errors that the caller closed, as services do: nothing comes in, what goes out is dropped."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # each takes the lowest free number, which is its own
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """Letters that an encoding lacks as JSON writes them: no reader of JSON loses one."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def _terminate(*_: object) -> Never:
    raise Terminated


def _drop_output() -> bool:
    """Drop what cannot be written to stdout, or Python fails once more when it ends. Returns whether there was any."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def _fail(message: str, code: int) -> int:
    print(f"unmask: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    run()
