"""A bundle whose graphs are CoreML's. Knows bundles and files; what converts and rounds is `unmask.export.coreml`."""

from collections.abc import Callable, Iterable
from pathlib import Path

from unmask.bundle.manifest import Bundle
from unmask.export.coreml import CoremlForm, write_packages
from unmask.export.modules.static import Fixed
from unmask.export.target import target_bundle

Said = Callable[[str], None]


def write_coreml(source: Bundle, folder: Path, graphs: Iterable[Fixed], form: CoremlForm, say: Said = lambda line: None) -> Path:
    """Write the bundle at `folder` and return it. source: whose manifest, embedding and tokenizer these are."""
    note = f"CoreML, {form.precision}, for {form.target}, from {source.manifest.precision}"
    with target_bundle(source, folder, "coreml", form.precision, note) as target:
        for bucket in write_packages(graphs, target.folder, form, say):
            target.add(bucket.role, bucket.sizes, bucket.file, bucket.function)
    return folder
