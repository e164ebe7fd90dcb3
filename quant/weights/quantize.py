"""Write a smaller bundle of an fp32 model: which form each matrix gets, and what the embedding is read from.

Knows graphs and forms. Knows no family: heads are found by their place in a graph, an embedding by the place of its bytes. Memory
use is that of the largest matrix and its codes.
"""

import itertools
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import onnx

from unmask.bundle.embedding import Embedding
from unmask.bundle.manifest import Bundle, Manifest, load_bundle
from unmask.errors import InputError
from unmask.export.bundle_writer import WEIGHTS, WeightsFile, seal
from unmask.export.staging import staging
from unmask.quant.weights.integer_weights import columns, halves
from unmask.quant.weights.matrices import Matrix, matrices
from unmask.quant.weights.rewrite import MATRIX_FORMS, Blocking, Rewriter
from unmask.quant.weights.store import Place, Read, Store, in_bundle, named, place_of, stretch

WEIGHT_FORMATS = ("int8", "int8-weights", "int4", "int8-static", "fp16")
EMBEDDING_FORMS = ("head", "int8", "fp16", "fp32")
READABLE = ("int8", "int8-static", "int4")  # forms of a head that an embedding can be read from
Ranges = Mapping[str, Mapping[str, tuple[float, float]]]  # role -> activation -> smallest and largest value


@dataclass(frozen=True)
class Recipe:
    """The forms of a bundle's weights. Checked on construction; InputError names the option."""

    format: str = "int8"
    """int8, int8-weights, int4, int8-static or fp16: the form of all matrices except those below."""
    head: str | None = None
    """Form of the heads. The default is that of the format, but int8-weights with int4; and int8 for a weight-only head that the
    embedding is tied to, so that both use the same codes."""
    embedding: str | None = None
    """head (the codes of a tied head in int8 or int4), int8, fp16 or fp32. The default is head if possible, otherwise fp16 with
    the format fp16 and int8 with all others."""
    keep: tuple[str, ...] = ()
    """Matrices to keep in float16, by label (role:name) or pattern (`window:*down*`)."""
    blocking: Blocking = field(default_factory=Blocking)

    def __post_init__(self) -> None:
        chosen = (
            ("format", self.format, WEIGHT_FORMATS),
            ("head", self.head, MATRIX_FORMS),
            ("embedding", self.embedding, EMBEDDING_FORMS),
        )
        for name, value, known in chosen:
            if value is not None and value not in known:
                raise InputError(f"{name} {value!r} is not one of {', '.join(known)}")
        block = self.blocking.block
        if block is not None and (block < 16 or block & (block - 1)):
            raise InputError(f"the block size is {block}; use a power of two, at least 16")
        if self.blocking.accuracy_level not in range(5):
            raise InputError(f"the accuracy level is {self.blocking.accuracy_level}; use 0 to 4")

    def head_form(self, tied: bool) -> str:
        if self.head is not None:
            return self.head
        if self.format in ("int8-weights", "int4"):
            return "int8" if tied and self.embedding in (None, "head") else "int8-weights"
        return self.format

    def kept(self, matrix: Matrix) -> bool:
        return any(fnmatchcase(matrix.label, pattern) or matrix.label == pattern for pattern in self.keep)


class SourceModel:
    """The graphs of an fp32 model, whose weights stay in their files."""

    def __init__(self, manifest: Manifest, graphs: Mapping[str, onnx.ModelProto], read: Read) -> None:
        """read: reads the places that graphs and manifest name."""
        self.manifest, self.graphs, self.read = manifest, graphs, read
        self.matrices = [matrix for role, graph in graphs.items() for matrix in matrices(role, graph)]

    def tied(self, table: Embedding) -> Matrix | None:
        """The head with the same bytes as an embedding, if there is one."""
        place = table_place(table)
        heads = (matrix for matrix in self.matrices if matrix.head and matrix.transposed)
        return next((matrix for matrix in heads if place_of(matrix.tensor) == place), None)

    def is_tied(self, matrix: Matrix) -> bool:
        """Whether an embedding and the matrix are the same rows, or one is a part of the other."""
        own = place_of(matrix.tensor)
        place = table_place(self.manifest.embedding)
        return own is not None and (place.holds(own) or own.holds(place))

    def form(self, matrix: Matrix, recipe: Recipe) -> str:
        if recipe.kept(matrix):
            return "fp16"
        return recipe.head_form(self.is_tied(matrix)) if matrix.head else recipe.format


def bundle_source(bundle: Bundle) -> SourceModel:
    """The model of a bundle. Raises InputError when it is already quantized."""
    manifest = bundle.manifest
    if manifest.precision != "fp32" or manifest.embedding.scales is not None:
        raise InputError(f"{bundle.folder}: holds {manifest.precision} weights already; give the fp32 bundle it was made of")
    graphs = {role: onnx.load(bundle.path(name), load_external_data=False) for role, name in manifest.graphs.items()}
    return SourceModel(manifest, graphs, in_bundle(bundle))


def table_place(table: Embedding) -> Place:
    return Place(table.file, table.offset, np.dtype(table.dtype).itemsize * table.rows * table.width)


def quantize_bundle(source: Path, target: Path, recipe: Recipe | None = None, ranges: Ranges | None = None) -> Path:
    """Quantize the fp32 bundle `source` by `recipe` (int8 by default), write the result at `target`, and return `target`.

    ranges: from `measure_ranges`, for int8-static. Replaces an older bundle at `target` once the new one is complete, and keeps
    what else lies there. Raises BundleError for a damaged source, and InputError for a quantized source, a pattern in `keep` that
    matches no matrix, and int8-static without ranges.
    """
    bundle = load_bundle(source)
    given = bundle_source(bundle)
    return write_quantized(given, target, recipe or Recipe(), ranges, lambda folder: _copy_others(bundle, given, folder))


def write_quantized(
    given: SourceModel, target: Path, recipe: Recipe, ranges: Ranges | None, others: Callable[[Path], None]
) -> Path:
    """As `quantize_bundle`, for a model from anywhere. others: writes the files that are neither graphs nor weights."""
    _check(given, recipe, ranges)
    with staging(target) as folder:
        weights = WeightsFile(folder / WEIGHTS)
        store = Store(given.read, weights, given.matrices)
        for role, model in rewritten(given, store, recipe, ranges or {}).items():
            onnx.save_model(model, folder / f"{role}.onnx")
        table = _table(given, store, given.manifest.embedding, recipe)
        weights.close()
        others(folder)
        seal(folder, _manifest(given, recipe, table))
    return target


def rewritten(given: SourceModel, store: Store, recipe: Recipe, ranges: Ranges) -> dict[str, onnx.ModelProto]:
    """Every graph in its new form. Graphs with larger matrices come first: a part of a stored matrix is not stored again."""
    sizes = {role: max((m.size for m in given.matrices if m.role == role), default=0) for role in given.graphs}
    made = {}
    for role in sorted(given.graphs, key=lambda role: -sizes[role]):
        made[role] = rewrite(given, store, role, recipe, ranges)
    return {role: made[role] for role in given.graphs}


def rewrite(given: SourceModel, store: Store, role: str, recipe: Recipe, ranges: Ranges) -> onnx.ModelProto:
    """One graph in its new form."""
    return Rewriter(
        role,
        given.graphs[role],
        store,
        lambda matrix: given.form(matrix, recipe),
        recipe.blocking,
        ranges.get(role, {}),
        recipe.format == "int8",
    ).run()


def _check(given: SourceModel, recipe: Recipe, ranges: Ranges | None) -> None:
    for pattern in recipe.keep:
        if not any(replace(recipe, keep=(pattern,)).kept(matrix) for matrix in given.matrices):
            some = ", ".join(matrix.label for matrix in given.matrices[:3])
            raise InputError(f"keep {pattern!r} matches no matrix; labels look like {some}")
    if "int8-static" in (recipe.format, recipe.head) and ranges is None:
        raise InputError("int8-static needs activation ranges: measure them first, for captions on recordings (--calibrate)")


def _table(given: SourceModel, store: Store, table: Embedding, recipe: Recipe) -> Embedding:
    """The description of an embedding in the new bundle. One of several tables is read a few rows at a time, so its rows stay
    together: in float16, unless the recipe says otherwise."""
    rest = None if table.rest is None else _table(given, store, table.rest, replace(recipe, embedding=recipe.embedding or "fp16"))
    head = given.tied(table)
    read = [] if head is None else _readable(given, store, head, recipe)
    if recipe.embedding == "head" and not read:
        raise InputError("the embedding cannot be read from the head: it is not tied to an int8 or int4 head; pass int8 or fp16")
    if read and recipe.embedding in (None, "head"):
        return _in_parts(store, read, recipe)
    rows = given.read(table_place(table), np.dtype(table.dtype).newbyteorder("<"), (table.rows, table.width))
    small = recipe.embedding or ("fp16" if recipe.format == "fp16" or rest else "int8")
    with named("the embedding"):
        if small != "int8":
            half = halves(rows) if small == "fp16" else None
            stored = store.outside(rows if half is None else half)
            return Embedding(WEIGHTS, stored.offset, table.rows, table.width, str(stored.dtype), rest=rest)
        made = columns(rows)
    offsets = (store.outside(part).offset for part in (made.codes, made.scales))
    return Embedding(WEIGHTS, next(offsets), table.rows, table.width, "int8", next(offsets), rest=rest)


def _readable(given: SourceModel, store: Store, head: Matrix, recipe: Recipe) -> list[tuple[Matrix, str]]:
    """Parts of a head in order, each with its form; none when an embedding cannot be read from them."""
    form = given.form(head, recipe)
    if form not in READABLE:
        return []
    borders = [0, head.shape[1]] if form == "int4" else store.borders(head)
    return [(stretch(head, *ends), form) for ends in itertools.pairwise(borders)]


def _in_parts(store: Store, read: list[tuple[Matrix, str]], recipe: Recipe) -> Embedding:
    matrix, form = read[0]
    width, rows = matrix.shape
    if form == "int4":
        block = recipe.blocking.of(4)
        codes, scales = (store.placed(part) for part in store.blocks(matrix, 4, block))
    else:
        block = None
        codes, scales = (store.placed(part) for part in store.columns(matrix)[0])
    rest = _in_parts(store, read[1:], recipe) if read[1:] else None
    return Embedding(WEIGHTS, codes.offset, rows, width, "int8" if block is None else "int4", scales.offset, block, rest)


def _copy_others(bundle: Bundle, given: SourceModel, folder: Path) -> None:
    """Copy the files that are neither the model's graphs nor its weights: the tokenizer, and codecs, which stay as they are."""
    manifest = given.manifest
    tensors = [tensor for graph in given.graphs.values() for tensor in graph.graph.initializer]
    left = {place.file for tensor in tensors if (place := place_of(tensor))}
    left |= {*manifest.graphs.values(), manifest.embedding.file}
    for name in manifest.files:
        if name not in left:
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(bundle.path(name), folder / name)


def _manifest(given: SourceModel, recipe: Recipe, embedding: Embedding) -> Manifest:
    manifest = given.manifest
    return replace(
        manifest,
        precision=recipe.format,
        graphs={role: f"{role}.onnx" for role in manifest.graphs},
        embedding=embedding,
        provenance={**manifest.provenance, "quantized": describe(given, recipe)},
    )


def describe(given: SourceModel, recipe: Recipe) -> str:
    """One line that lists which matrices have which form."""
    forms: dict[str, list[Matrix]] = {}
    for matrix in given.matrices:
        forms.setdefault(given.form(matrix, recipe), []).append(matrix)
    parts = []
    for form, found in forms.items():
        bits = {"int8-weights": 8, "int4": 4}.get(form)
        how = f" in blocks of {recipe.blocking.of(bits)}" if bits else ""
        named = ": " + " ".join(matrix.label for matrix in found) if recipe.keep and form == "fp16" else ""
        heads = ", a head among them" if any(matrix.head for matrix in found) else ""
        parts.append(f"{len(found)} matrices {form}{how}{heads}{named}")
    return "; ".join(parts)
