"""One run of `unmask bench peers captions`, and what it leaves: a table, every text, and a report as `unmask bench` has it.

Knows recordings on disk and reports. Knows no option of the command.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.lab.peers.captions import Captions, Heard, table
from benchmarks.lab.peers.peers import CAPTIONS, SCENARIO, TORCH, absent, caption_cases, torch_absent
from unmask.benchmarks.report.markdown import one_table
from unmask.benchmarks.report.record import Report
from unmask.benchmarks.report.write import write_report
from unmask.benchmarks.scenarios.catalog import Recording
from unmask.benchmarks.scenarios.run import read_subject, run
from unmask.benchmarks.scenarios.runner import Plan, Say
from unmask.engines.engine_options import EngineOptions
from unmask.errors import InputError
from unmask.speech.captioner import FAMILY

NOTES = (
    "Times are from a recording's samples to its text, encoder included, the model open, taken in the process that reads.",
    "Ours takes of it: the bundle's own decoding / the system, recording by recording; the median and its 95 % interval (from 6 "
    "readings on). Below 1 ours is faster.",
    "Decoding alone leaves out the encoder, which is the same for every way of the bundle. Token by token: the bundle's verifier "
    "decodes greedily with its cache, in the same engine and precision.",
    "Word errors are counted after Whisper's English normalizer. Intervals: bootstrap over recordings; of points over pairs, "
    "the same recordings of both.",
    "RSS: most memory that the process held, Python and packages included; the ways of one system share a process.",
)


@dataclass(frozen=True)
class Compared:
    report: Report
    heard: tuple[Heard, ...]
    recordings: tuple[Recording, ...]


def measure(
    bundle: Path,
    weights: Mapping[str, Path | None],
    threads: int,
    recordings: Sequence[Recording],
    plan: Plan,
    say: Say,
    pytorch: Sequence[str] = (),
) -> Compared:
    """weights: by a peer's option; pytorch: ways to run the bundle's own weights besides.

    Raises BundleError, and InputError for a bundle that cannot be read token by token.
    """
    subject = read_subject(bundle, EngineOptions(threads=threads))
    if subject.manifest.family != FAMILY or subject.manifest.verifier is None:
        raise InputError(f"{bundle}: {subject.name} has no verifier to decode token by token with; give a bundle that captions")
    paths = [recording.path for recording in recordings]
    cases, skipped = caption_cases(bundle, subject.name, weights, threads, paths, pytorch)
    captions = Captions([recording.said or "" for recording in recordings], [recording.seconds for recording in recordings])
    settings = {"scenarios": [SCENARIO], "peers": described(weights, pytorch), "recordings": len(recordings)}
    report = run(cases, [subject], plan, settings, say, captions.take, captions.rows)
    return Compared(replace(report, skipped=skipped), tuple(captions.heard), tuple(recordings))


def described(weights: Mapping[str, Path | None], pytorch: Sequence[str]) -> dict[str, Any]:
    """Versions of the peers that are there, and what their weights are called; no path of this machine."""
    there = [peer for peer in CAPTIONS if absent(peer, weights.get(peer.option)) is None]
    named = {
        peer.name: {"version": metadata.version(peer.install), "weights": Path(str(weights[peer.option])).resolve().name}
        for peer in there
    }
    if torch := [way for way in TORCH if torch_absent(way, pytorch) is None]:
        own = f"the bundle's in float32, {' and '.join(torch)}"
        named["PyTorch"] = {"version": metadata.version("torch"), "weights": own}
    return named


def to_markdown(found: Compared) -> str:
    report, audio_s = found.report, sum(recording.seconds for recording in found.recordings)
    peers = [f"{name} {own['version']} ({own['weights']})" for name, own in report.plan["peers"].items()]
    count = len(found.recordings)
    asked = f"{count} recordings, {audio_s / 60:.1f} minutes; {', '.join(peers) or 'no other system'}"
    return one_table("unmask bench peers: captions", table(found.heard), asked, report, NOTES)


def write(found: Compared, folder: Path) -> None:
    """The folder is made where it is missing; files of an earlier run are written over."""
    write_report(found.report, folder)
    (folder / "peers.md").write_text(to_markdown(found), encoding="utf-8")
    names = [recording.name for recording in found.recordings]
    readings = {own.name: list(_readings(own, names)) for own in found.heard}
    (folder / "readings.json").write_text(json.dumps(readings, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _readings(own: Heard, names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "recording": names[i % len(names)],
            "text": sample.text,
            "errors": int(own.errors[i]),
            "words": int(own.words[i]),
            "seconds": round(sample.seconds, 6),
            "passes": sample.passes,
            "tokens": sample.tokens,
        }
        for i, sample in enumerate(own.samples)
    ]
