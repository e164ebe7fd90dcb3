"""A bundle: a folder with `bundle.json` and the plain files that it lists. This module reads and verifies it, and opens no graph.

Loading checks every file's size and SHA-256, and no file name may lead out of the folder. Nothing in a bundle is executed except
its graphs, by the engine.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tokenizers import Tokenizer

from unmask.bundle.dataclass_json import from_json, parse_json
from unmask.bundle.embedding import Embedding, EmbeddingTable, open_table
from unmask.bundle.task_template import Template
from unmask.bundle.tokenizer import read_tokenizer, token_ranges
from unmask.decoding.schedule import Reference, Schedule
from unmask.errors import BundleError, InputError

FORMAT = 2
MANIFEST = "bundle.json"
LARGEST_MANIFEST_BYTES = 1 << 20
AGAIN = "fetch or export the bundle again"


@dataclass(frozen=True)
class File:
    """Size and hash of a file of the bundle."""

    bytes: int
    sha256: str  # lower-case hexadecimal


@dataclass(frozen=True)
class Vocabulary:
    """The ids that a model predicts."""

    size: int  # number of ids that can be predicted: 0 <= id < size
    mask_id: int  # id of a masked position
    ranges: dict[str, tuple[int, ...]] = field(default_factory=dict)  # modality -> (start, stop)


@dataclass(frozen=True)
class Streams:
    """A modality whose every position holds several codes, one of each stream, with embeddings that are added.

    The ids of a stream follow those of the one before it, from the first of the modality's range: its codes, then its mask.
    """

    modality: str
    count: int
    codes: int  # codes of a stream
    per_second: float  # positions

    @property
    def stride(self) -> int:
        """Ids of a stream."""
        return self.codes + 1


@dataclass(frozen=True)
class Transcript:
    """The text that a captioner writes token by token, and how it lies on the audio.

    A draft of it fills masked slots of the audio, each with a token or with `vocabulary.mask_id`, which stands for none.
    """

    start_id: int  # id before every text
    end_id: int  # id predicted after a complete text
    states_per_slot: int  # of the draft; 0: nothing is drafted
    samples_per_state: int  # samples at 16 kHz from one state of the encoder to the next
    longest_s: float  # longest audio of one segment
    tokens_per_second: float  # of audio: a text with more repeats itself


@dataclass(frozen=True)
class Bucket:
    """A graph of fixed sizes, for engines that compile shapes in advance (`unmask.engines.padding`)."""

    engine: str  # onnx, litert, coreml or rknn
    role: str
    file: str  # a file, or the folder of a CoreML package
    sizes: dict[str, int]  # dimension -> size, such as rows, wanted, slots
    precision: str
    function: str = ""  # name of the graph in a file that contains several
    chip: str = ""  # the only one that it was compiled for; of ONNX graphs with the provider before it: qnn soc_model=60
    answers: str = ""  # file with a call and the CPU's answers, where the engine itself has no CPU to ask

    @property
    def name(self) -> str:
        """Engine, role and sizes, for messages."""
        return " ".join([self.engine, self.role, *(f"{name}={size}" for name, size in self.sizes.items())])


@dataclass(frozen=True)
class Codec:
    """Graphs that turn a modality into codes or rows, or codes into a modality, in a folder of the codec's name."""

    graphs: dict[str, str]  # role -> file
    license: str
    provenance: dict[str, str]
    settings: dict[str, float] = field(default_factory=dict)  # numbers that its runner needs

    def setting(self, name: str) -> float:
        """Raises BundleError for one that is not there."""
        if name not in self.settings:
            raise BundleError(f"a codec lacks the setting {name!r}; export it again")
        return self.settings[name]


@dataclass(frozen=True)
class Manifest:
    """Everything that the runtime needs to know about a bundle: JSON with exactly these keys (see `dataclass_json.from_json`)."""

    format: int
    name: str
    family: str
    description: str
    precision: str  # fp32 or int8
    attention: str  # full, prefix or block: whether reused keys and values are exact (docs/bundle.md)
    logits_shift: int  # row i predicts position i + logits_shift
    vocabulary: Vocabulary
    embedding: Embedding
    tokenizer: str
    graphs: dict[str, str]  # role -> file
    files: dict[str, File]
    tasks: dict[str, Schedule]  # task -> default schedule
    license: str
    provenance: dict[str, str]
    transcript: Transcript | None = None
    block: int | None = None  # length of the blocks of block-causal attention, attention `block` only
    blocks_after_prompt: bool = False  # a block begins where the prompt ends; otherwise one begins at position 0
    end_ids: tuple[int, ...] = ()  # a text ends at the first of these
    positions: int | None = None  # maximum number of rows of a canvas, including its prompt
    templates: dict[str, Template] = field(default_factory=dict)  # task -> prompt and answer
    buckets: tuple[Bucket, ...] = ()  # the same graphs in fixed sizes, in addition to `graphs` or instead of them
    places: dict[str, tuple[int, ...]] = field(default_factory=dict)  # modality -> (start, stop), rows (`text.places`)
    whole_words: bool = False  # a word that is not one token is none that the model knows (`unmask.doubts`)
    codecs: dict[str, Codec] = field(default_factory=dict)  # name -> codec (`codec_spec.CODECS`)
    streams: Streams | None = None  # a model that fills several streams of codes (`unmask.voice`)
    languages: dict[str, str] = field(default_factory=dict)  # that it says: id -> English name; {} where nothing lists them
    spoken: tuple[int, ...] = ()  # codes of speech that say each id of text, the first ids only; () without such a pace

    @property
    def roles(self) -> set[str]:
        """Roles that the bundle has a graph for, of any size or of fixed sizes."""
        return {*self.graphs, *(bucket.role for bucket in self.buckets)}

    @property
    def bytes(self) -> int:
        """Size of all files that the bundle lists."""
        return sum(file.bytes for file in self.files.values())

    def to_json(self) -> str:
        """The text of `bundle.json`."""
        return json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class Bundle:
    """A verified bundle on disk. Immutable, and safe to share between threads."""

    folder: Path
    manifest: Manifest

    def path(self, name: str) -> Path:
        """Path of a listed file."""
        return self.folder / name

    def table(self, embedding: Embedding | None = None) -> EmbeddingTable:
        """Open an embedding of the manifest, by default that of the canvas."""
        return open_table(self.folder, embedding or self.manifest.embedding)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The bundle's tokenizer, read once. Raises BundleError for a file that is not a BPE tokenizer."""
        return read_tokenizer(self.path(self.manifest.tokenizer))

    @cached_property
    def token_ranges(self) -> tuple[tuple[int, int], ...]:
        """The ids that a token of the tokenizer stands for, as half-open ranges."""
        return token_ranges(self.tokenizer)

    def schedule(self, task: str) -> Schedule:
        """The default schedule of a task. Raises InputError for a task that the bundle does not have."""
        try:
            return self.manifest.tasks[task]
        except KeyError:
            known = ", ".join(self.manifest.tasks) or "none"
            raise InputError(f"{self.manifest.name} has no task {task!r}; its tasks: {known}") from None

    def template(self, task: str) -> Template:
        """The template of a task. Raises InputError for a task that the bundle does not have."""
        templates = self.manifest.templates
        if task not in templates:
            raise InputError(f"{self.manifest.name} has no task {task!r}; its tasks: {', '.join(templates) or 'none'}")
        return templates[task]

    def published(self, task: str) -> Reference:
        """The family's published decoding of a task. Raises InputError if there is none."""
        if (reference := self.template(task).reference) is None:
            raise InputError(f"{self.manifest.name} has no published decoding of {task}; leave reference out")
        return reference


def load_bundle(folder: Path | str) -> Bundle:
    """Read `bundle.json` and verify every file that it lists. Opens no graph and no network connection.

    Raises BundleError if the folder is not a bundle, a file is missing or changed, or the manifest is invalid.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    for name, listed in manifest.files.items():
        _verify(folder, name, listed)
    return Bundle(folder, manifest)


def read_manifest(folder: Path) -> Manifest:
    """Read and check `bundle.json` without reading the files that it lists. Raises BundleError."""
    path = folder / MANIFEST
    if not path.is_file():
        what = "`unmask inspect` without a name shows the shipped one"
        if (folder / "config.json").is_file():
            what = f"it is a checkpoint: `unmask export {folder}` makes a bundle of it"
        raise BundleError(f"{folder}: no {MANIFEST} here, so this is not a bundle; {what}")
    if path.stat().st_size > LARGEST_MANIFEST_BYTES:
        raise BundleError(f"{path}: larger than {LARGEST_MANIFEST_BYTES} bytes, which no manifest needs; {AGAIN}")
    try:
        raw = parse_json(path.read_text(encoding="utf-8"))
    except ValueError as error:  # not UTF-8, not JSON, or JSON nested too deep on purpose
        raise BundleError(f"{path}: not JSON ({error}); {AGAIN}") from error
    version = raw.get("format") if isinstance(raw, dict) else None
    if version != FORMAT:
        raise BundleError(
            f"{path}: format {version!r}, but this runtime reads format {FORMAT}; export it again or upgrade unmask"
        )
    try:
        manifest = from_json(Manifest, raw, str(path))
    except BundleError as error:
        raise BundleError(f"{error}; {AGAIN}") from error
    except InputError as error:  # a schedule that contradicts itself
        raise BundleError(f"{path}: {error}; {AGAIN}") from error
    try:
        _check(manifest)
    except BundleError as error:
        raise BundleError(f"{path}: {error}; {AGAIN}") from error
    return manifest


def _check(manifest: Manifest) -> None:
    """Raises BundleError for what contradicts itself."""
    _check_files(manifest)
    _check_ids(manifest)
    if (manifest.attention == "block") != (manifest.block is not None) or (manifest.block or 1) < 1:
        raise BundleError(f"attention {manifest.attention!r} with blocks of {manifest.block}; block attention needs a length")
    if manifest.blocks_after_prompt and manifest.block is None:
        raise BundleError("blocks_after_prompt says where blocks begin, and the model has none")
    _check_buckets(manifest)
    for modality, rows in manifest.places.items():
        if len(rows) != 2 or not 0 <= rows[0] < rows[1] <= manifest.embedding.total:
            raise BundleError(f"the places {list(rows)} of {modality!r} are not rows of the embedding")
    _check_spoken(manifest)
    for task, template in manifest.templates.items():
        _check_template(task, template, manifest)
    if manifest.transcript:
        _check_transcript(manifest.transcript, manifest)
    if manifest.streams:
        _check_streams(manifest.streams, manifest)


def _check_files(manifest: Manifest) -> None:
    """Names of files, and the table of embeddings in them."""
    for name in manifest.files:
        if name == MANIFEST or not all(_plain(part) for part in name.split("/")):
            raise BundleError(f"the file name {name!r} leads out of the bundle; names must be plain and inside its folder")
    used = {**{f"graphs.{role}": name for role, name in manifest.graphs.items()}, "tokenizer": manifest.tokenizer}
    used |= {f"codecs.{name}.{role}": file for name, codec in manifest.codecs.items() for role, file in codec.graphs.items()}
    parts = manifest.embedding.parts
    for where, name in [*used.items(), *(("embedding", part.file) for part in parts)]:
        if name not in manifest.files:
            raise BundleError(f"{where} names {name!r}, which is not among its files")
    for part in parts:
        part.check(manifest.files[part.file].bytes)
        if part.width != manifest.embedding.width:
            raise BundleError(f"a part of the embedding is {part.width} wide and another {manifest.embedding.width}")


def _check_ids(manifest: Manifest) -> None:
    """Ids of the vocabulary."""
    table, vocabulary = manifest.embedding, manifest.vocabulary
    beyond = 1 if manifest.transcript else 0  # its decoder reads no mask, which has no row
    if not 0 <= vocabulary.mask_id < table.total + beyond or not 0 < vocabulary.size <= table.total:
        raise BundleError(f"vocabulary of {vocabulary.size} with mask {vocabulary.mask_id} exceeds {table.total} embedding rows")
    for end_id in manifest.end_ids:
        if not 0 <= end_id < vocabulary.size:
            raise BundleError(f"the end id {end_id} lies outside the vocabulary of {vocabulary.size}")
    for modality, ids in vocabulary.ranges.items():
        if len(ids) != 2 or not 0 <= ids[0] < ids[1] <= vocabulary.size:
            raise BundleError(f"the range {list(ids)} of {modality!r} is not within 0..{vocabulary.size}")


def _check_spoken(manifest: Manifest) -> None:
    first, stop = manifest.places.get("speech", (0, 0))
    if manifest.spoken and (min(manifest.spoken) < 0 or sum(manifest.spoken) != stop - first):
        raise BundleError(f"texts are said in {sum(manifest.spoken)} codes, and speech has {stop - first} places")


def _check_streams(streams: Streams, manifest: Manifest) -> None:
    first, stop = manifest.vocabulary.ranges.get(streams.modality, (0, 0))
    if min(streams.count, streams.codes) < 1 or streams.count * streams.stride != stop - first:
        raise BundleError(
            f"{streams.count} streams of {streams.codes} codes and a mask each are not the {stop - first} ids they have"
        )
    if not 0 < streams.per_second < 1e4:
        raise BundleError(f"{streams.per_second} positions of {streams.modality} a second are no pace")
    own = {"streams": streams.count, "codes": streams.codes}
    for name, codec in manifest.codecs.items():
        theirs = {key: codec.settings.get(key, value) for key, value in own.items()}
        if theirs != own:
            count, codes = (int(value) for value in theirs.values())
            raise BundleError(
                f"the codec {name} has {count} streams of {codes} codes, and the model {streams.count} of {streams.codes}: "
                "it is another model's"
            )


def _check_transcript(text: Transcript, manifest: Manifest) -> None:
    size = manifest.vocabulary.size
    if not (0 <= text.start_id < size and 0 <= text.end_id < size and text.start_id != text.end_id):
        raise BundleError(f"the transcript's start {text.start_id} and end {text.end_id} are not two ids of the {size}")
    if not (
        text.states_per_slot >= 0
        and 1 <= text.samples_per_state < 1e5
        and 1 <= text.longest_s < 1e5  # at least a second of speech
        and 0 < text.tokens_per_second < 1e3
    ):
        raise BundleError(f"the transcript contradicts itself: {text}")


def _plain(part: str) -> bool:
    return part not in ("", ".", "..") and len(part.encode()) <= 255 and not any(c in part for c in "\\:\0")


def _check_buckets(manifest: Manifest) -> None:
    for bucket in manifest.buckets:
        inside = f"{bucket.file}/"
        if bucket.file not in manifest.files and not any(name.startswith(inside) for name in manifest.files):
            raise BundleError(f"the bucket {bucket.name} names {bucket.file!r}, which is not among its files")
        if bucket.answers and bucket.answers not in manifest.files:
            raise BundleError(f"the bucket {bucket.name} names {bucket.answers!r}, which is not among its files")
        if not bucket.sizes or min(bucket.sizes.values()) < 1:
            raise BundleError(f"the bucket {bucket.name} has no sizes of 1 or more")


def _check_template(task: str, template: Template, manifest: Manifest) -> None:
    known = set(manifest.vocabulary.ranges)
    strange = ({piece.modality for piece in template.answer if piece.modality} | {*template.inputs.values()}) - known - {"text"}
    if strange:
        raise BundleError(f"task {task} uses {', '.join(sorted(strange))}, which has no range in the vocabulary")
    ids = [i for piece in template.answer for i in (*piece.ids, *([] if piece.end_id is None else [piece.end_id]))]
    if not all(0 <= i < manifest.vocabulary.size for i in ids) or manifest.vocabulary.mask_id in ids:
        raise BundleError(f"task {task} contains an id that cannot be predicted: {ids}")
    if task not in manifest.tasks:
        raise BundleError(f"task {task} has a template but no schedule among the tasks")


def _verify(folder: Path, name: str, listed: File) -> None:
    path = folder / name
    if any(part.is_symlink() for part in (path, *path.parents[: name.count("/")])):
        raise BundleError(
            f"{path}: a link, but a bundle has plain files only; replace it with the file that it points to (of a bundle in the "
            f"hub's cache, `cp -rL {folder} COPY` makes a copy without links)"
        )
    if not path.is_file():
        raise BundleError(f"{path}: missing, although {MANIFEST} lists it; {AGAIN}")
    size = path.stat().st_size
    if size != listed.bytes:
        raise BundleError(f"{path}: {size} bytes instead of {listed.bytes}; it was cut short or changed: {AGAIN}")
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != listed.sha256:
        raise BundleError(f"{path}: its SHA-256 is not the one that {MANIFEST} lists, so it was changed: {AGAIN}")
