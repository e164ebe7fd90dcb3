"""The `unmask` command: subcommands, exit codes, and errors as one line on stderr.

Exit codes: 0 done; 1 our own failure (a traceback tells it) or a missed gate; 2 bad input; 130 interrupted.
"""

import sys
from collections.abc import Sequence

BAD_INPUT = 2
INTERRUPTED = 130
EXTRAS = {
    "apps": ("cyclopts", "rich", "soundfile", "soxr"),
    "litert-export": ("litert_torch", "ai_edge_quantizer"),
    "export": ("torch", "onnx", "onnx_ir", "onnxscript", "safetensors"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    from cyclopts import App, CycloptsError

    from unmask import __version__
    from unmask.apps.cli.bench import bench_app
    from unmask.apps.cli.caption import caption
    from unmask.apps.cli.compare import compare
    from unmask.apps.cli.devices import devices
    from unmask.apps.cli.export import export
    from unmask.apps.cli.generate import generate
    from unmask.apps.cli.inspect import inspect
    from unmask.apps.cli.quantize import quantize
    from unmask.apps.cli.serve import serve
    from unmask.apps.cli.tune import tune
    from unmask.errors import UnmaskError

    app = App(
        name="unmask",
        help="On-device runtime for masked diffusion models.",
        version=__version__,
        suppress_keyboard_interrupt=False,
    )
    app.command(bench_app())
    app.command(caption)
    app.command(compare)
    app.command(devices)
    app.command(export)
    app.command(generate)
    app.command(inspect)
    app.command(quantize)
    app.command(serve)
    app.command(tune)
    try:
        return app(_dash_is_a_file(arguments), exit_on_error=False, print_error=False, result_action="return_value") or 0
    except (UnmaskError, CycloptsError) as error:
        print(f"unmask: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT


def _dash_is_a_file(arguments: Sequence[str] | None) -> list[str]:
    """A lone dash means standard input; the parser takes it for an option unless it looks like a path."""
    return ["./-" if argument == "-" else argument for argument in (sys.argv[1:] if arguments is None else arguments)]


def run() -> None:
    """Entry point of the installed command."""
    try:
        sys.exit(main())
    except ModuleNotFoundError as error:
        name = (error.name or "").split(".")[0]
        extra = next((extra for extra, names in EXTRAS.items() if name in names), None)
        if extra is None:
            raise
        sys.exit(_fail(f"{name} is not installed; this needs an extra: pip install 'unmask[{extra}]'", BAD_INPUT))
    except KeyboardInterrupt:
        sys.exit(_fail("interrupted; what was printed is complete", INTERRUPTED))


def _fail(message: str, code: int) -> int:
    print(f"unmask: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    run()
