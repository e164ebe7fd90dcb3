"""`unmask export`: a checkpoint folder becomes a bundle. Everything else that people read goes to stderr."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from unmask.apps.cli.options import FLAG, changed, check_target, refuse_unread, say_on_stderr, undone
from unmask.bundle.codec_spec import CODECS
from unmask.bundle.manifest import MANIFEST, load_bundle
from unmask.errors import InputError
from unmask.export.checkpoint.folder import beside, check_sort, is_moonshine, model_name, snapshot
from unmask.export.staging import temporary
from unmask.quant.targets import CHECKPOINT_FORMATS, CheckpointTarget, System, converter, unread_by

DRAFTERS = {288: Path(str(files("unmask.models"))) / "moonshine-tiny-drafter" / "draft.safetensors"}
"""The drafters that ship, by the width of their model."""


@Parameter(name="*")
@dataclass(frozen=True)
class ExportOptions:
    """Options of `unmask export`."""

    out: Path | None = None
    """Folder of the bundle. Default: the checkpoint's folder with .bundle appended; for a link, or a folder in the hub's cache,
    in the current folder."""
    name: str | None = None
    """Name of the bundle. Default: the checkpoint folder's name, in the hub's cache the model's."""
    draft: Path | None = None
    """Moonshine only: the drafter, as `python -m unmask.training.drafting.train` writes it. Default: the one that ships, for
    models of Moonshine tiny's width; for others none, and captions are written token by token."""
    top: int = 64
    """Number of best ids that a head returns for each row; the published decodings use 50."""
    block: int | None = None
    """Block length of a block-causal model, if config.json does not give it, as that of Tiny-A2D never does (BD3LM: 32)."""
    magvit: Path | None = None
    """Image codec of Omni-Diffusion: the folder or file of MAGVIT-v2 (showlab/magvitv2). It is written beside the model's graphs,
    and the bundle then takes and gives pictures."""
    stickers: Path | None = None
    """Image codec of omni-tiny: the folder or file of squares.safetensors, which `unmask.training.codecs.stickers` writes."""
    hibari: Path | None = None
    """Speech codec of omni-tiny: the folder with speech.safetensors, which `unmask.training.codecs.speech` writes."""
    sensevoice: Path | None = None
    """Speech encoder of Omni-Diffusion: the folder of SenseVoiceSmall (FunAudioLLM/SenseVoiceSmall), of which am.mvn is read, and
    model.pt when the checkpoint does not hold the encoder itself. The bundle then takes recordings."""
    projector: Path | None = None
    """When --sensevoice is added to a bundle: the checkpoint that the bundle was made of. Only the projector is read of it, and
    the encoder if it is there."""
    codecs: Literal["fp32", "int8"] = "fp32"
    """Number format of the speech encoder and of the speech codec's flow that are written: int8 is smaller and faster."""
    glm_voice: Path | None = None
    """Speech codec of Omni-Diffusion: the folder of GLM-4-Voice's decoder (THUDM/glm-4-voice-decoder) with flow.pt and hift.pt.
    The bundle then gives sound."""
    higgs: Path | None = None
    """Speech codec of OmniVoice: the folder of Higgs Audio's codec. A checkpoint with a folder audio_tokenizer brings its own."""
    higgs_voice: Path | None = None
    """The part of the same codec that reads a reference voice, from the same folder."""
    target: Literal[CheckpointTarget, "web"] = "onnx"
    """onnx: graphs of any size, for CPUs. The others have fixed sizes. onnx-static: for GPUs and NPUs with an ONNX Runtime
    provider. litert: for boards and phones. coreml: for Macs, iPhones and iPads. web: a page that captions in the browser, made
    of a captioner's bundle."""
    onnxruntime_web: Path | None = None
    """web only: npm's package onnxruntime-web, the .tgz that `npm pack` writes or its folder. Default: in the current folder."""
    webgpu: Annotated[bool, FLAG] = False
    """web only: the page also computes on a GPU, where the browser has WebGPU. It takes 13 MB more to load, and a bundle in
    fp32, fp16 or int8-weights."""
    to: Literal["fp32", "fp16", "int8", "int4"] | None = None
    """Number format of a target of fixed sizes. onnx-static: fp32 (default) or fp16. litert: fp32 (default) or int8. coreml: fp16
    (default), fp32, int8 or int4."""
    longest: int = 512
    """Fixed sizes only: positions of the longest canvas, prompt included."""
    deployment_target: System = "iOS18"
    """coreml only: the oldest system that runs the bundle. Before iOS18 and macOS15, graphs share no weights and int4 is not
    available."""
    replace: Annotated[bool, FLAG] = False
    """Replace a bundle that exists already."""
    quiet: Annotated[bool, FLAG] = False
    """Print no progress on stderr."""


def export(checkpoint: Path, /, *, options: ExportOptions = ExportOptions()) -> None:
    """Convert a checkpoint of Dream, LLaDA, SDAR, Moonshine, ... to a bundle, or a bundle to a web page.

    It also adds codecs to a bundle. Prints the folder. The memory needed depends on the largest tensor, not on the model.

    Parameters
    ----------
    checkpoint
        Folder with config.json, safetensors and tokenizer files, or a model's folder in the hub's cache. Of Moonshine also what
        its own runtime reads (.ort files and tokenizer.bin), or what `optimum-cli export onnx` wrote. Or a bundle, to add codecs
        or for --target web.
    """
    refuse_unread(changed(options), unread(options))
    say = say_on_stderr(options.quiet, "")
    with undone():
        if options.target == "web":
            target = write_page(checkpoint, options, say)
        elif (checkpoint / MANIFEST).is_file() and sources(options):
            target = add(checkpoint, options, say)
        else:
            made = options.out or beside(checkpoint, ".bundle")
            target = convert(snapshot(checkpoint), made, model_name(checkpoint), options, say)
    print(target)


def unread(options: ExportOptions) -> dict[str, str]:
    """Options that this target does not read -> what reads them."""
    if options.target != "web":
        return unread_by(options.target) | dict.fromkeys(("onnxruntime_web", "webgpu"), "read only with --target web")
    others = {field.name for field in fields(options)} - {"target", "out", "onnxruntime_web", "webgpu", "replace", "quiet"}
    return dict.fromkeys(others, "not read with --target web, which takes a bundle as it is")


def write_page(bundle: Path, options: ExportOptions, say: Callable[[str], None]) -> Path:
    """Write a page that captions in the browser, and return its folder."""
    from unmask.apps.web.offline.folder import ORT_VERSION, PACK, write_folder

    packages = (Path(f"onnxruntime-web-{ORT_VERSION}.tgz"), Path("node_modules/onnxruntime-web"))
    package = options.onnxruntime_web or next((path for path in packages if path.exists()), None)
    if package is None or not package.exists():
        raise InputError(f"{package or packages[0]}: not here; {PACK} writes it, or pass --onnxruntime-web with its place")
    folder = options.out or beside(bundle, "-web")
    loaded = write_folder(load_bundle(bundle), folder, package, options.replace, options.webgpu)
    say(f"{loaded / 1e6:.0f} MB to load once; next: python3 -m http.server 8000 --bind 127.0.0.1 -d {folder}")
    return folder


def sources(options: ExportOptions) -> dict[str, Path]:
    """Name of each codec that is asked for -> its folder or file."""
    given = {kind.name: getattr(options, kind.name.replace("-", "_"), None) for kind in CODECS.values()}
    return {name: path for name, path in given.items() if path is not None}


def add(bundle: Path, options: ExportOptions, say: Callable[[str], None]) -> Path:
    """Add codecs to a bundle, and return its folder."""
    codecs = sources(options)
    own = {*codecs, "quiet", "projector", "codecs"}
    others = [name for name in changed(options) if name.replace("_", "-") not in own]
    refuse_unread(others, dict.fromkeys(others, f"not read for {bundle}, a bundle; codecs are added to it where it is"))
    with_codecs(bundle, codecs, options.projector, options.codecs, say)
    say(f"next: unmask inspect {bundle}")
    return bundle


def with_codecs(
    target: Path,
    codecs: Mapping[str, Path],
    checkpoint: Path | None,
    form: str,
    say: Callable[[str], None],
    write: Callable[[], object] = lambda: None,
) -> None:
    """Write codecs, then the bundle, then put them together: a codec that cannot be read is known before the model is written.

    checkpoint: of the model, None for a bundle that exists. form: number format, of codecs that have several. write: writes the
    bundle at `target`.
    """
    if not codecs:
        write()
        return
    from unmask.export.codecs.attach import add_codecs, write_codecs
    from unmask.quant.weights.codecs import quantize_codec

    with temporary(target) as part:
        made = write_codecs(codecs, checkpoint, part, say)
        for name in made if form == "int8" else ():
            if CODECS[name].int8:
                quantize_codec(part / name, made[name], CODECS[name].int8)
        write()
        add_codecs(target, part, made)
    for name, codec in made.items():
        say(f"codec {name}: license {codec.license}")


def convert(checkpoint: Path, target: Path, name: str, options: ExportOptions, say: Callable[[str], None]) -> Path:
    """Export to `target`, and return it. name: the bundle's, unless the options have one."""
    if (checkpoint / MANIFEST).is_file():
        raise InputError(
            f"{checkpoint}: is a bundle; for another engine: unmask quantize {checkpoint} --target onnx-static|litert|coreml; "
            f"with a codec's option, such as --{next(iter(CODECS))}, the codec is added"
        )
    if is_moonshine(checkpoint):
        return convert_moonshine(checkpoint, target, name, options, say)
    check_sort(checkpoint)
    if options.draft is not None:
        raise InputError(f"--draft: {checkpoint} is no Moonshine, and drafters are of a Moonshine")
    formats = CHECKPOINT_FORMATS[options.target]
    if options.to is not None and options.to not in formats:
        raise InputError(
            f"--target {options.target} is exported in {' or '.join(formats)}, not in {options.to}; see unmask quantize"
        )
    if options.longest < 2:
        raise InputError(f"--longest {options.longest}: a canvas has 2 positions at least")
    check_target(target, options.replace, say)
    if options.target != "onnx" and sources(options):
        raise InputError(
            f"--target {options.target}: codecs are graphs of any size, for CPUs; leave out --{next(iter(sources(options)))}"
        )
    if options.target != "onnx":
        export_fixed(checkpoint, target, replace(options, name=options.name or name), options.to or formats[0], say)
        engine = "" if options.target == "onnx-static" else f" --engine {options.target}"
        say(f"next: unmask generate {target}{engine} --prompt ...")
    else:
        from unmask.export.codecs.attach import codecs_inside
        from unmask.export.onnx.backbone import write_backbone

        def write() -> None:
            write_backbone(checkpoint, target, options.name or name, options.top, options.block, say)

        own = codecs_inside(checkpoint)
        with_codecs(target, own | sources(options), checkpoint, options.codecs, say, write)
        say(f'next: unmask speak "Hello." --bundle {target} --play' if own else f"next: unmask generate {target} --prompt ...")
    return target


def convert_moonshine(checkpoint: Path, target: Path, name: str, options: ExportOptions, say: Callable[[str], None]) -> Path:
    """As `convert`, for a captioner."""
    codecs = [name.replace("-", "_") for name in sources(options)]
    unread = dict.fromkeys(("top", "block", "target", "to", *codecs), f"not read for {checkpoint}, a Moonshine")
    refuse_unread(changed(options), unread)
    check_target(target, options.replace, say)
    from unmask.export.onnx.transcript import write_moonshine

    write_moonshine(checkpoint, target, options.name or name, options.draft, DRAFTERS, say)
    say(f"next: unmask quantize {target} --to int8")
    return target


def export_fixed(checkpoint: Path, target: Path, options: ExportOptions, number_format: str, say: Callable[[str], None]) -> None:
    """Export graphs of fixed sizes, with a temporary bundle of graphs of any size that provides the manifest."""
    write = converter(options.target, options.deployment_target, number_format)
    from unmask.export.graphs import backbone_graphs
    from unmask.export.onnx.backbone import write_backbone

    with temporary(target) as part:
        source = load_bundle(write_backbone(checkpoint, part / "any", options.name, options.top, options.block, say))
        graphs = backbone_graphs(checkpoint, source.manifest, options.longest, options.top)
        write(source, target, graphs, say)
