"""How the programs of this folder run: options from their dataclasses, and what the user did wrong as one line."""

from collections.abc import Callable

import cyclopts

from unmask.errors import UnmaskError


def run(main: Callable[..., None]) -> None:
    """Parse the command line and call `main`. Ends the process with a line on stderr for an UnmaskError."""
    try:
        cyclopts.run(main)
    except UnmaskError as error:
        raise SystemExit(f"{' '.join(str(error).split())}") from error
