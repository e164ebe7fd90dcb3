"""Fill the frames of a speech task: a prompt of text and of a reference voice's frames, then as many masks as the text needs.

Knows bundles with a window graph and heads for several streams. Knows no audio and no files: voices are given as codes, and
speech is returned as codes, frame by frame.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.graph_spec import STREAMS, kind_of, missing_roles
from unmask.bundle.manifest import Bundle
from unmask.bundle.task_template import AnswerSpan, Template
from unmask.decoding.denoiser import Step
from unmask.decoding.schedule import Reference, Schedule
from unmask.decoding.streams.canvas import Codes, Rows, StreamCanvas
from unmask.decoding.streams.published import Uniform, published_streams
from unmask.decoding.streams.sampler import fill_streams
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.errors import BundleError, InputError
from unmask.text.generator import PLACEHOLDER, Answer, Input, Inputs
from unmask.voice.denoiser import StreamDenoiser, frame_rows, streams_of
from unmask.voice.duration import frames_of
from unmask.voice.language import language_id
from unmask.voice.script import SOUNDS, cleaned
from unmask.voice.style import styled

TEXT, TRANSCRIPT, LANGUAGE = "text", "transcript", "language"
MARK = re.compile(r"<\|\w+\|>")
MOST_TEXT = 2000  # characters of one canvas; `unmask.voice.saying` cuts longer texts


@dataclass(frozen=True)
class StreamRequest:
    """A task's canvas, ready to be filled."""

    task: str
    template: Template
    canvas: StreamCanvas
    prompt: Rows  # (P, d) embedded
    ids: tuple[int | None, ...]  # of the prompt's text; None in place of a frame
    answer: tuple[AnswerSpan, ...]
    reference: bool  # it is filled by the published decoding


class StreamGenerator:
    """Fills speech tasks. Cheap to construct; `load` opens the graphs, or else the first request does.

    Keeps no state between requests but the row of an empty canvas. Two threads must not use one generator at the same time.
    """

    def __init__(self, bundle: Bundle, options: EngineOptions | None = None, *, engine: Engine | None = None) -> None:
        """engine: runs the graphs; by default one is made from `options`. Raises BundleError for a bundle of another kind."""
        if kind_of(bundle.manifest) is not STREAMS:
            raise BundleError(f"{bundle.folder}: family {bundle.manifest.family!r} has no heads for several streams")
        if lacking := missing_roles(bundle.manifest):
            raise BundleError(f"{bundle.folder}: streams need {' and '.join(lacking)}, which {bundle.manifest.name} lacks")
        self.bundle, self.streams = bundle, streams_of(bundle.manifest)
        self.engine = engine or Engine(bundle, options)

    def load(self) -> "StreamGenerator":
        """Open the window graph, the heads and the tokenizer now.

        Raises BundleError if one is damaged, InputError if the engine is not available.
        """
        for role in ("window", "streams"):
            self.engine.check(role)
        self.bundle.tokenizer  # noqa: B018  (opens it)
        return self

    # ---- the canvas

    def request(self, task: str, inputs: Inputs, length: int | None = None, reference: bool = False) -> StreamRequest:
        """Lay out a task's canvas.

        inputs: a text or codes for each of the template's inputs but those with a default. Codes of a voice are those of all
        streams of the first frame, then of the second, and so on. length: frames, by default by the rule on the text
        (`unmask.voice.duration`). Raises InputError for an unknown task, missing, unknown, empty or wrong inputs, codes out of
        range, and a text or canvas that is too long.
        """
        template = self.bundle.template(task)
        given = self._inputs(template, inputs)
        ids, prompt = self._prompt(template, given)
        frames = self.frames(template, given) if length is None else length
        if frames < 1:
            raise InputError(f"length is {frames}; speech has at least 1 frame")
        most, manifest = self.bundle.manifest.positions, self.bundle.manifest
        if most is not None and len(prompt) + frames > most:
            raise InputError(f"the prompt has {len(prompt)} rows and the speech {frames}; {manifest.name} takes {most} in all")
        canvas = StreamCanvas.masked(self.streams.count, frames, self.streams.codes)
        answer = tuple(AnswerSpan(self.streams.modality, frames) if piece.length else piece for piece in template.answer)
        return StreamRequest(task, template, canvas, prompt, ids, answer, reference)

    def check(self, task: str, inputs: Inputs) -> None:
        """Raises InputError for inputs that `request` refuses, but for a canvas that is too long. Computes nothing."""
        given = self._inputs(self.bundle.template(task), inputs)
        for name, kind in self.bundle.template(task).inputs.items():
            if not isinstance(value := given[name], str):
                self._codes(name, value)
            elif kind == TEXT and not self._encode(value):
                raise InputError(f"the input {name} has nothing that can be said")

    def frames(self, template: Template, inputs: Inputs) -> int:
        """Frames of a task's text, by the rule on its characters and on those of a reference voice."""
        transcript, voices = inputs.get(TRANSCRIPT), [name for name, kind in template.inputs.items() if kind != TEXT]
        heard = len(inputs[voices[0]]) // self.streams.count if voices else 0
        return frames_of(str(inputs[TEXT]), None if transcript is None else str(transcript), heard)

    def _inputs(self, template: Template, inputs: Inputs) -> dict[str, Input]:
        """All inputs, checked, with defaults."""
        unknown, missing = set(inputs) - set(template.inputs), template.required.keys() - inputs.keys()
        if unknown or missing:
            takes = ", ".join(template.inputs)
            raise InputError(f"this task takes {takes}; not given: {sorted(missing)}, unknown: {sorted(unknown)}")
        given: dict[str, Input] = {**template.defaults, **inputs}
        for name, kind in template.inputs.items():
            value = given[name]
            if not (value.strip() if isinstance(value, str) else len(value)):
                raise InputError(f"the input {name} is empty; there is nothing to say")
            if (kind == TEXT) != isinstance(value, str):
                raise InputError(f"the input {name} is {'text, not codes' if kind == TEXT else 'codes of a voice, not text'}")
            if isinstance(value, str):
                given[name] = self._text(template, name, value, str(inputs.get(TEXT, "")))
        return given

    def _text(self, template: Template, name: str, value: str, said: str) -> str:
        if mark := MARK.search(value):
            raise InputError(f"the input {name} contains {mark[0]!r}, a mark of the model's prompt; write it differently")
        if len(value) > MOST_TEXT:
            raise InputError(
                f"{name} has {len(value)} characters, and one canvas takes {MOST_TEXT}: `unmask speak` says longer ones"
            )
        if name in template.choices and value != template.defaults.get(name):
            return styled(name, value, template.choices[name], said)
        if name == LANGUAGE and value != template.defaults.get(name):
            return language_id(value, self.bundle.manifest.languages)
        return value

    def _prompt(self, template: Template, given: Mapping[str, Input]) -> tuple[tuple[int | None, ...], Rows]:
        """Ids of the prompt with None in place of frames, and its rows (P, d)."""
        ids, rows, text = list[int | None](), list[Rows](), ""

        def close() -> None:
            nonlocal text
            own = self._encode(text)
            ids.extend(own)
            rows.append(self.engine.embed(np.array(own, np.int64)))
            text = ""

        for i, part in enumerate(PLACEHOLDER.split(template.prompt)):  # literal, name, literal, name, ...
            value = given[part] if i % 2 else part
            if isinstance(value, str):
                text += value.strip() if part in (TEXT, TRANSCRIPT) else value
                continue
            close()
            codes = self._codes(part, value)
            ids.extend([None] * codes.shape[1])
            rows.append(frame_rows(self.engine, codes))
        close()
        return tuple(ids), np.concatenate(rows)

    def _encode(self, text: str) -> list[int]:
        """Marks stay, what is between them is cleaned, and named sounds are tokenized on their own."""
        between = MARK.split(text)
        clean = between[0] + "".join(mark + cleaned(part) for mark, part in zip(MARK.findall(text), between[1:], strict=True))
        return [
            i for part in SOUNDS.split(clean) if part for i in self.bundle.tokenizer.encode(part, add_special_tokens=False).ids
        ]

    def _codes(self, name: str, value: Sequence[int] | NDArray[np.float32]) -> Codes:
        """Codes frame by frame -> (Q, F)."""
        codes, streams = np.asarray(value), self.streams
        if codes.dtype.kind not in "iu" or codes.ndim != 1 or codes.size % streams.count:
            raise InputError(
                f"the input {name} is {codes.size} numbers; a frame has {streams.count} whole ones, one of each stream"
            )
        wrong = codes[(codes < 0) | (codes >= streams.codes)]
        if wrong.size:
            raise InputError(
                f"the code {wrong[0]} of {name} is out of range; {self.bundle.manifest.name} has 0 to {streams.codes - 1}"
            )
        return codes.astype(np.int64).reshape(-1, streams.count).T

    # ---- filling it

    def steps(
        self, request: StreamRequest, schedule: Schedule | Reference | None = None, uniform: Uniform | None = None
    ) -> Iterator[Step]:
        """Fill a request's canvas; yields a Step after each pass. Its positions are codes frame by frame.

        schedule: by default the task's; a request made with `reference` takes a Reference, by default the published one. uniform:
        the published decoding's random numbers, by default of its seed. Raises InputError for a schedule of the other mode.
        """
        denoiser = self.denoiser(request)
        if request.reference:
            if isinstance(schedule, Schedule):
                raise InputError("a published decoding has options of its own; pass a Reference, or leave the schedule out")
            return published_streams(request.canvas, denoiser, schedule or self.bundle.published(request.task), uniform)
        if isinstance(schedule, Reference):
            raise InputError("the options of a published decoding need a request made with reference; pass a Schedule")
        return fill_streams(request.canvas, denoiser, schedule or self.bundle.schedule(request.task))

    def denoiser(self, request: StreamRequest) -> StreamDenoiser:
        """The bundle's graphs on a request's canvas."""
        return StreamDenoiser(self.engine, request.prompt, request.canvas.codes.shape[1], lambda: self._nothing)

    @cached_property
    def _nothing(self) -> Rows:
        width = self.bundle.manifest.embedding.width
        return StreamDenoiser(self.engine, np.zeros((0, width), np.float32), 1).nothing()

    def generate(
        self,
        task: str,
        inputs: Inputs,
        length: int | None = None,
        schedule: Schedule | Reference | None = None,
        reference: bool = False,
    ) -> Answer:
        """Fill a task's canvas and read the answer. Arguments and errors are those of `request` and `steps`."""
        return self.answer(self.request(task, inputs, length, reference), schedule)

    def answer(
        self,
        request: StreamRequest,
        schedule: Schedule | Reference | None = None,
        on_step: Callable[[StreamRequest, Step], None] | None = None,
    ) -> Answer:
        """Fill a request's canvas and read the answer. on_step: called after each pass; it may raise an exception to cancel."""
        began, rows, last = time.perf_counter(), 0, None
        for last in self.steps(request, schedule):
            rows += last.rows
            if on_step is not None:
                on_step(request, last)
        assert last is not None  # a canvas has a cell at least
        return self.read(request, last.ids, last.number, rows, time.perf_counter() - began)

    def read(
        self, request: StreamRequest, ids: NDArray[np.int64], passes: int = 0, rows: int = 0, seconds: float = 0.0
    ) -> Answer:
        """Read an answer from codes frame by frame, (T * Q,). Frames at the end that are not whole are left out."""
        frames = ids.reshape(-1, self.streams.count)
        whole = (frames != self.streams.codes).all(1)
        kept = frames if whole.all() else frames[: int(whole.argmin())]
        codes = {self.streams.modality: tuple(kept.reshape(-1).tolist())}
        return Answer("", codes, tuple(ids.tolist()), kept.size, passes, rows, seconds)
