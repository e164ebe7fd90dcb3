"""A bundle: a folder with `bundle.json` and the plain files that it lists. Reads and verifies it; opens no graph.

Every file is checked against its size and SHA-256 on load, and no name leads out of the folder. Nothing in a bundle is executed
but the ONNX graphs, by ONNX Runtime.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.errors import BundleError, InputError
from unmask.sampler import Schedule
from unmask.strict import parse

FORMAT = 1
MANIFEST = "bundle.json"
LARGEST_MANIFEST_BYTES = 1 << 20
EMBEDDING_DTYPES = ("float16", "float32")


@dataclass(frozen=True)
class File:
    bytes: int
    sha256: str  # lower-case hexadecimal


@dataclass(frozen=True)
class Embedding:
    """Rows of token embeddings inside a listed file, row-major, little-endian."""

    file: str
    offset: int  # bytes
    rows: int
    width: int
    dtype: str


@dataclass(frozen=True)
class Vocabulary:
    size: int  # ids that can be predicted: 0 <= id < size
    mask_id: int
    blank_id: int | None = None
    ranges: dict[str, tuple[int, ...]] = field(default_factory=dict)  # modality -> (start, stop)


@dataclass(frozen=True)
class Timeline:
    """How slots lie on the audio, for families that caption."""

    frames_per_slot: int
    frame_ms: float  # of an encoder frame
    longest_s: float  # audio that one canvas may hold, silence behind it included
    tail_ms: float  # silence that the encoder wants behind the speech

    @property
    def slot_s(self) -> float:
        return self.frames_per_slot * self.frame_ms / 1000


@dataclass(frozen=True)
class Manifest:
    """Everything that the runtime must know of a bundle. JSON with exactly these keys; see `strict.parse`."""

    format: int
    name: str
    family: str
    description: str
    precision: str  # fp32 or int8
    attention: str  # full, prefix or block: what reuse of canvas rows means (docs/bundle.md)
    logits_shift: int
    vocabulary: Vocabulary
    embedding: Embedding
    tokenizer: str
    graphs: dict[str, str]  # role -> file
    files: dict[str, File]
    tasks: dict[str, Schedule]  # task -> default schedule
    licence: str
    provenance: dict[str, str]
    timeline: Timeline | None = None

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class Bundle:
    """A verified bundle on disk. Immutable; safe to share between threads."""

    folder: Path
    manifest: Manifest

    def path(self, name: str) -> Path:
        """Path of a listed file."""
        return self.folder / name

    def embedding(self) -> NDArray[Any]:
        """The table (rows, width), mapped from disk: pages are read when their rows are."""
        table = self.manifest.embedding
        kind = np.dtype(table.dtype).newbyteorder("<")
        return np.memmap(self.path(table.file), kind, "r", table.offset, (table.rows, table.width))

    def schedule(self, task: str) -> Schedule:
        try:
            return self.manifest.tasks[task]
        except KeyError:
            known = ", ".join(self.manifest.tasks) or "none"
            raise InputError(f"{self.manifest.name} has no task {task!r}; its tasks: {known}") from None


def load_bundle(folder: Path | str) -> Bundle:
    """Read `bundle.json` and verify every file that it lists. Raises BundleError; opens no graph and no network."""
    folder = Path(folder)
    manifest = read_manifest(folder)
    for name, listed in manifest.files.items():
        _verify(folder, name, listed)
    return Bundle(folder, manifest)


def read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(
            f"{folder}: no {MANIFEST} here, so this is not a bundle; `unmask inspect` without a name shows the shipped one"
        )
    if path.stat().st_size > LARGEST_MANIFEST_BYTES:
        raise BundleError(f"{path}: larger than {LARGEST_MANIFEST_BYTES} bytes, which no manifest needs")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or JSON made to exhaust the reader
        raise BundleError(f"{path}: not JSON ({error}); fetch or export the bundle again") from error
    version = raw.get("format") if isinstance(raw, dict) else None
    if version != FORMAT:
        raise BundleError(
            f"{path}: format {version!r}, but this runtime reads format {FORMAT}; export it again or upgrade unmask"
        )
    try:
        manifest = parse(Manifest, raw, MANIFEST)
    except InputError as error:  # a schedule that contradicts itself
        raise BundleError(f"{path}: {error}") from error
    except BundleError as error:
        raise BundleError(f"{folder}: {error}") from error
    _check(manifest, path)
    return manifest


def _check(manifest: Manifest, path: Path) -> None:
    for name in manifest.files:
        if name in ("", ".", "..", MANIFEST) or len(name.encode()) > 255 or any(c in name for c in "/\\:\0"):
            raise BundleError(f"{path}: the file name {name!r} leads out of the bundle; names are plain, without folders")
    used = {**{f"graphs.{role}": name for role, name in manifest.graphs.items()}, "tokenizer": manifest.tokenizer}
    for where, name in {**used, "embedding": manifest.embedding.file}.items():
        if name not in manifest.files:
            raise BundleError(f"{path}: {where} names {name!r}, which is not among its files")
    table, vocabulary = manifest.embedding, manifest.vocabulary
    if table.dtype not in EMBEDDING_DTYPES:
        raise BundleError(f"{path}: embedding dtype {table.dtype!r} is not one of {', '.join(EMBEDDING_DTYPES)}")
    needed = table.offset + table.rows * table.width * np.dtype(table.dtype).itemsize
    if table.offset < 0 or min(table.rows, table.width) < 1 or needed > manifest.files[table.file].bytes:
        raise BundleError(f"{path}: an embedding of {table.rows} x {table.width} at {table.offset} does not fit {table.file}")
    if not 0 <= vocabulary.mask_id < table.rows or not 0 < vocabulary.size <= table.rows:
        raise BundleError(
            f"{path}: vocabulary of {vocabulary.size} with mask {vocabulary.mask_id} exceeds {table.rows} embedding rows"
        )
    if vocabulary.blank_id is not None and not 0 <= vocabulary.blank_id < vocabulary.size:
        raise BundleError(f"{path}: blank id {vocabulary.blank_id} lies outside the vocabulary of {vocabulary.size}")
    line = manifest.timeline
    if line and not (
        line.frames_per_slot >= 1
        and 0 < line.frame_ms < 1e4
        and 0 <= line.tail_ms < 1e5
        and line.tail_ms / 1000 + line.slot_s + 1 <= line.longest_s < 1e5  # a second of speech at least
    ):
        raise BundleError(f"{path}: the timeline contradicts itself: {line}")
    for modality, ids in vocabulary.ranges.items():
        if len(ids) != 2 or not 0 <= ids[0] < ids[1] <= vocabulary.size:
            raise BundleError(f"{path}: the range {list(ids)} of {modality!r} does not lie within 0..{vocabulary.size}")


def _verify(folder: Path, name: str, listed: File) -> None:
    path = folder / name
    if path.is_symlink():
        raise BundleError(f"{path}: a link; a bundle holds plain files only")
    if not path.is_file():
        raise BundleError(f"{path}: missing, although {MANIFEST} lists it; fetch or export the bundle again")
    size = path.stat().st_size
    if size != listed.bytes:
        raise BundleError(
            f"{path}: {size} bytes instead of {listed.bytes}; it was cut short or changed: fetch or export the bundle again"
        )
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != listed.sha256:
        raise BundleError(
            f"{path}: its SHA-256 is not the one that {MANIFEST} lists, so it was changed: fetch or export the bundle again"
        )
