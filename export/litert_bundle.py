"""A bundle whose graphs are LiteRT's. Knows bundles and files; what converts and rounds is `unmask.export.litert`."""

from collections.abc import Callable, Sequence
from pathlib import Path

from unmask.bundle.manifest import Bundle
from unmask.export.litert import Calls, signature_of, write_tflite
from unmask.export.modules.static import Fixed
from unmask.export.target import target_bundle

Said = Callable[[str], None]


def write_litert(
    source: Bundle,
    folder: Path,
    graphs: Sequence[Fixed],
    form: str = "fp32",
    calls: Calls | None = None,
    say: Said = lambda line: None,
) -> Path:
    """Write the bundle at `folder`: graphs that share weights in one file, a backbone's heads in another.

    source: whose manifest, embedding and tokenizer these are. form and calls as for `write_tflite`. Returns `folder`.
    """
    files: dict[str, list[Fixed]] = {}
    for graph in graphs:
        files.setdefault("heads.tflite" if graph.role.startswith("head") else "graphs.tflite", []).append(graph)
    note = f"LiteRT, {form}, from {source.manifest.precision}"
    with target_bundle(source, folder, "litert", form, note) as target:
        for name, some in files.items():
            say(f"converting {len(some)} graphs into {name}: seconds each")
            write_tflite(some, target.folder / name, form, calls)
            for graph in some:
                target.add(graph.role, graph.sizes, name, signature_of(graph))
    return folder
