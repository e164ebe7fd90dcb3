"""Token by token on a backbone's own weights: against transformers' causal classes of the same shape, with their own cache."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.lab.token_by_token import causal, write_in_order
from tests.oracle import theirs
from unmask.bundle.manifest import load_bundle
from unmask.export.checkpoint.weights import open_checkpoint
from unmask.text.generator import Generator

LENGTH = 12


@pytest.mark.parametrize(("family", "rows_each"), [("dream", 1), ("llada", 2)])
def test_it_writes_what_a_causal_model_writes(
    family: str, rows_each: int, checkpoints: dict[str, Path], backbones: dict[str, Path], tmp_path: Path
) -> None:
    """Dream's weights are a Qwen2 that reads what it wrote; LLaDA's rows predict themselves, so masks stand where it writes."""
    generator = Generator(causal(load_bundle(backbones[family]), tmp_path))
    request = generator.request("generate", {"text": "Why is the sky blue?"}, LENGTH)
    done = write_in_order(generator, request)
    model, mask_id = theirs(open_checkpoint(checkpoints[family])), request.canvas.mask_id
    ids = request.canvas.ids[: request.prompt].tolist()
    with torch.no_grad():
        for _ in range(done.passes):
            read = ids if family == "dream" else [*ids, mask_id]
            logits = model(torch.tensor([read])).logits[0, -1]
            logits[mask_id] = -torch.inf
            ids.append(int(logits.argmax()))
    assert done.ids[: len(ids)].tolist() == ids
    assert done.rows == request.prompt + rows_each * done.passes - 1


def test_it_ends_with_the_text(backbones: dict[str, Path], tmp_path: Path) -> None:
    bundle = causal(load_bundle(backbones["dream"]), tmp_path)
    request = Generator(bundle).request("generate", {"text": "Why?"}, LENGTH)
    (span,) = request.canvas.spans
    whole = write_in_order(Generator(bundle), request).ids[span.start :].tolist()
    end = max(whole, key=whole.index)  # what came last for the first time
    ending = replace(bundle, manifest=replace(bundle.manifest, end_ids=(end,)))
    done = write_in_order(Generator(ending), request)
    assert done.passes == whole.index(end) + 1
    assert done.ids[span.start :].tolist() == whole[: done.passes] + [request.canvas.mask_id] * (LENGTH - done.passes)


def test_spans_are_written_one_after_another(omni: Path, tmp_path: Path) -> None:
    generator = Generator(causal(load_bundle(omni), tmp_path))
    request = generator.request("svqa", {"speech": [1, 2], "image": [1] * 4})
    first, second = request.canvas.spans
    done = write_in_order(generator, request)
    ids, counts = done.ids.tolist(), []
    for span in (first, second):
        own = ids[span.start : span.stop]
        counts.append(own.index(span.end_id) + 1 if span.end_id in own else len(own))
        assert set(own[: counts[-1]]) <= {i for start, stop in span.allowed for i in range(start, stop)} | {span.end_id}
    assert done.passes == sum(counts)
    assert set(ids[first.start + counts[0] : first.stop]) <= {first.end_id}
