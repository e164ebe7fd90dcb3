"""A bundle that generates beside the captioner, for the servers. Knows sessions and threads."""

from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

from unmask.apps.cli.options import EngineChoice
from unmask.errors import InputError
from unmask.session import Session, open_model


def opened_generator(folder: Path, engine: EngineChoice) -> tuple[Session, Executor]:
    """A session, loaded, and the one thread that uses it. Raises InputError for a bundle that captions."""
    session = open_model(folder, engine.options())
    if session.generator is None:
        raise InputError(f"--generator {folder}: this bundle captions; --bundle takes it")
    return session.load(), ThreadPoolExecutor(1, thread_name_prefix="generator")
