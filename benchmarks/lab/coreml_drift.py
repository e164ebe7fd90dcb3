"""What a captioner loses as a CoreML package: size, same best ids, same captions, each form evaluated in NumPy.

    python -m benchmarks.lab.coreml_drift FP32 [--forms fp32 fp16 int8 int4] [--clips apps/clips/*.flac]

FP32: a caption bundle with graphs of any size, which ONNX Runtime runs and which the packages are made of. Each form gets the
inputs that ONNX Runtime got in each pass, except the recording, which goes through its own encoder: which best ids are the same?
Then it captions on its own. Packages have one size for each role, so that evaluating takes minutes and not hours; weights do not
depend on it.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cyclopts
import numpy as np
from numpy.typing import NDArray

from tests.export.mil_engine import COREML, evaluate_coreml
from unmask.apps.audio.files import read_recording
from unmask.bundle.manifest import Bundle, load_bundle
from unmask.engines.engine import Engine, GraphRun
from unmask.export.coreml import PRECISIONS, CoremlForm, write_coreml
from unmask.export.graphs import caption_graphs
from unmask.export.sizes import SizeRule, caption_sizes
from unmask.speech.captioner import Captioner
from unmask.speech.sample_rate import SAMPLE_RATE_HZ

CLIPS = tuple(sorted((Path(__file__).parents[2] / "apps" / "clips").glob("*.flac")))
LONGEST_S = 10.0  # of the demo clips
ONE_SIZE = SizeRule(shortest_samples=10 * SAMPLE_RATE_HZ, read_ratio=1000.0)
Samples = NDArray[np.float32]
Call = tuple[str, dict[str, Any], dict[str, NDArray[Any]]]  # role, inputs, outputs


@dataclass(frozen=True)
class CoremlDriftOptions:
    fp32: Path
    forms: Annotated[tuple[str, ...], cyclopts.Parameter(consume_multiple=True)] = PRECISIONS
    clips: Annotated[tuple[Path, ...], cyclopts.Parameter(consume_multiple=True)] = CLIPS


@dataclass(frozen=True)
class Agreement:
    """How far a form agrees with the model that it was made of."""

    bytes: int  # of the package
    rows: int
    same_ids: int  # of the rows
    captions: int
    same_captions: int


def main(options: Annotated[CoremlDriftOptions, cyclopts.Parameter(name="*")]) -> None:
    evaluate_coreml()
    bundle = load_bundle(options.fp32)
    sizes = caption_sizes(bundle.manifest, LONGEST_S, ONE_SIZE)
    clips = [read_recording(path) for path in options.clips]
    print("| form | MiB | same best ids | same captions |\n|---|---|---|---|")
    for form in options.forms:
        with tempfile.TemporaryDirectory() as folder:
            made = load_bundle(write_coreml(bundle, Path(folder) / form, caption_graphs(bundle, sizes), CoremlForm(form)))
            kept = measure(bundle, made, clips)
        share = 100 * kept.same_ids / kept.rows
        print(
            f"| {form} | {kept.bytes / 2**20:.1f} | {share:.1f} % of {kept.rows} | {kept.same_captions} of {kept.captions} |",
            flush=True,
        )


def measure(bundle: Bundle, made: Bundle, clips: list[Samples]) -> Agreement:
    """made: of `bundle`, for CoreML."""
    captioner, engine = Captioner(made, COREML), Engine(made, COREML)
    rows = same_ids = same_captions = 0
    for clip in clips:
        text, calls = recorded(bundle, clip)
        found = replayed(engine, calls)
        rows, same_ids = rows + len(found), same_ids + int(found.sum())
        same_captions += captioner.caption(clip).text == text
    size = sum(file.bytes for name, file in made.manifest.files.items() if ".mlpackage/" in name)
    return Agreement(size, rows, same_ids, len(clips), same_captions)


def recorded(bundle: Bundle, clip: Samples) -> tuple[str, list[Call]]:
    """The caption by the graphs of any size, and every pass that it took."""
    calls: list[Call] = []

    def keep(run: GraphRun) -> None:
        calls.append((run.role, {name: np.array(array) for name, array in run.feeds.items()}, dict(run.outputs)))

    return Captioner(bundle, engine=Engine(bundle, observe=keep)).caption(clip).text, calls


def replayed(engine: Engine, calls: list[Call]) -> NDArray[np.bool_]:
    """For each row of each pass, whether the best id is the same; the recording is encoded by the engine itself."""
    context: dict[str, NDArray[Any]] = {}
    same = []
    for role, feeds, made in calls:
        if role == "context":
            context = dict(engine.run(role, feeds))
            continue
        own = engine.run(role, {name: context.get(name, array) for name, array in feeds.items()})
        same.append(own["ids"][:, 0] == made["ids"][:, 0])
    return np.concatenate(same)


if __name__ == "__main__":
    cyclopts.run(main)
