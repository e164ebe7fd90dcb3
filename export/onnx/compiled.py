"""A bundle whose graphs are compiled for one Qualcomm chip, so that opening them takes no compiler: ONNX Runtime's context files.

Knows graphs of fixed sizes as a bundle has them, and the provider that compiles. Needs no PyTorch, and no device.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from unmask.bundle.graph_spec import kind_of
from unmask.bundle.manifest import Bucket, Bundle
from unmask.engines.device_check import fixed_call
from unmask.engines.engine_options import EngineOptions
from unmask.engines.onnx import OnnxRunner, open_session, session_options
from unmask.engines.runner import Arrays
from unmask.errors import InputError
from unmask.export.target import target_bundle

PROVIDER = "qnn"
Say = Callable[[str], None]


def write_compiled(source: Bundle, folder: Path, soc: str, say: Say = lambda line: None) -> Path:
    """Compile the graphs of fixed sizes for a chip, write the bundle at `folder` and return it.

    soc: the chip's number in Qualcomm's list, which its provider calls soc_model. Each role has the CPU's answers to a call: the
    CPU cannot run what is compiled. Raises InputError for a bundle without such graphs, without the provider, and for a graph
    of which it leaves anything to the CPU.
    """
    buckets = [bucket for bucket in source.manifest.buckets if bucket.engine == "onnx" and not bucket.chip]
    if not buckets or not soc.isdigit():
        what = f"--soc {soc or 'is missing'}" if buckets else f"{source.folder}: has no ONNX graphs of fixed sizes"
        raise InputError(f"{what}; first unmask quantize BUNDLE --target onnx-static, then --target {PROVIDER} --soc 60")
    chosen, cpu = EngineOptions(provider=f"{PROVIDER},backend_type=htp,soc_model={soc}", strict=True), EngineOptions()
    precision = source.manifest.precision
    with target_bundle(source, folder, "onnx", precision, f"compiled for soc_model {soc}, from {precision}") as target:
        for bucket in buckets:
            say(f"compiling {bucket.name}")
            file = target.file(bucket.role, bucket.sizes, "onnx")
            compile_graph(source.path(bucket.file), target.folder / file, chosen)
            answers = target.answer(bucket.role, file, partial(answers_of, source, bucket, cpu))
            target.add(bucket.role, bucket.sizes, file, chip=f"{PROVIDER} soc_model={soc}", answers=answers)
    return folder


def compile_graph(graph: Path, made: Path, options: EngineOptions) -> None:
    """Write a graph of one node, and beside it a file that the node names. Raises as `open_session`."""
    settings = session_options(options)
    for name, value in (("enable", "1"), ("file_path", str(made)), ("embed_mode", "0")):
        settings.add_session_config_entry(f"ep.context_{name}", value)
    open_session(graph, options, settings)


def answers_of(source: Bundle, bucket: Bucket, cpu: EngineOptions) -> tuple[Arrays, Arrays]:
    """A call of a graph, and what the CPU gives."""
    runner = OnnxRunner(source, cpu)
    feeds = fixed_call(runner.inputs(bucket), kind_of(source.manifest).graph(bucket.role))
    return feeds, runner.run(bucket, feeds)
