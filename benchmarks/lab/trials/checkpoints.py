"""Trials of `unmask export` and `unmask quantize`: checkpoints in, folders out. Random weights only."""

import json
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from benchmarks.lab.trials.trial import COMMAND, Outcome, Run, Trial, all_of, refused, unmask
from unmask.benchmarks.scenarios.checkpoints import small_tokenizer, write_checkpoint

WEIGHTS = "model.safetensors"
UP = "model.layers.0.mlp.up_proj.weight"


def tiny(folder: Path, family: str = "dream", **keys: object) -> Path:
    return write_checkpoint(
        folder / "tiny", family, small_tokenizer(mask="<|mask|>" if family == "dream" else "<|MASK|>"), **keys
    )


def edited(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)


def set_nan(tensors: dict[str, torch.Tensor]) -> None:
    tensors[UP][0, 0] = float("nan")


def set_inf(tensors: dict[str, torch.Tensor]) -> None:
    tensors["lm_head.weight"][5] = float("inf")


def not_finite(folder: Path) -> Outcome:
    found = []
    for change, place in ((set_nan, f"{UP}[0, 0] is nan"), (set_inf, "lm_head.weight[5, 0] is inf")):
        edited(source := tiny(folder), change)
        found += [refused(unmask(command, source, "--quiet", folder=folder), place) for command in ("export", "quantize")]
    return all_of(*found)


def without_token(folder: Path) -> Outcome:
    tiny(folder, vocab_size=512)
    unmask("export", "tiny", folder=folder)
    run = unmask("generate", "tiny.bundle", "--prompt", "Hi", "--length", "16", "--json", folder=folder)
    strange = [i for i in json.loads(run.out)["ids"] if i >= 260]
    return Outcome(not strange, f"{len(strange)} of 16 positions hold ids without a token")


def other_decoding(folder: Path) -> Outcome:
    found = []
    for i, (family, key, value) in enumerate((("block", "use_regular_causal", True), ("dream", "expand_token_id", 259))):
        source = tiny(folder / str(i), family, **{key: value})
        found.append(refused(unmask("export", source, folder=folder), key))
    told = unmask("export", tiny(folder / "told", swirl=3), folder=folder)
    return all_of(*found, Outcome("swirl" in told.err and told.code == 0, "refused by key; unknown keys are told"))


def other_file(folder: Path) -> Outcome:
    source = tiny(folder)
    text = json.loads((source / "tokenizer.json").read_text())
    added = {token["content"]: token["id"] for token in text["added_tokens"]}
    (source / "added_tokens.json").write_text(json.dumps(added))
    (source / "tokenizer.json").write_text(json.dumps({**text, "added_tokens": text["added_tokens"][:1]}))
    unmask("export", "tiny", folder=folder)
    tasks = set(json.loads(unmask("inspect", "tiny.bundle", "--json", folder=folder).out)["templates"])
    (source / "added_tokens.json").write_text(json.dumps({"<|im_end|>": 256}))
    contradiction = refused(unmask("export", "tiny", "--out", "other", folder=folder), "added_tokens.json", "<|endoftext|>")
    return all_of(
        contradiction, Outcome(tasks == {"generate", "chat"}, f"tasks {', '.join(sorted(tasks))}; contradictions named")
    )


def unwritable(folder: Path) -> Outcome:
    tiny(folder)
    (folder / "dangling").symlink_to("gone")
    below = refused(unmask("export", "tiny", "--out", "tiny/config.json/b", folder=folder), "cannot be written")
    dangling = refused(unmask("export", "tiny", "--out", "dangling", folder=folder), "a link to gone")

    def small_files() -> None:  # the disk is full for whoever may write no more
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    line = [*COMMAND, "export", "tiny", "--quiet"]
    full = subprocess.run(line, cwd=folder, preexec_fn=small_files, capture_output=True, text=True, check=False)
    left = sorted(path.name for path in folder.iterdir())
    whole = refused(Run(full.returncode, full.stdout, full.stderr), "tiny.bundle: cannot be written")
    return all_of(below, dangling, Outcome(left == ["dangling", "tiny"], f"left: {left}"), whole)


def killed(folder: Path) -> Outcome:
    tiny(folder)
    left = {}
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
        process = subprocess.Popen([*COMMAND, "export", "tiny", "--quiet"], cwd=folder, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(list(folder.iterdir())) < 2:
            time.sleep(0.05)
        process.send_signal(number)
        process.wait()
        left[number.name] = len(list(folder.iterdir())) - 1
    told = unmask("export", "tiny", folder=folder)
    after = sorted(path.name for path in folder.iterdir())
    right = (
        list(left.values()) == [0, 0, 1] and "which an interrupted run had left" in told.err and after == ["tiny", "tiny.bundle"]
    )
    return Outcome(right, f"left {left}; the next run clears: {after}")


def other_sorts(folder: Path) -> Outcome:
    def fp8(source: Path) -> None:
        scales = {f"{UP}_scale_inv": torch.ones(1, 1)}
        edited(source, lambda tensors: tensors.update({UP: tensors[UP].to(torch.float8_e4m3fn), **scales}))

    def gptq(source: Path) -> None:
        edited(source, lambda tensors: tensors.update({f"{UP[:-7]}.qweight": tensors.pop(UP).to(torch.int32)}))

    def adapter(source: Path) -> None:
        (source / WEIGHTS).rename(source / "adapter_model.safetensors")
        (source / "adapter_config.json").write_text("{}")
        (source / "config.json").unlink()

    def gguf(source: Path) -> None:
        (source / WEIGHTS).rename(source / "tiny.gguf")

    def pieces(source: Path) -> None:
        (source / "tokenizer.json").rename(source / "tokenizer.model")

    cases = ((fp8, "quantized"), (gptq, "quantized"), (adapter, "an adapter"), (gguf, "is GGUF"), (pieces, "sentencepiece"))
    found = []
    for i, (change, word) in enumerate(cases):
        change(source := tiny(folder / str(i)))
        found.append(refused(unmask("export", source, folder=folder), word))
    return all_of(*found)


def replaced(folder: Path) -> Outcome:
    tiny(folder)
    unmask("export", "tiny", folder=folder)
    bundle, lost = folder / "tiny.bundle", []
    unmask("quantize", "tiny.bundle", folder=folder)
    for made, line in ((bundle, ("export", "tiny")), (folder / "tiny.bundle-int8", ("quantize", "tiny.bundle"))):
        (made / "notes").mkdir()
        for name in ("README.md", "notes/mine.txt"):
            (made / name).write_text("mine")
        run = unmask(*line, "--replace", folder=folder)
        lost += [name for name in ("README.md", "notes/mine.txt") if run.code or not (made / name).is_file()]
    return Outcome(not lost, f"lost: {lost}" if lost else "both kept by export and quantize")


def cached(folder: Path) -> Outcome:
    model = folder / "hub" / "models--org--Tiny"
    (model / "snapshots").mkdir(parents=True)
    (model / "blobs").mkdir()
    revision = model / "snapshots" / "5e1f2a"
    source = tiny(folder)
    revision.mkdir()
    for path in source.iterdir():
        (revision / path.name).symlink_to(shutil.copy(path, model / "blobs"))
    before = sorted(path.name for path in model.rglob("*"))
    found = []
    for given in (model, revision):
        run = unmask("export", given, "--quiet", "--replace", folder=folder)
        found.append(Outcome(run.out == "Tiny.bundle\n", f"printed {run.out.strip() or run.last_line}"))
    after = sorted(path.name for path in model.rglob("*"))
    return all_of(Outcome(before == after, "something was written into the cache"), *found)


def buffers(folder: Path) -> Outcome:
    names = ("model.layers.0.self_attn.rotary_emb.inv_freq", "model.layers.0.attn.masked_bias")
    edited(tiny(folder), lambda tensors: tensors.update({name: torch.ones(8) for name in names}))
    run = unmask("export", "tiny", "--quiet", folder=folder)
    return Outcome(run.code == 0, run.last_line or "exported")


def other_types(folder: Path) -> Outcome:
    found = []
    values = (("hidden_size", "64"), ("num_hidden_layers", 2.0), ("num_attention_heads", 0), ("eos_token_id", []))
    source = tiny(folder)
    config = json.loads((source / "config.json").read_text())
    for key, value in values:
        (source / "config.json").write_text(json.dumps({**config, key: value}))
        found.append(refused(unmask("export", "tiny", folder=folder), key))
    (source / "config.json").write_text(json.dumps(config))
    (source / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": {"a": None}}))
    return all_of(*found, refused(unmask("export", "tiny", folder=folder), "a tensor has no shard"))


def quiet(folder: Path) -> Outcome:
    tiny(folder)
    run = unmask("export", "tiny", "--quiet", folder=folder)
    return Outcome(run.code == 0 and run.err == "", f"{run.err.count(os.linesep)} lines on stderr")


FOLDERS = "export/test_folder.py::test_another_sort_of_folder_is_named_as_what_it_is"
TRIALS = (
    Trial(
        "R2",
        "numbers that are none",
        "named at export and quantizing",
        "export/test_checkpoint.py::test_a_weight_that_is_no_number_is_named_with_its_place",
        not_finite,
    ),
    Trial(
        "R3",
        "ids that no token stands for",
        "never committed",
        "runtime/text/test_generator.py::test_rows_that_no_token_stands_for_are_never_committed",
        without_token,
    ),
    Trial(
        "R4",
        "one model_type, several decodings",
        "refused, naming the key",
        "export/test_family_configs.py::test_what_would_be_computed_wrongly_is_refused",
        other_decoding,
    ),
    Trial(
        "R5",
        "tokens named in another file",
        "all files are read, contradictions told",
        "export/test_tokenizer_files.py::test_the_chat_task_is_there_when_only_added_tokens_json_has_its_marks",
        other_file,
    ),
    Trial(
        "R8",
        "the place to write to fails",
        "one line, exit 2, nothing left",
        "export/test_staging.py::test_a_place_that_cannot_be_written_is_named",
        unwritable,
    ),
    Trial(
        "R9",
        "killed while exporting",
        "nothing left, or the next run clears it",
        "export/test_staging.py::test_what_a_killed_run_left_is_named_and_removed_by_the_next",
        killed,
    ),
    Trial("R10", "quantized and other checkpoints", "named as what they are", FOLDERS, other_sorts),
    Trial(
        "R13",
        "`--replace` and other people's files",
        "they stay",
        "export/test_staging.py::test_what_the_manifest_does_not_list_is_kept",
        replaced,
    ),
    Trial(
        "R14",
        "the hub's cache",
        "named after the model, written to the current folder",
        "export/test_folder.py::test_a_model_in_the_hubs_cache_is_read_and_named_after_the_model",
        cached,
    ),
    Trial(
        "R15",
        "harmless buffers",
        "ignored",
        "export/test_folder.py::test_buffers_that_hold_no_weights_are_left_out",
        buffers,
    ),
    Trial(
        "R20",
        "values of another type in JSON",
        "one line",
        "export/test_family_configs.py::test_a_value_of_another_type_is_named",
        other_types,
    ),
    Trial(
        "R21",
        "`export --quiet`",
        "nothing on stderr",
        "apps/cli/test_export.py::test_a_model_in_the_hubs_cache_is_exported_to_the_current_folder_and_quiet_is_silent",
        quiet,
    ),
)
