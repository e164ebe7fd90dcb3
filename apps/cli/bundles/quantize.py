"""`unmask quantize`: a bundle or a checkpoint becomes a smaller bundle. Everything else that people read goes to stderr."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from unmask.apps.cli.bundles.export import with_codecs
from unmask.apps.cli.options import (
    FLAG,
    MANY,
    MaterialOptions,
    changed,
    check_target,
    read_material,
    refuse_unread,
    require,
    say_on_stderr,
    undone,
)
from unmask.bundle.manifest import MANIFEST, Bundle, load_bundle
from unmask.errors import InputError
from unmask.export.checkpoint.config import FILE as CONFIG
from unmask.export.checkpoint.folder import beside, is_moonshine, snapshot
from unmask.quant.targets import TargetOptions, unread_by, write_target
from unmask.system import real, show_bytes

if TYPE_CHECKING:
    from unmask.quant.weights.quantize import Ranges, Recipe

Say = Callable[[str], None]
Format = Literal["int8", "int8-weights", "int4", "int8-static", "fp16", "fp32"]


@Parameter(name="*")
@dataclass(frozen=True)
class QuantizeOptions:
    """Options of `unmask quantize`."""

    to: Format | None = None
    """Number format. int8, the default: fastest on most CPUs. int8-weights, int4: weights in blocks, activations unchanged.
    int8-static: activations with measured ranges, for NPUs. fp16: half the bytes, computed in fp32. fp32: only with a --target
    of fixed sizes."""
    out: Path | None = None
    """Folder of the new bundle. Default: the old folder's name with the format appended; for a link, or a folder in the hub's
    cache, in the current folder."""
    head: Format | None = None
    """A different format for the heads."""
    embedding: Literal["head", "int8", "fp16", "fp32"] | None = None
    """Format of the embedding table. Default: head, which shares an int8 head's weights, if the two are tied."""
    keep: Annotated[tuple[str, ...], MANY] = ()
    """Matrices that stay in fp16: role:name, or a pattern such as `window:*down*`."""
    keep_bytes: int | None = None
    """Keep the most sensitive matrices in fp16, found by a search, for at most this many additional bytes."""
    block_size: int | None = None
    """Weights that share a scale. Default: 128 for int8-weights, 32 for int4."""
    accuracy_level: int = 4
    """int8-weights and int4 only: 4 computes in int8. Lower levels compute in fp32, many times slower."""
    replace: Annotated[bool, FLAG] = False
    """Replace a bundle that exists already."""
    quiet: Annotated[bool, FLAG] = False
    """Print no progress on stderr."""


def quantize(
    bundle: Path,
    /,
    *,
    options: QuantizeOptions = QuantizeOptions(),
    material: MaterialOptions = MaterialOptions(),  # noqa: B008  (frozen)
    fixed: Annotated[TargetOptions, Parameter(name="*", group="Target")] = TargetOptions(),  # noqa: B008
) -> None:
    """Make a smaller bundle from an fp32 bundle or a checkpoint, or a bundle for another engine.

    Prints the new bundle's folder. A checkpoint is read in bands of rows, and no fp32 bundle is written on the way.
    int8-static and --keep-bytes run the model on recordings (--calibrate) or prompts: it fills canvases, and is measured on
    them with some positions masked again.

    Parameters
    ----------
    bundle
        Folder of an fp32 bundle, or of a checkpoint. For a --target of fixed sizes the bundle may be quantized.
    """
    say = say_on_stderr(options.quiet, "")
    with undone():
        target = shrink_any(bundle, options, material, fixed, say)
    print(target)


def shrink_any(given: Path, options: QuantizeOptions, material: MaterialOptions, fixed: TargetOptions, say: Say) -> Path:
    """Make a smaller bundle of a bundle or a checkpoint, and return its folder."""
    bundle = snapshot(given)
    if is_moonshine(bundle):
        raise InputError(f"{bundle}: a Moonshine; first run unmask export {bundle}, then quantize the bundle")
    from_checkpoint = not (bundle / MANIFEST).is_file() and (bundle / CONFIG).is_file()
    if from_checkpoint and fixed.target != "onnx":
        raise InputError(f"{bundle}: a checkpoint; use unmask export {bundle} --target {fixed.target}")
    number_format = (options.to or "int8") if fixed.target == "onnx" else fixed.format(options.to)
    if number_format == "fp32" and fixed.target == "onnx":
        raise InputError("--to fp32 is for a --target of fixed sizes; a bundle with graphs of any size is fp32 already")
    refuse_unread([*changed(options), *changed(material), *changed(fixed)], unread(number_format, options, fixed.target))
    suffix = number_format if fixed.target == "onnx" else f"{fixed.target}-{number_format}"
    target = options.out or beside(given, f"-{suffix}")
    if real(target) == real(bundle):
        raise InputError(f"{target}: this is the bundle itself; pass --out with another folder")
    check_target(target, options.replace, say)

    if from_checkpoint:
        before, command = shrink_checkpoint(bundle, target, number_format, options, say), f"unmask generate {target}"
    elif fixed.target == "onnx":
        before = shrink(bundle, target, number_format, options, material, say)
        command = f"unmask compare {bundle} {target}"
    else:
        source = load_bundle(bundle)
        data = read_material(source.manifest, material)[0] if number_format == "int8-static" else None
        write_target(source, target, fixed, number_format, data, say)
        before, command = source.manifest.bytes, f"unmask devices {target}"
    after = load_bundle(target).manifest.bytes
    say(f"{show_bytes(before)} became {show_bytes(after)}, {100 * after / before:.1f} %")
    say(f"next: {command}")
    return target


def unread(number_format: str, options: QuantizeOptions, target: str) -> dict[str, str]:
    """Options that nothing reads in this form -> what reads them."""
    found, formats = unread_by(target, number_format), {number_format, options.head}
    if target != "onnx":
        weights = ("head", "embedding", "keep", "keep_bytes", "block_size", "accuracy_level")
        found |= dict.fromkeys(weights, f"not read with --target {target}; quantize first, then make the target of that bundle")
    if not formats & {"int8-weights", "int4"}:
        found |= dict.fromkeys(("block_size", "accuracy_level"), "read only with --to int8-weights or int4")
    if "int8-static" not in formats and options.keep_bytes is None:
        names = ("audio", "prompt", "length", "seed")
        found |= dict.fromkeys(names, "read only with int8-static or --keep-bytes, which run the model")
    return found


def recipe_of(number_format: str, options: QuantizeOptions) -> "Recipe":
    from unmask.quant.weights.quantize import Recipe
    from unmask.quant.weights.rewrite import Blocking

    blocking = Blocking(options.block_size, options.accuracy_level)
    return Recipe(number_format, options.head, options.embedding, options.keep, blocking)


def shrink(bundle: Path, target: Path, number_format: str, options: QuantizeOptions, material: MaterialOptions, say: Say) -> int:
    """Quantize a bundle with graphs of any size. Returns the bytes that it had."""
    require("onnx", extra="quant")  # not all of `export`, which brings PyTorch
    from unmask.quant.weights.quantize import quantize_bundle

    source = load_bundle(bundle)
    recipe, ranges = prepared(source, recipe_of(number_format, options), options.keep_bytes, material, say)
    quantize_bundle(bundle, target, recipe, ranges)
    return source.manifest.bytes


def shrink_checkpoint(checkpoint: Path, target: Path, number_format: str, options: QuantizeOptions, say: Say) -> int:
    """Quantize a checkpoint without an fp32 bundle on the way. Returns the bytes of the model in fp32."""
    from unmask.export.codecs.attach import codecs_inside
    from unmask.quant.weights.checkpoint import quantize_checkpoint

    if options.keep_bytes is not None or "int8-static" in (number_format, options.head):
        raise InputError(f"{checkpoint}: --keep-bytes and int8-static run the model; first run unmask export {checkpoint}")
    recipe, before = recipe_of(number_format, options), 0

    def write() -> None:
        nonlocal before
        before = quantize_checkpoint(checkpoint, target, recipe, say)

    with_codecs(target, codecs_inside(checkpoint), checkpoint, "fp32", say, write)
    return before


def prepared(
    source: Bundle, recipe: "Recipe", budget: int | None, options: MaterialOptions, say: Say
) -> tuple["Recipe", "Ranges | None"]:
    """The recipe with the matrices to keep, and the ranges of activations for int8-static, as far as they must be measured."""
    from unmask.quant.calibration.calibrate import measure_ranges
    from unmask.quant.calibration.search import search_keep
    from unmask.quant.weights.quantize import bundle_source

    static = "int8-static" in (recipe.format, recipe.head)
    if not static and budget is None:
        return recipe, None
    bundle_source(source)  # refuses a quantized bundle before anything is measured
    material, _ = read_material(source.manifest, options)
    ranges = None
    if static:
        say("measuring ranges of activations")
        ranges = measure_ranges(source, material)
    if budget is not None:
        say("searching for the matrices that matter most")
        found = search_keep(source, recipe, material, budget, ranges, say)
        say(f"mean KL to fp32 is {found.before:.2e} nats, {found.after:.2e} with {len(found.keep)} matrices kept in fp16")
        recipe = dataclasses.replace(recipe, keep=(*recipe.keep, *found.keep))
    return recipe, ranges
