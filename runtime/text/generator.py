"""Answer a task with a backbone bundle: encode prompt and inputs, fill a canvas, and return text and codes.

Knows bundles with a window graph and heads. Knows no audio, images, files or screen: speech and images are given as codes or
rows, and returned as codes.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from unmask.bundle.graph_spec import BACKBONE, kind_of, missing_roles
from unmask.bundle.manifest import Bundle
from unmask.bundle.task_template import AnswerSpan, Template
from unmask.decoding.canvas import Canvas, IdRange, Span, allowed_mask
from unmask.decoding.denoiser import Step
from unmask.decoding.draft import Draft
from unmask.decoding.input_rows import Rows
from unmask.decoding.reference import adapted, reference_fill
from unmask.decoding.row_selection import AttentionLayout
from unmask.decoding.sampler import fill
from unmask.decoding.schedule import Reference, Schedule
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.errors import BundleError, InputError
from unmask.text.denoiser import BackboneDenoiser, attention_layout
from unmask.text.guidance import Guided, Unconditional
from unmask.text.places import NONE, SPEECH, place_rows, said_rows

Floats = NDArray[np.float32]
Input = str | Sequence[int] | Floats
"""A text; codes, where 0 is the first id of the modality's range; or rows (R, d) float32 that replace embeddings."""
Inputs = Mapping[str, Input]
KeptCodes = Mapping[str, Sequence[int | None]]
"""Modality -> a code for each position of the answer's spans of it, where 0 is the first id of its range; None: to be filled."""
PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Request:
    """A task's canvas, ready to be filled."""

    task: str
    template: Template
    canvas: Canvas  # prompt and answer
    prompt: int  # length of the prompt
    answer: tuple[AnswerSpan, ...]  # what follows the prompt
    reference: bool  # the canvas is laid out for the published decoding
    places: NDArray[np.int64] | None = None  # `place_rows` of the canvas

    def after(self, prompt: NDArray[np.int64]) -> "Request":
        """The same answer, all of it masked, after another prompt (U,) of which no position has a place."""
        moved = len(prompt) - self.prompt
        spans = tuple(replace(span, start=span.start + moved, stop=span.stop + moved) for span in self.canvas.spans)
        ids = np.concatenate([prompt, self.canvas.ids[self.prompt :]])
        places = None if self.places is None else np.concatenate([np.full(len(prompt), NONE), self.places[self.prompt :]])
        canvas = Canvas(ids, spans, self.canvas.mask_id)
        return replace(self, canvas=canvas, prompt=len(prompt), places=places)


@dataclass(frozen=True)
class Answer:
    """The answer on a filled canvas, and what it cost."""

    text: str
    codes: dict[str, tuple[int, ...]]  # modality -> codes, where 0 is the first id of its range
    ids: tuple[int, ...]  # the whole canvas after the prompt
    tokens: int  # number of useful tokens: those before the end id of their span
    passes: int  # number of passes
    rows: int  # number of rows computed in these passes
    seconds: float
    thought: str = ""  # what the model told itself before it answered, where the task has a span for it
    textless: int = 0  # number of useful tokens that the text does not show: special ones, and ids that no token stands for
    media: dict[str, NDArray[Any]] = field(default_factory=dict, compare=False)
    """modality -> pixels (H, W, 3) uint8, or samples (N,) float32: what a session's codecs made of the codes."""

    @property
    def rows_per_token(self) -> float | None:
        """Rows computed for each useful token; None without any."""
        return self.rows / self.tokens if self.tokens else None


class Generator:
    """Answers tasks. Cheap to construct; `load` opens the graphs, or else the first request does.

    Keeps no state between requests. Two threads must not use one generator at the same time.
    """

    def __init__(self, bundle: Bundle, options: EngineOptions | None = None, *, engine: Engine | None = None) -> None:
        """engine: runs the graphs; by default one is made from `options`. Raises BundleError for a bundle of another kind."""
        if kind_of(bundle.manifest) is not BACKBONE:
            raise BundleError(
                f"{bundle.folder}: family {bundle.manifest.family!r} does not generate; `unmask caption` runs it if it captions, "
                "and `unmask speak` if it speaks"
            )
        if lacking := missing_roles(bundle.manifest):
            raise BundleError(f"{bundle.folder}: a generator needs {' and '.join(lacking)}, which {bundle.manifest.name} lacks")
        self.bundle = bundle
        self.engine = engine or Engine(bundle, options)

    def load(self) -> "Generator":
        """Open the window graph, the whole head and the tokenizer now; sliced heads are opened when first needed.

        Raises BundleError if one is damaged, InputError if the engine is not available.
        """
        for role in ("window", "head"):
            self.engine.check(role)
        self.tokenizer  # noqa: B018  (opens it)
        return self

    @property
    def tokenizer(self) -> Tokenizer:
        """The bundle's tokenizer, read on first use. Raises BundleError."""
        return self.bundle.tokenizer

    # ---- the canvas

    def request(
        self, task: str, inputs: Inputs, length: int | None = None, reference: bool = False, kept: KeptCodes | None = None
    ) -> Request:
        """Lay out a task's canvas.

        inputs: a text, codes or rows for each of the template's inputs, see `Input`. length: number of positions of the answer,
        by default the template's. reference: one span that allows every id, as in the family's published code. kept: a draft of
        which only the rest is filled. Raises InputError for an unknown task, missing, unknown or empty inputs, codes out of
        range, a canvas that is too long, and a draft that does not fit or leaves nothing to fill.
        """
        template = self.bundle.template(task)
        prompt, rows = self._encode_prompt(template, inputs)
        manifest = self.bundle.manifest
        pieces = template.resized(self._length(template, prompt, length))
        most = manifest.positions
        total = len(prompt) + sum(piece.size for piece in pieces)
        if most is not None and total > most:
            raise InputError(
                f"the prompt has {len(prompt)} tokens and the answer {total - len(prompt)}; {manifest.name} takes {most} in all: "
                "shorten the prompt or pass a smaller length"
            )
        ids, spans = list(prompt), list[Span]()
        for piece in pieces:
            given = bool(piece.ids) and (piece.published or not reference)
            if not given and not reference:
                spans.append(Span(len(ids), len(ids) + piece.size, piece.modality, self._allowed(piece), piece.end_id))
            ids += piece.ids if given else [manifest.vocabulary.mask_id] * piece.size
        if reference:
            spans = [Span(len(prompt), len(ids), "any", self._around_mask((0, manifest.vocabulary.size)))]
        canvas = Canvas(np.array(ids, dtype=np.int64), tuple(spans), manifest.vocabulary.mask_id, rows=rows)
        if kept:
            canvas = self._keeping(canvas, task, kept, reference)
        return Request(task, template, canvas, len(prompt), pieces, reference, place_rows(manifest, prompt, pieces))

    def _keeping(self, canvas: Canvas, task: str, kept: KeptCodes, reference: bool) -> Canvas:
        """The canvas with a draft of the codes that are kept, which a fill trusts whatever its schedule."""
        if reference:
            raise InputError("a published decoding starts from masks and keeps nothing; leave reference or what is kept out")
        at, ids = list[int](), list[int]()
        for modality, codes in kept.items():
            places = [i for span in canvas.spans if span.modality == modality for i in range(span.start, span.stop)]
            if len(places) != len(codes):
                raise InputError(f"{len(codes)} codes of {modality} are kept, and the answer of {task} has {len(places)}")
            known = [(place, code) for place, code in zip(places, codes, strict=True) if code is not None]
            at += [place for place, _ in known]
            ids += self._codes("kept", modality, [code for _, code in known])
        if len(at) == sum(span.stop - span.start for span in canvas.spans):
            raise InputError("all of the answer is kept, so nothing is left to fill; name a region that is made anew")
        order = np.argsort(np.array(at, np.int64))
        at_floats = np.array(at, np.float64)[order]
        return canvas.with_draft(Draft(np.array(ids, np.int64)[order], np.ones(len(at), np.float32), at_floats))

    def _length(self, template: Template, prompt: list[int], length: int | None) -> int | None:
        """Positions of the answer: those that are asked for, but as many as it takes to say the prompt at the model's pace."""
        if not (self.bundle.manifest.spoken and [piece.modality for piece in template.answer] == [SPEECH]):
            return length
        said, silent = (
            len(said_rows(self.bundle.manifest, np.array(ids, np.int64)))
            for ids in (prompt, self._encode(PLACEHOLDER.sub("", template.prompt)))
        )
        if said <= silent:
            raise InputError("nothing of this text can be said; give words")
        if length not in (None, said):
            raise InputError(f"this text is said in {said} codes, and not in {length}; leave the length out")
        return said

    def encode(self, template: Template, inputs: Inputs) -> list[int]:
        """Ids of a prompt with its inputs. A text is tokenized together with the prompt around it; codes become ids as they are.

        Raises InputError as `request`.
        """
        return self._encode_prompt(template, inputs)[0]

    def _encode_prompt(self, template: Template, inputs: Inputs) -> tuple[list[int], Rows | None]:
        """The ids, and the rows that replace some of their embeddings. Ids at the positions of rows are ignored."""
        inputs = {**template.defaults, **inputs}
        self._check_names(template, inputs)
        ids, text, given = list[int](), "", list[tuple[int, Floats]]()
        for i, part in enumerate(PLACEHOLDER.split(template.prompt)):  # literal, name, literal, name, ...
            if i % 2 == 0 or part not in template.inputs:
                text += part if i % 2 == 0 else "{" + part + "}"
                continue
            value, kind = inputs[part], template.inputs[part]
            if not ((value.strip() or value == template.defaults.get(part)) if isinstance(value, str) else len(value)):
                raise InputError(f"the input {part} is empty; there is nothing to answer")
            if kind == "text":
                text += self._text(part, value)
                continue
            ids, text = ids + self._encode(text), ""
            if isinstance(value, np.ndarray) and value.ndim == 2:
                given.append((len(ids), value))
                ids += [self.bundle.manifest.vocabulary.ranges[kind][0]] * len(value)
            else:
                ids += self._codes(part, kind, value)
        ids += self._encode(text)
        if not ids:
            raise InputError("the prompt is empty; there is nothing to answer")
        at = [np.arange(start, start + len(rows)) for start, rows in given]
        return ids, Rows(np.concatenate(at), np.concatenate([rows for _, rows in given])) if given else None

    @staticmethod
    def _check_names(template: Template, inputs: Inputs) -> None:
        unknown, missing = set(inputs) - set(template.inputs), set(template.inputs) - set(inputs)
        if unknown or missing:
            raise InputError(
                f"this task takes {', '.join(template.inputs) or 'no input'}; "
                f"not given: {sorted(missing)}, unknown: {sorted(unknown)}"
            )

    @staticmethod
    def _text(name: str, value: Input) -> str:
        if not isinstance(value, str):
            raise InputError(f"the input {name} is text, not ids")
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InputError(f"the input {name} has bytes or halves of characters that are no UTF-8; write it anew") from error
        return value

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        mask_id = self.bundle.manifest.vocabulary.mask_id
        if mask_id in ids:
            token = self.tokenizer.id_to_token(mask_id)
            raise InputError(f"the prompt contains {token!r}, which is the mask token; write it differently")
        return ids

    def _codes(self, name: str, kind: str, value: Input) -> list[int]:
        if isinstance(value, str):
            raise InputError(f"the input {name} is a row of {kind} codes, not text")
        vocabulary = self.bundle.manifest.vocabulary
        low, high = vocabulary.ranges.get(kind, (0, vocabulary.size))
        wrong = [code for code in value if not 0 <= code < high - low]
        if wrong:
            raise InputError(f"the {kind} code {wrong[0]} is out of range; {self.bundle.manifest.name} has 0 to {high - low - 1}")
        return [low + int(code) for code in value]

    def _allowed(self, piece: AnswerSpan) -> tuple[IdRange, ...]:
        vocabulary = self.bundle.manifest.vocabulary
        low, high = vocabulary.ranges.get(piece.modality, (0, vocabulary.size))
        ranges = self._around_mask((low, high))
        if piece.modality == "text":  # rows of the embedding that no token stands for are no text
            known = self.bundle.token_ranges
            shared = ((max(a, c), min(b, d)) for a, b in ranges for c, d in known)
            ranges = tuple(part for part in shared if part[0] < part[1])
        if piece.end_id is not None and not any(a <= piece.end_id < b for a, b in ranges):
            ranges = (*ranges, (piece.end_id, piece.end_id + 1))
        return ranges

    def _around_mask(self, ids: IdRange) -> tuple[IdRange, ...]:
        mask_id = self.bundle.manifest.vocabulary.mask_id
        if not ids[0] <= mask_id < ids[1]:
            return (ids,)
        return tuple(part for part in ((ids[0], mask_id), (mask_id + 1, ids[1])) if part[0] < part[1])

    # ---- filling it

    def steps(self, request: Request, schedule: Schedule | Reference | None = None) -> Iterator[Step]:
        """Fill a request's canvas; yields a Step after each pass.

        schedule: by default the task's. A request made with `reference` takes a Reference, by default the family's published
        one. Raises InputError if the bundle has none, and for a schedule of the other mode.
        """
        if request.reference:
            return self._published_steps(request, schedule)
        if isinstance(schedule, Reference):
            raise InputError("the options of a published decoding need a request made with reference; pass a Schedule")
        chosen = schedule or self.bundle.schedule(request.task)
        layout = attention_layout(self.bundle.manifest, request.prompt)
        if not chosen.guidance:
            return fill(request.canvas, self.denoiser(request), chosen, layout=layout)
        if (prompt := self.unconditional(request)) is None:
            raise InputError(f"guidance leads away from an unconditional prompt, and {request.task} has none; leave it out")
        return self._guided_steps(request, prompt, chosen, layout)

    def _guided_steps(
        self, request: Request, prompt: NDArray[np.int64], schedule: Schedule, layout: AttentionLayout
    ) -> Iterator[Step]:
        own, away = self.denoiser(request), self.denoiser(request.after(prompt))
        guided = Guided(own, away, prompt, request.prompt, schedule.guidance, schedule.guided_passes)
        for step in fill(request.canvas, guided, schedule, layout=layout):
            yield replace(step, rows=step.rows + guided.rows)

    def unconditional(self, request: Request) -> NDArray[np.int64] | None:
        """Ids of the task's unconditional prompt, if it has one."""
        prompt = request.template.unconditional
        return None if prompt is None else np.array(self._encode(prompt), dtype=np.int64)

    def denoiser(self, request: Request) -> BackboneDenoiser:
        """The bundle's graphs on a request's canvas."""
        return BackboneDenoiser(self.engine, len(request.canvas.ids), request.prompt, request.canvas.rows, request.places)

    def _published_steps(self, request: Request, given: Schedule | Reference | None) -> Iterator[Step]:
        own, away = self.bundle.published(request.task), None
        if isinstance(given, Schedule):
            raise InputError("a published decoding has options of its own; pass a Reference, or leave the schedule out")
        masks = int((request.canvas.ids == request.canvas.mask_id).sum())
        reference = adapted(own, given or own, masks)
        denoiser = self.denoiser(request)
        if reference.guidance and (prompt := self.unconditional(request)) is not None:
            away = Unconditional(self.engine, denoiser, prompt, request.prompt)
        return reference_fill(request.canvas, denoiser, reference, away)

    def generate(
        self,
        task: str,
        inputs: Inputs,
        length: int | None = None,
        schedule: Schedule | Reference | None = None,
        reference: bool = False,
        on_step: Callable[[Request, Step], None] | None = None,
        kept: KeptCodes | None = None,
    ) -> Answer:
        """Answer a task. Arguments and errors are those of `request` and `steps`.

        on_step: called after each pass; it may raise an exception to cancel.
        """
        return self.answer(self.request(task, inputs, length, reference, kept), schedule, on_step)

    def answer(
        self,
        request: Request,
        schedule: Schedule | Reference | None = None,
        on_step: Callable[[Request, Step], None] | None = None,
    ) -> Answer:
        """Fill a request's canvas and read the answer. Arguments and errors are those of `steps` and `generate`."""
        began = time.perf_counter()
        ids, passes, rows = request.canvas.ids, 0, 0
        for step in self.steps(request, schedule):
            ids, passes, rows = step.ids, step.number, rows + step.rows
            if on_step is not None:
                on_step(request, step)
        return self.read(request, ids, passes, rows, time.perf_counter() - began)

    # ---- reading it

    def read(self, request: Request, ids: NDArray[np.int64], passes: int = 0, rows: int = 0, seconds: float = 0.0) -> Answer:
        """Read an answer from ids (N,). Ids in ranges of other modalities are codes; the rest is text, up to an end id.

        passes, rows, seconds: cost, copied into the answer.
        """
        own = ids[request.prompt :]
        ranges = {name: span for name, span in self.bundle.manifest.vocabulary.ranges.items() if name != "text"}
        codes = {name: tuple(int(i) - low for i in own if low <= i < high) for name, (low, high) in ranges.items()}
        useful = self._useful(request, ids)
        coded = np.logical_or.reduce([np.zeros(len(own), bool), *((own >= low) & (own < high) for low, high in ranges.values())])
        told = ~coded & useful & (own != request.canvas.mask_id)
        thoughts = np.concatenate([np.full(piece.size, piece.thought) for piece in request.answer])
        words, thought = own[told & ~thoughts], own[told & thoughts]
        special = [i for i, token in self.tokenizer.get_added_tokens_decoder().items() if token.special]
        shown = allowed_mask(words, self.bundle.token_ranges) & ~np.isin(words, special)
        cost = int(useful.sum()), passes, rows, seconds
        return Answer(
            self._written(words), codes, tuple(map(int, own)), *cost, self._written(thought), textless=int((~shown).sum())
        )

    def _written(self, ids: NDArray[np.int64]) -> str:
        text: str = self.tokenizer.decode(ids.tolist()).strip()
        return text

    def _useful(self, request: Request, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """For each position after the prompt, whether it lies before the end id of its span."""
        useful = np.ones(len(ids), bool)
        for span in request.canvas.spans:
            known = self.bundle.manifest.end_ids if span.end_id is None else (*self.bundle.manifest.end_ids, span.end_id)
            ends = np.flatnonzero(np.isin(ids[span.start : span.stop], known))
            if ends.size:
                useful[span.start + ends[0] : span.stop] = False
        return useful[request.prompt :]
