"""Tasks on real graphs: layouts, both modes, the answers, and invalid inputs."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from unmask.bundle.manifest import load_bundle
from unmask.bundle.tokenizer import token_ranges
from unmask.decoding.canvas import Canvas, Span
from unmask.decoding.draft import Draft
from unmask.decoding.reference import reference_fill
from unmask.decoding.schedule import Reference, Schedule
from unmask.errors import BundleError, InputError, NumberError
from unmask.speech.captioner import Captioner
from unmask.text.denoiser import BackboneDenoiser
from unmask.text.generator import Generator, Inputs

SPEECH, IMAGE = list(range(0, 16384, 1000)), list(range(0, 8192, 100))
TASKS: dict[str, Inputs] = {
    "asr": {"speech": SPEECH},
    "tts": {"text": "abc"},
    "t2i": {"text": "abc"},
    "s2i": {"speech": SPEECH},
    "vqa": {"text": "abc", "image": IMAGE},
    "svqa": {"speech": SPEECH, "image": IMAGE},
    "sqa": {"text": "abc", "speech": SPEECH},
}
MASK, BOI, EOI, BOA, EOA = 151666, 151667, 151668, 151684, 151685


@pytest.fixture(scope="module")
def everything(omni: Path) -> Generator:
    return Generator(load_bundle(omni)).load()


@pytest.fixture(scope="module", params=["dream", "llada", "block"])
def small(request: pytest.FixtureRequest, backbones: dict[str, Path]) -> Generator:
    return Generator(load_bundle(backbones[request.param])).load()


def test_the_seven_tasks_are_there(everything: Generator) -> None:
    assert set(everything.bundle.manifest.templates) == set(TASKS)
    vocabulary = everything.bundle.manifest.vocabulary
    assert (vocabulary.size, vocabulary.mask_id) == (176264, MASK)
    assert vocabulary.ranges == {"text": (0, 151667), "speech": (151688, 168072), "image": (168072, 176264)}


@pytest.mark.parametrize("task", TASKS)
def test_every_task_in_trimmed_mode_keeps_to_its_modalities(everything: Generator, task: str) -> None:
    request = everything.request(task, TASKS[task])
    answer = everything.generate(task, TASKS[task], schedule=Schedule(passes=3, rule="quota", reuse=True, block=64))
    ids = np.array(answer.ids)
    ranges = everything.bundle.manifest.vocabulary.ranges
    assert (ids != MASK).all()
    for span in request.canvas.spans:
        low, high = ranges[span.modality]
        inside = ids[span.start - request.prompt : span.stop - request.prompt]
        assert (((inside >= low) & (inside < high)) | (inside == (span.end_id or -1))).all()
    assert set(answer.codes) == {"speech", "image"}
    assert len(answer.codes["image"]) == (256 if task.endswith("2i") else 0)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_in_reference_mode_decodes_over_the_whole_vocabulary(everything: Generator, task: str) -> None:
    """A short answer, since the published lengths take hundreds of passes. Only begin-of-audio is given, after a fifth of it."""
    request = everything.request(task, TASKS[task], 12, reference=True)
    given = np.flatnonzero(request.canvas.ids[request.prompt :] != MASK)
    assert request.canvas.ids[request.prompt :][given].tolist() == ([BOA] if task in ("svqa", "sqa") else [])
    steps = list(everything.steps(request))
    assert len(steps) <= 12
    assert steps[-1].masked == 0 or MASK in steps[-1].tentative


def test_prompts_are_those_of_the_released_code(everything: Generator) -> None:
    token = everything.tokenizer.token_to_id
    start, end = token("<|im_start|>"), token("<|im_end|>")

    def text(words: str) -> list[int]:
        return list(everything.tokenizer.encode(words).ids)

    prompt = everything.request("asr", {"speech": [0, 16383]}).canvas.ids
    head = [start, *text("user\nConvert the speech to text.\n"), BOA, 151688, 168071, EOA, end, *text("\n")]
    assert prompt[: len(head) + 11].tolist() == [*head, start, *text("assistant\n")]
    picture = everything.request("t2i", {"text": "a cat"})
    own = picture.canvas.ids[picture.prompt :]
    assert len(own) == 260
    assert own[0] == BOI
    assert own[257:].tolist() == [EOI, end, *text("\n")]
    assert (own[1:257] == MASK).all()
    system = everything.request("svqa", TASKS["svqa"]).canvas.ids.tolist()
    assert system[: len(text("system\n")) + 1] == [start, *text("system\n")]
    assert everything.request("svqa", TASKS["svqa"]).canvas.ids.tolist().index(BOA, 200) > 0


def test_the_published_settings_are_in_the_manifest(everything: Generator) -> None:
    """inference.py's table: length, steps, algorithm, repetition and position penalty, guidance."""
    found = {}
    for task, template in everything.bundle.manifest.templates.items():
        r = template.reference
        assert r is not None
        found[task] = (template.length, r.steps, r.algorithm, r.repetition_penalty, r.position_penalty, r.guidance)
        assert (r.temperature, r.top_p, r.top_k, r.eps, r.at_least_one) == (0, 0.9, 50, 1e-3, True)
    assert found == {
        "asr": (50, 25, "entropy", 1, 1, 0),
        "tts": (50, 25, "entropy", 1, 1, 0),
        "t2i": (260, 260, "entropy-penalty", 1.2, 2, 0),
        "s2i": (260, 260, "entropy-penalty", 1.5, 2, 2),
        "vqa": (64, 64, "entropy", 1, 1, 0),
        "svqa": (128, 128, "entropy-penalty", 1.2, 1, 0),
        "sqa": (128, 128, "entropy-penalty", 1.2, 1, 0),
    }


def test_trimmed_agrees_with_reference_where_both_compute_everything(backbones: dict[str, Path]) -> None:
    """With one position per step, LLaDA's decoding equals the quota rule by probability over all rows, pass for pass."""
    generator = Generator(load_bundle(backbones["llada"]))
    published = generator.request("generate", {"text": "hello"}, 20, reference=True)
    free = (Span(published.prompt, published.prompt + 20, "text", ((0, published.canvas.mask_id),)),)
    canvas = Canvas(published.canvas.ids, free, published.canvas.mask_id)
    trimmed = dataclasses.replace(published, canvas=canvas, reference=False)
    slow = list(generator.steps(published))
    fast = list(generator.steps(trimmed, Schedule(passes=20, rule="quota")))
    assert [step.committed.tolist() for step in fast] == [step.committed.tolist() for step in slow]
    assert fast[-1].ids.tolist() == slow[-1].ids.tolist()


@pytest.mark.parametrize("family", ["dream", "llada"])
@pytest.mark.parametrize("reference", [True, False])
def test_full_attention_answers_the_same_with_a_mask_and_without(
    family: str, reference: bool, backbones: dict[str, Path], masked: dict[str, Path]
) -> None:
    """Bundles made before full attention went without a mask are used as they are."""
    answers = [
        Generator(load_bundle(folders[family])).generate("generate", {"text": "hello"}, 24, reference=reference)
        for folders in (backbones, masked)
    ]
    assert answers[0].ids == answers[1].ids
    assert answers[0].ids


def test_windows_of_a_block_causal_model_change_nothing(backbones: dict[str, Path]) -> None:
    """The context is exact there: computing only the block gives the same text as computing everything."""
    generator = Generator(load_bundle(backbones["block"]))
    texts = {}
    for window in ("block", "masked", "suffix"):
        for reuse in (False, True):
            schedule = Schedule(threshold=0.9, reuse=reuse, window=window)
            answer = generator.generate("generate", {"text": "hello there"}, 30, schedule)
            texts[window, reuse] = (answer.ids, answer.rows)
    assert texts["block", True][0] == texts["block", False][0] == texts["suffix", True][0]
    assert texts["block", True][1] <= texts["block", False][1]


def test_an_answer_counts_what_stands_before_the_end(small: Generator) -> None:
    request = small.request("generate", {"text": "x"}, 10)
    ids = request.canvas.ids.copy()
    own = small.tokenizer.encode("hello").ids
    ids[request.prompt :] = [*own, 256, 256, 256, 256, 256]
    answer = small.read(request, ids, passes=2, rows=22)
    assert (answer.text, answer.tokens, answer.rows_per_token) == ("hello", 5, 22 / 5)


@pytest.mark.parametrize(
    ("task", "inputs", "length", "message"),
    [
        ("sing", {"text": "x"}, None, "no task 'sing'; its tasks: generate, chat"),
        ("generate", {"text": ""}, None, "the input text is empty"),
        ("generate", {}, None, r"not given: \['text'\]"),
        ("generate", {"text": "x", "image": [1]}, None, r"unknown: \['image'\]"),
        ("generate", {"text": [1, 2]}, None, "the input text is text, not ids"),
        ("generate", {"text": "x" * 600}, None, "the prompt has 600 tokens and the answer 128; .* takes 512 in all"),
        ("generate", {"text": "x"}, 600, "takes 512 in all"),
        ("generate", {"text": "x"}, 0, "too few"),
        ("generate", {"text": "a <|mask|> b"}, None, "which is the mask token"),
    ],
)
def test_what_cannot_be_answered(
    backbones: dict[str, Path], task: str, inputs: dict[str, str | Sequence[int]], length: int | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Generator(load_bundle(backbones["dream"])).request(task, inputs, length)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"text": "x", "image": [8192]}, "image code 8192 is out of range; .* 0 to 8191"),
        ({"text": "x", "image": [-1]}, "image code -1 is out of range"),
        ({"text": "x", "image": "1 2"}, "the input image is a row of image codes, not text"),
        ({"text": "x", "image": []}, "the input image is empty"),
    ],
)
def test_codes_out_of_range(everything: Generator, inputs: Inputs, message: str) -> None:
    with pytest.raises(InputError, match=message):
        everything.request("vqa", inputs)


def test_placeholders_in_a_text_are_text(everything: Generator) -> None:
    plain = everything.request("vqa", {"text": "what is {image}?", "image": [5]})
    written = everything.tokenizer.decode(plain.canvas.ids[: plain.prompt].tolist(), skip_special_tokens=False)
    assert "what is {image}?" in written
    assert written.count("<|image_5|>") == 1


def test_a_caption_bundle_does_not_generate(fp32_bundle: Path) -> None:
    with pytest.raises(BundleError, match="does not generate; `unmask caption` runs it"):
        Generator(load_bundle(fp32_bundle))


def test_no_published_decoding_is_said(backbones: dict[str, Path]) -> None:
    generator = Generator(load_bundle(backbones["block"]))
    with pytest.raises(InputError, match="has no published decoding of generate"):
        generator.generate("generate", {"text": "x"}, reference=True)


def test_a_published_decoding_with_other_steps_is_that_decoding(backbones: dict[str, Path]) -> None:
    for family in ("dream", "llada"):
        generator = Generator(load_bundle(backbones[family]))
        request = generator.request("generate", {"text": "hello"}, 32, reference=True)
        asked = dataclasses.replace(generator.bundle.published("generate"), steps=4, temperature=0.0)
        denoiser = BackboneDenoiser(generator.engine, len(request.canvas.ids), request.prompt)
        published = [step.ids.tolist() for step in reference_fill(request.canvas, denoiser, asked)]
        assert len(published) == 4
        assert [step.ids.tolist() for step in generator.steps(request, asked)] == published


def test_each_mode_refuses_the_schedule_of_the_other(small: Generator, backbones: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="need a request made with reference"):
        small.generate("generate", {"text": "x"}, 4, Reference("dream", 4, "entropy"))
    dream = Generator(load_bundle(backbones["dream"]))
    with pytest.raises(InputError, match="options of its own; pass a Reference"):
        dream.generate("generate", {"text": "x"}, 4, Schedule(), reference=True)


# ---- rows instead of embeddings


def test_rows_answer_as_the_codes_whose_embeddings_they_are(everything: Generator) -> None:
    """Encoder output takes the place of codes in a prompt; with the embeddings of the codes, the answer is the same."""
    low, _ = everything.bundle.manifest.vocabulary.ranges["speech"]
    rows = everything.engine.embed(np.array(SPEECH, np.int64) + low)
    schedule = Schedule(passes=2, rule="quota")
    by_codes = everything.generate("asr", {"speech": SPEECH}, 8, schedule)
    by_rows = everything.generate("asr", {"speech": rows}, 8, schedule)
    assert by_rows.ids == by_codes.ids
    other = everything.generate("asr", {"speech": rows[::-1] + 1}, 8, schedule)
    assert other.ids != by_codes.ids
    by_rows = everything.generate("asr", {"speech": rows}, 8, reference=True)
    assert by_rows.ids == everything.generate("asr", {"speech": SPEECH}, 8, reference=True).ids


@pytest.mark.parametrize(("shape", "message"), [((3, 5), "rows of width 5 were given; .* takes width 16"), ((0, 16), "is empty")])
def test_rows_of_another_width_are_named(everything: Generator, shape: tuple[int, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        everything.generate("asr", {"speech": np.zeros(shape, np.float32)}, 8)


# ---- drafts


def test_an_edit_keeps_what_the_draft_is_sure_of(small: Generator) -> None:
    task = next(name for name, t in small.bundle.manifest.templates.items() if set(t.inputs.values()) == {"text"})
    request = small.request(task, dict.fromkeys(small.bundle.template(task).inputs, "hello"), 8)
    *_, first = small.steps(request)
    confidence = np.ones(len(first.ids), np.float32)
    again = np.arange(request.prompt + 2, request.prompt + 5)
    confidence[again] = 0
    edited = dataclasses.replace(request, canvas=request.canvas.with_draft(Draft(first.ids, confidence)))
    steps = list(small.steps(edited))
    kept = np.setdiff1d(np.arange(len(first.ids)), again)
    assert (steps[-1].ids[kept] == first.ids[kept]).all()
    assert {int(at) for step in steps for at in step.committed} <= set(again.tolist())
    if small.bundle.template(task).reference is None:
        return
    reference = small.request(task, dict.fromkeys(small.bundle.template(task).inputs, "hello"), 8, reference=True)
    published = dataclasses.replace(reference, canvas=reference.canvas.with_draft(Draft(first.ids, confidence)))
    with pytest.raises(InputError, match="leave the draft out"):
        list(small.steps(published))


# ---- ids that no token stands for


@pytest.fixture(scope="module")
def padded(tmp_path_factory: pytest.TempPathFactory) -> Generator:
    """An embedding of 512 rows and a tokenizer of 260 tokens: the others are padding, as in Dream, or the codes of pictures."""
    from unmask.benchmarks.scenarios.checkpoints import small_tokenizer, write_checkpoint
    from unmask.export.onnx.backbone import write_backbone

    folder = tmp_path_factory.mktemp("padded")
    source = write_checkpoint(folder / "checkpoint", "dream", small_tokenizer(mask="<|mask|>"), vocab_size=512)
    return Generator(load_bundle(write_backbone(source, folder / "bundle")))


def test_rows_that_no_token_stands_for_are_never_committed(padded: Generator) -> None:
    assert padded.bundle.manifest.vocabulary.size == 512
    for seed in range(3):
        answer = padded.generate("generate", {"text": "Hi"}, 40, Schedule(threshold=0.9, temperature=2.0, seed=seed))
        assert max(answer.ids) < 259  # 259 is the mask
        specials = [i for i in answer.ids[: answer.tokens] if i >= 256]
        assert answer.textless == len(specials)


def test_the_published_decoding_may_commit_them_and_they_are_counted(padded: Generator) -> None:
    answer = padded.generate("generate", {"text": "Hi"}, 40, reference=True)
    useful = np.array(answer.ids)[: answer.tokens]
    assert (useful > 259).any()
    assert answer.textless == int((useful >= 256).sum())


def test_gaps_between_the_tokens_are_no_tokens() -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import BPE

    assert token_ranges(Tokenizer(BPE({"a": 0, "b": 1, "c": 5, "d": 7, "e": 8}, []))) == ((0, 2), (5, 6), (7, 9))


# ---- weights that are no numbers


def damaged(bundle: Path, folder: Path) -> Path:
    """A copy whose weights are all NaN, as a training that failed leaves them."""
    shutil.copytree(bundle, folder)
    weights = folder / "weights.bin"
    weights.write_bytes(np.full(weights.stat().st_size // 4, np.nan, "<f4").tobytes())
    manifest = json.loads((folder / "bundle.json").read_text())
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    manifest["files"]["weights.bin"] = {"bytes": weights.stat().st_size, "sha256": digest}
    (folder / "bundle.json").write_text(json.dumps(manifest))
    return folder


@pytest.mark.parametrize("reference", [False, True])
def test_weights_that_are_no_numbers_are_told_and_nothing_is_committed(
    backbones: dict[str, Path], tmp_path: Path, reference: bool
) -> None:
    generator = Generator(load_bundle(damaged(backbones["dream"], tmp_path / "nan")))
    request = generator.request("generate", {"text": "Hi"}, 16, reference)
    steps = generator.steps(request)
    with pytest.raises(NumberError, match=r"a pass returned numbers that are not finite \(logit nan"):
        next(steps)


def test_a_captioner_whose_weights_are_no_numbers_says_so(fp32_bundle: Path, tmp_path: Path) -> None:
    captioner = Captioner(load_bundle(damaged(fp32_bundle, tmp_path / "nan")))
    noise = (0.1 * np.random.default_rng(0).standard_normal(32000)).astype(np.float32)
    with pytest.raises(NumberError, match="not finite"):
        captioner.caption(noise)
