"""Write a bundle whose graphs are of fixed sizes, for one engine, from a bundle with graphs of any size.

Embedding tables, codecs and the tokenizer are copied byte for byte. Graphs of any size of the model are left out: phones and NPUs
have no use for them. Knows files and the manifest. Knows no converter.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import onnx

from unmask.bundle.manifest import Bucket, Bundle, Embedding
from unmask.engines.device_check import write_answers
from unmask.engines.runner import Arrays
from unmask.export.bundle_writer import WEIGHTS, WeightsFile, externalize, seal
from unmask.export.staging import staging


@dataclass
class TargetBundle:
    """The new bundle while it is being written."""

    folder: Path
    engine: str
    precision: str
    weights: WeightsFile
    buckets: list[Bucket] = field(default_factory=list)

    def file(self, role: str, sizes: Mapping[str, int], ending: str) -> str:
        """A file name for a graph."""
        return f"{role}-{'-'.join(map(str, sizes.values()))}.{ending}"

    def add(self, role: str, sizes: Mapping[str, int], file: str, function: str = "", chip: str = "", answers: str = "") -> None:
        """List a graph whose file is in `folder`. file, answers: paths there."""
        self.buckets.append(Bucket(self.engine, role, file, dict(sizes), self.precision, function, chip, answers))

    def answer(self, role: str, file: str, ask: Callable[[], tuple[Arrays, Arrays]]) -> str:
        """Keep a call and the CPU's answers beside the first graph of a role. Returns the file's name, "" for further graphs.

        ask: gives both. file: the graph's.
        """
        if any(bucket.role == role and bucket.answers for bucket in self.buckets):
            return ""
        answers = f"{Path(file).stem}-answers.npz"
        write_answers(self.folder / answers, *ask())
        return answers

    def add_onnx(self, role: str, sizes: Mapping[str, int], model: onnx.ModelProto) -> None:
        """Write an ONNX graph. Its large tensors go into the weights file that all graphs share."""
        file = self.file(role, sizes, "onnx")
        onnx.save_model(externalize(model, self.weights), self.folder / file)
        self.add(role, sizes, file)


@contextmanager
def target_bundle(source: Bundle, folder: Path, engine: str, precision: str, note: str) -> Iterator[TargetBundle]:
    """Yield a bundle to fill. It is moved to `folder` when the block ends. note: how it was made, for its provenance."""
    manifest = source.manifest
    with staging(folder) as part:
        target = TargetBundle(part, engine, precision, WeightsFile(part / WEIGHTS))
        moved = replace(
            manifest,
            precision=precision,
            embedding=carried(source, manifest.embedding, target.weights),
            provenance={**manifest.provenance, "converted": note},
        )
        shutil.copy(source.path(manifest.tokenizer), part / manifest.tokenizer)
        for name in manifest.codecs:
            shutil.copytree(source.path(name), part / name)
        yield target
        target.weights.close()
        seal(part, replace(moved, graphs={}, buckets=tuple(target.buckets)))


def carried(source: Bundle, embedding: Embedding, weights: WeightsFile) -> Embedding:
    """Copy a table into another weights file and return its new description."""
    table = source.table(embedding)
    stored = table.stored.T if embedding.dtype == "int8" else table.stored  # as stored in its file
    scales = None if table.scales is None else weights.add(table.scales)
    moved = replace(embedding, file=WEIGHTS, offset=weights.add(stored), scales=scales)
    rest = getattr(embedding, "rest", None)
    return replace(moved, rest=carried(source, rest, weights)) if rest else moved
