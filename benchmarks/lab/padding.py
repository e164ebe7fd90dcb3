"""What graphs of fixed sizes would compute of a corpus, by how finely their sizes are stepped.

    python -m benchmarks.lab.padding --corpus DATA/test/librispeech [--limit 60]

Captions the corpus with graphs of any size, writes down the sizes of every call, and asks `unmask.export.sizes` what each rule's
graphs would compute of them, as a multiple of what is of use. Writes a Markdown table. Nothing is timed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cyclopts
import numpy as np

from unmask import Captioner, load_bundle
from unmask.engines.engine import Engine
from unmask.engines.padding import Padding, Sizes
from unmask.export.sizes import SizeRule, caption_limits, captioner_sizes, waste
from unmask.training.corpus import read_corpus

RULES = [SizeRule(ratio=ratio, read_ratio=read) for ratio in (2**0.5, 2.0, 4.0) for read in (2.0, 3.0, 4.0)]
ROLES = ("context", "window", "verify")


@dataclass(frozen=True)
class PaddingOptions:
    corpus: Path
    """The corpus's manifest without its ending."""
    bundle: Path = Path("models/caption-tiny-en")
    limit: int | None = None
    """Only so many recordings, spread over the corpus."""


class Recorder(Engine):
    """Runs graphs of any size and keeps the sizes of every call."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        assert self.bundle.manifest.timeline is not None
        self.needs: dict[str, list[Sizes]] = {role: [] for role in ROLES}
        self._padding = Padding(self.bundle.manifest.timeline.frames_per_slot)

    def run(self, role: str, feeds: Any) -> Any:
        self.needs[role].append(self._padding.sizes(role, feeds))
        return super().run(role, feeds)


def main(options: Annotated[PaddingOptions, cyclopts.Parameter(name="*")]) -> None:
    captioner = Captioner(load_bundle(options.bundle))
    captioner.engine = recorder = Recorder(captioner.bundle)
    utterances = list(read_corpus(options.corpus))
    for utterance in utterances[:: max(1, len(utterances) // (options.limit or len(utterances)))]:
        captioner.caption(utterance.samples)
    for name, of in (("slots of a recording", "context"), ("tokens of a check", "verify")):
        sizes = [need["slots" if of == "context" else "tokens"] for need in recorder.needs[of]]
        spread = ", ".join(f"{value:.0f}" for value in np.percentile(sizes, [0, 10, 50, 90, 100]))
        print(f"{name}: {len(sizes)}, mean {np.mean(sizes):.1f}, least, 10 %, median, 90 %, most: {spread}")
    print("\n| slots by | tokens by | graphs | " + " | ".join(ROLES) + " |\n|---|---|---|---|---|---|")
    for rule in RULES:
        made = captioner_sizes(*caption_limits(captioner.bundle.manifest), rule)
        found = [waste(role, recorder.needs[role], [size for of, size in made if of == role]) for role in ROLES]
        print(f"| {rule.ratio:.2f} | {rule.read_ratio:g} | {len(made)} | " + " | ".join(f"{value:.2f}" for value in found) + " |")


if __name__ == "__main__":
    cyclopts.run(main)
