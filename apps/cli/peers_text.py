"""`unmask bench peers text`: a Dream bundle beside llama.cpp on the same weights, in one run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from unmask.apps.cli.measuring import check_folder, require, say_on_stderr
from unmask.benchmarks.scenarios.runner import Plan
from unmask.errors import InputError


@Parameter(name="*")
@dataclass(frozen=True)
class TextOptions:
    """Options of `unmask bench peers text`."""

    prompt: str = "Why is the sky blue?"
    """What everyone is asked, in the chat template."""
    length: int = 32
    """Positions of the answer."""
    steps: int | None = None
    """Passes of the published decoding; one for each position unless given."""
    passes: Annotated[tuple[int, ...], Parameter(consume_multiple=True, negative="")] = ()
    """Also the bundle's own decoding with so many passes in each block, whatever it is sure of; several are several systems."""
    rounds: int = 6
    """Answers of each system, at least."""
    min_seconds: float = 10.0
    """Go on until all systems together have taken so long."""
    warmup: int = 1
    """Rounds before, which do not count."""
    seed: int = 0
    """Of the order of turns."""
    threads: int = 1
    """Of every system."""
    pin: bool = False
    """Keep each process on as many processors as it has threads. Linux only."""
    output: Path | None = None
    """Folder for peers.md, texts.json, and report.json, report.md, report.html as of `unmask bench`."""
    quiet: Annotated[bool, Parameter(negative="")] = False
    """Say nothing on stderr while it runs."""

    def __post_init__(self) -> None:
        check_folder(self.output)
        for name, value in (("length", self.length), ("threads", self.threads)):
            if value < 1:
                raise InputError(f"{name} is {value}; at least 1 is needed")

    def plan(self) -> Plan:
        return Plan(self.rounds, self.min_seconds, self.warmup, self.seed, self.pin)


@Parameter(name="*", group="llama.cpp")
@dataclass(frozen=True)
class LlamaOptions:
    """Left out where neither is given, and the report says why."""

    llama_diffusion_cli: Path | None = None
    """The program, built from llama.cpp."""
    gguf: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative="")] = ()
    """The bundle's own weights in its form; several files are several systems."""


def text(bundle: Path, /, *, options: TextOptions = TextOptions(), llama: LlamaOptions = LlamaOptions()) -> None:
    """Latency of one greedy answer: the bundle's own decoding, token by token, every row in every pass, and llama.cpp.

    Systems answer in turns in random order, each in a process of its own, with as many passes where they compute every row.

    Parameters
    ----------
    bundle
        Folder of a bundle of Dream's family, as `unmask export` writes it.
    """
    require("matplotlib", "onnx")
    from benchmarks.lab.peers.text import Program, Wanted, measure, to_markdown, write

    wanted = Wanted(
        options.prompt, options.length, options.steps if options.steps is not None else options.length, options.passes
    )
    program = Program(llama.llama_diffusion_cli, llama.gguf)
    found = measure(bundle, wanted, program, options.threads, options.plan(), say_on_stderr(options.quiet))
    if options.output:
        write(found, options.output)
    print(to_markdown(found), end="")
