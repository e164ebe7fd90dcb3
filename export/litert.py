"""A bundle whose graphs are LiteRT's: modules of fixed sizes become the signatures of one .tflite, weights stored once.

Knows litert-torch and ai-edge-quantizer (the extra `litert-export`), which are imported on use, and modules with their sizes.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from unmask.bundle.manifest import Bundle
from unmask.errors import InputError
from unmask.export.modules.static import FixedGraph
from unmask.export.target import target_bundle
from unmask.system import show_bytes

ENGINE = "litert"
FLAT_BYTES = 2**31 - 1  # the largest offset in a flatbuffer
Say = Callable[[str], None]


def write_litert(
    source: Bundle,
    folder: Path,
    graphs: Sequence[FixedGraph],
    form: str = "fp32",
    say: Say = lambda line: None,
) -> Path:
    """Write the bundle at `folder` and return it: graphs that share weights in one file, a backbone's heads in another.

    source: the bundle that manifest, embedding and tokenizer are taken from. form: fp32 or int8, as for `write_tflite`.
    """
    files: dict[str, list[FixedGraph]] = {}
    for graph in graphs:
        files.setdefault("heads.tflite" if graph.role.startswith("head") else "graphs.tflite", []).append(graph)
    note = f"LiteRT, {form}, from {source.manifest.precision}"
    with target_bundle(source, folder, ENGINE, form, note) as target:
        for name, some in files.items():
            say(f"converting {len(some)} graphs into {name}: seconds each")
            write_tflite(some, target.folder / name, form)
            for graph in some:
                target.add(graph.role, graph.sizes, name, signature_of(graph))
    return folder


def signature_of(graph: FixedGraph) -> str:
    """The role and the sizes in the manifest's order, for example window_24_24_25."""
    return "_".join([graph.role, *map(str, graph.sizes.values())])


def write_tflite(graphs: Iterable[FixedGraph], path: Path, form: str = "fp32") -> None:
    """Convert graphs to the signatures of one file, with our names on inputs and outputs.

    form: fp32, or int8 (weights rounded by row, activations of products on each call). Raises InputError for a file beyond 2 GiB.
    """
    graphs = list(graphs)
    check_size(graphs, path)
    path.unlink(missing_ok=True)
    if form == "fp32":
        _convert(graphs, path)
        return
    part = path.with_name(f"{path.name}.part")
    _convert(graphs, part)
    try:
        round_tflite(part, path)
    finally:
        part.unlink()


def check_size(graphs: Sequence[FixedGraph], path: Path) -> None:
    shared = {tensor.data_ptr(): 4 * tensor.numel() for graph in graphs for tensor in graph.module.parameters()}
    if (total := sum(shared.values())) > FLAT_BYTES:
        raise InputError(f"{path.name}: {show_bytes(total)} of weights, but a .tflite holds at most 2 GiB; use --target onnx")


class Named(nn.Module):
    """A graph's module that takes and returns tensors by name, as signatures do, instead of by position."""

    def __init__(self, graph: FixedGraph) -> None:
        super().__init__()
        self.module, self._inputs, self._outputs = graph.module, tuple(graph.example), graph.outputs
        for part in self.module.modules():
            if hasattr(part, "gathers"):
                part.gathers = True

    def forward(self, **given: Tensor) -> dict[str, Tensor]:
        with ForGpus():
            return dict(zip(self._outputs, self.module(*(given[name] for name in self._inputs)), strict=True))


class ForGpus(TorchFunctionMode):
    """Spells what LiteRT's GPU delegate refuses, or gets wrong, in operators that it computes as its CPU does.

    Rows and columns by index would become GATHER_ND, which it has not. The best k of a row are wrong on it, without an error,
    unless the row's width is a multiple of 4; what the row is widened by is below every logit.
    """

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is Tensor.index_select:
            x, axis, index = args
            return torch.ops.tfl.gather(x, index.int(), axis % x.ndim)
        if function is Tensor.topk:
            args = (widened(args[0]), *args[1:])
        return function(*args, **(kwargs or {}))


def widened(rows: Tensor) -> Tensor:
    """(R, V) -> (R, the next multiple of 4), with columns below every number. As a concatenation: rows cannot be padded there."""
    missing = -rows.shape[-1] % 4
    return torch.cat((rows, rows.new_full((rows.shape[0], missing), torch.finfo(rows.dtype).min)), -1) if missing else rows


def _convert(graphs: Sequence[FixedGraph], path: Path) -> None:
    with hushed():
        import litert_torch
        from litert_torch.backend.experimental.torch_tfl import _ops  # noqa: F401  (makes torch.ops.tfl)

        add: Callable[..., Any] = litert_torch.signature
        for graph in graphs:
            chain = add(signature_of(graph), Named(graph).eval(), sample_kwargs=graph.example)
            add = chain.signature
        with torch.no_grad():
            chain.convert().export(str(path))


def round_tflite(source: Path, target: Path) -> None:
    """Quantize an fp32 file to int8. No file may exist at `target`: the quantizer replaces nothing."""
    with hushed():
        from ai_edge_quantizer import quantizer, recipe_manager
        from ai_edge_quantizer.qtyping import TFLOperationName

        made, chosen = quantizer.Quantizer(str(source)), recipe_manager.RecipeManager()
        chosen.add_dynamic_config(".*", TFLOperationName.ALL_SUPPORTED, num_bits=8)
        # What enters an encoder's convolutions peaks far above its mean, so one scale for a call leaves it few codes.
        chosen.add_weight_only_config(".*", TFLOperationName.CONV_2D, num_bits=8)
        made.load_quantization_recipe(chosen.get_quantization_recipe())
        made.quantize(enable_progress_report=False).export_model(str(target))


@contextmanager
def hushed() -> Iterator[None]:
    """Hide the converter's reports and bars of progress, none of which a user could act on. What it raises comes through."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            yield
    finally:
        logging.disable(before)
