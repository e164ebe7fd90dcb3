"""`unmask inspect`: what a bundle contains and what its tasks are."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from unmask.apps.cli.options import FLAG, SHIPPED
from unmask.bundle.codec_spec import CODECS, missing_codecs
from unmask.bundle.manifest import Bundle, load_bundle
from unmask.decoding.schedule import Schedule
from unmask.session import open_model
from unmask.system import show_bytes


@Parameter(name="*")
@dataclass(frozen=True)
class InspectOptions:
    """Options of `unmask inspect`."""

    json: Annotated[bool, FLAG] = False
    """Print the manifest as JSON instead of a table."""


def inspect(bundle: Path = SHIPPED, /, *, options: InspectOptions = InspectOptions()) -> None:
    """Verify a bundle and print what it contains.

    Parameters
    ----------
    bundle
        Folder of the bundle.
    """
    loaded = load_bundle(bundle)
    if options.json:
        print(json.dumps(dataclasses.asdict(loaded.manifest), indent=1, ensure_ascii=False))
    else:
        Console().print(describe(loaded))


def describe(bundle: Bundle) -> Table:
    manifest, tasks = bundle.manifest, open_model(bundle).tasks
    table = Table(show_header=False, title=f"{bundle.folder.name}: every file matches its SHA-256")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    vocabulary, embedding = manifest.vocabulary, manifest.embedding
    table.add_row("name", f"{manifest.name}: {manifest.description}")
    origin = " from the end of the prompt" if manifest.blocks_after_prompt else ""
    blocks = f" in blocks of {manifest.block}{origin}" if manifest.block else ""
    table.add_row("family", f"{manifest.family}, {manifest.attention} attention{blocks}, {manifest.precision}")
    ranges = ", ".join(f"{name} {low}..{high - 1}" for name, (low, high) in manifest.vocabulary.ranges.items())
    table.add_row("vocabulary", f"{vocabulary.size} ids ({ranges}), mask {vocabulary.mask_id}")
    parts = ", ".join(f"{part.rows} x {part.width} {part.dtype}" for part in embedding.parts)
    table.add_row("embedding", f"{parts} in {embedding.file}")
    if text := manifest.transcript:
        drafts = f"a draft of slots of {text.states_per_slot} states" if text.states_per_slot else "no draft"
        table.add_row(
            "transcript",
            f"states of {text.samples_per_state / 16:g} ms, at most {text.longest_s:g} s a segment; {drafts}",
        )
    for role, name in manifest.graphs.items():
        table.add_row(f"graph {role}", name)
    for name, codec in manifest.codecs.items():
        kind = CODECS[name]
        what = f"{' and '.join(kind.directions)} {kind.modality}; {', '.join(codec.graphs.values())}"
        table.add_row(f"codec {name}", f"{what}; license {codec.license}")
    for bucket in manifest.buckets:
        table.add_row(f"bucket {bucket.name}", f"{bucket.file}, {bucket.precision}")
    usual = dataclasses.asdict(Schedule())
    for task in tasks.values():
        own = [f"{key} {value}" for key, value in dataclasses.asdict(task.schedule).items() if value != usual[key]]
        takes = ", ".join(kind if kind == name else f"{name} ({kind})" for name, kind in task.inputs.items())
        kinds = f"takes {takes}, gives {' and '.join(task.outputs)}"
        if manifest.templates and (lacking := missing_codecs(manifest, task.inputs.values(), task.outputs)):
            kinds += f" (as codes; for files: unmask export BUNDLE {' '.join(f'--{name} FOLDER' for name in lacking)})"
        table.add_row(f"task {task.name}", "; ".join([kinds, *([", ".join(own)] if own else [])]))
    for name, file in manifest.files.items():
        table.add_row(name, f"{show_bytes(file.bytes)}  sha256 {file.sha256[:16]}...")
    table.add_row("size", show_bytes(manifest.bytes))
    table.add_row("license", manifest.license)
    for key, value in manifest.provenance.items():
        table.add_row(key, value)
    return table
