"""`unmask quantize`: an fp32 bundle or a checkpoint becomes a smaller bundle; everything for people goes to stderr."""

import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from unmask.apps.cli.material import MaterialOptions, read_material
from unmask.apps.cli.targets import TargetOptions, build
from unmask.bundle.manifest import MANIFEST, Bundle, Manifest, load_bundle
from unmask.errors import InputError

if TYPE_CHECKING:
    from unmask.quant.weights.quantize import Ranges, Recipe

Say = Callable[[str], None]
CONFIG = "config.json"  # of a checkpoint folder


@Parameter(name="*")
@dataclass(frozen=True)
class QuantizeOptions:
    """Options of `unmask quantize`."""

    to: Literal["int8", "int8-weights", "int4", "int8-static", "fp16", "fp32"] | None = None
    """int8, unless given: fastest on most CPUs. int8-weights, int4: weights in blocks, activations as they are. int8-static:
    measured ranges of activations, for NPUs. fp16: half the bytes, computed in fp32. fp32: as it is, for fixed sizes."""
    out: Path | None = None
    """Folder of the new bundle; beside the old one, with the format behind its name, unless given."""
    head: Literal["int8", "int8-weights", "int4", "int8-static", "fp16", "fp32"] | None = None
    """Another form for the heads."""
    embedding: Literal["head", "int8", "fp16", "fp32"] | None = None
    """Form of the embedding; where it is tied to an int8 head it is read from that unless given."""
    rare: Literal["int4"] | None = None
    """Another form for the head's rows that only a verifier writes."""
    keep: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")] = ()
    """Matrices that stay in fp16: role:name, or a pattern such as 'window:*down*'."""
    keep_bytes: int | None = None
    """Search for the matrices whose precision matters most, and keep them in fp16 for at most so many more bytes."""
    block_size: int | None = None
    """Weights that share a scale, for int8-weights (128) and int4 (32)."""
    accuracy_level: int = 4
    """Of int8-weights and int4: 4 computes in int8; below, in fp32, many times slower."""
    replace: Annotated[bool, Parameter(negative="")] = False
    """Replace a bundle that is there already."""
    quiet: Annotated[bool, Parameter(negative="")] = False
    """Say nothing on stderr while it runs."""


def quantize(
    bundle: Path,
    /,
    *,
    options: QuantizeOptions = QuantizeOptions(),
    material: MaterialOptions = MaterialOptions(),  # noqa: B008  (frozen)
    fixed: TargetOptions = TargetOptions(),  # noqa: B008
) -> None:
    """Make a smaller bundle of an fp32 one or of a checkpoint, or one for another engine. Prints the new bundle's folder.

    A checkpoint is read a band of rows at a time, and no fp32 bundle is written on the way. Recordings (--calibrate) or prompts
    are needed for int8-static and for --keep-bytes: the model fills canvases of its own and is measured on them with some
    positions masked again.

    Parameters
    ----------
    bundle
        Folder of an fp32 bundle, as `unmask export` writes it; for a target of fixed sizes a quantized one serves too. Or a
        checkpoint folder, as `unmask export` takes it.
    """
    from_checkpoint = (bundle / CONFIG).is_file() and not (bundle / MANIFEST).is_file()
    if from_checkpoint and fixed.target != "onnx":
        raise InputError(f"{bundle}: is a checkpoint; unmask export {bundle} --target {fixed.target}")
    form = (options.to or "int8") if fixed.target == "onnx" else fixed.form(options.to)
    if form == "fp32" and fixed.target == "onnx":
        raise InputError("--to fp32 is for a --target of fixed sizes; a bundle with graphs of any size is fp32 already")
    own = form if fixed.target == "onnx" else f"{fixed.target}-{form}"
    target = options.out or bundle.resolve().with_name(f"{bundle.resolve().name}-{own}")
    if target.exists() and not options.replace:
        raise InputError(f"{target}: exists already; pass --replace, or --out with another folder")
    if target.exists() and not (target / MANIFEST).is_file():
        raise InputError(f"{target}: not a bundle, so it is not replaced; pass --out with another folder")
    if target.resolve() == bundle.resolve():
        raise InputError(f"{target}: is the bundle itself; pass --out with another folder")

    def say(line: str) -> None:
        if not options.quiet:
            print(line, file=sys.stderr)

    if from_checkpoint:
        before, after_that = shrink_checkpoint(bundle, target, form, options, say), f"unmask generate {target}"
    elif fixed.target == "onnx":
        before, after_that = shrink(bundle, target, form, options, material, say), f"unmask compare {bundle} {target}"
    else:
        source = load_bundle(bundle)
        build(source, target, fixed, form, material, say)
        before, after_that = size(source.manifest), f"unmask devices {target}"
    after = size(load_bundle(target).manifest)
    say(f"{before / 2**20:.1f} MiB became {after / 2**20:.1f} MiB, {100 * after / before:.1f} %")
    say(f"next: {after_that}")
    print(target)


def size(manifest: Manifest) -> int:
    return sum(file.bytes for file in manifest.files.values())


def recipe_of(form: str, options: QuantizeOptions) -> "Recipe":
    from unmask.quant.weights.quantize import Recipe
    from unmask.quant.weights.rewrite import Blocking

    blocking = Blocking(options.block_size, options.accuracy_level)
    return Recipe(form, options.head, options.embedding, options.rare, options.keep, blocking)


def shrink(bundle: Path, target: Path, form: str, options: QuantizeOptions, material: MaterialOptions, say: Say) -> int:
    """Graphs of any size in smaller numbers. Returns the bundle's bytes."""
    from unmask.quant.weights.quantize import quantize_bundle

    source = load_bundle(bundle)
    recipe, ranges = prepared(source, recipe_of(form, options), options.keep_bytes, material, say)
    quantize_bundle(bundle, target, recipe, ranges)
    return size(source.manifest)


def shrink_checkpoint(checkpoint: Path, target: Path, form: str, options: QuantizeOptions, say: Say) -> int:
    """The same without an fp32 bundle on the way. Returns the bytes of the model in fp32."""
    from unmask.quant.weights.checkpoint import quantize_checkpoint

    if options.keep_bytes is not None or "int8-static" in (form, options.head):
        raise InputError(f"{checkpoint}: --keep-bytes and int8-static run the model; first unmask export {checkpoint}")
    return quantize_checkpoint(checkpoint, target, recipe_of(form, options), say)


def prepared(
    source: Bundle, recipe: "Recipe", budget: int | None, options: MaterialOptions, say: Say
) -> tuple["Recipe", "Ranges | None"]:
    """What must be measured first: ranges for static int8, and which matrices to keep."""
    from unmask.quant.calibration.calibrate import measure_ranges
    from unmask.quant.calibration.search import search_keep
    from unmask.quant.weights.quantize import bundle_source

    static = "int8-static" in (recipe.format, recipe.head)
    if not static and budget is None:
        return recipe, None
    bundle_source(source)  # refuses what is quantized already before anything is measured
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
