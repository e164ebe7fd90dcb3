"""A bundle that generates beside the captioner, for the servers. Knows sessions and threads."""

from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

from unmask.apps.cli.options import EngineChoice
from unmask.errors import InputError
from unmask.session import Session, open_model
from unmask.system import real


class Generators:
    """Opens each folder once, however many options name it."""

    def __init__(self, engine: EngineChoice) -> None:
        self._engine, self._opened = engine, dict[Path, tuple[Session, Executor]]()

    def __call__(self, option: str, folder: Path) -> tuple[Session, Executor]:
        """A session, loaded, and the one thread that uses it. Raises InputError, which names the option, for a bundle that
        captions."""
        if (known := real(folder)) not in self._opened:
            session = open_model(folder, self._engine.options())
            if session.captioner is not None:
                raise InputError(f"{option} {folder}: this bundle captions; --bundle takes it")
            self._opened[known] = session.load(), ThreadPoolExecutor(1, thread_name_prefix="generator")
        return self._opened[known]
