"""What the runtime computes, held against PyTorch: these tests alone of the runtime's import it."""

from tests.runtime.conftest import engine

__all__ = ["engine"]
