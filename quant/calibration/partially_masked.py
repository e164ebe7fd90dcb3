"""Partially masked canvases, with several shares of masked positions, and one bundle's answers to them.

A denoiser sees neither only text nor only masks. Here positions of its own filled canvas are masked again. Knows captioners and
text generators. Knows no number format and no measure of drift.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.graph_spec import kind_of
from unmask.bundle.manifest import Bundle
from unmask.decoding.schedule import Schedule
from unmask.engines.engine import Engine
from unmask.errors import InputError
from unmask.quant.calibration.calibration_data import Material
from unmask.quant.calibration.instrumented import InstrumentedEngine
from unmask.speech.captioner import Captioner, Segment
from unmask.text.denoiser import BackboneDenoiser
from unmask.text.generator import Generator

DRAFT = Schedule(rule="quota", passes=1)


@dataclass(frozen=True)
class State:
    """A partially masked canvas, or the finished draft that a verifier reads."""

    source: int  # index of the recordings' segment, or of the prompt
    ratio: float | None  # share of masked positions; None: a draft for the verifier
    ids: NDArray[np.int64] = field(repr=False)  # (N,)
    rows: NDArray[np.int64] = field(
        repr=False
    )  # (M,) rows that are predicted: masked positions, or the draft's tokens and its end


class Subject(Protocol):
    """One bundle with the recordings or prompts that it is measured on."""

    engine: Engine

    def prepare(self) -> None:
        """Run what comes before all passes: the encoder."""

    def states(self) -> list[State]:
        """Canvases that this bundle filled, partially masked again. The same seed gives the same canvases."""
        ...

    def ask(self, state: State) -> None:
        """Run one pass on a state."""

    def logits(self, state: State) -> NDArray[np.float32]:
        """Logits (M, V) over all ids that can be predicted. The engine must be tapped by `whole_logits`."""
        ...

    def texts(self) -> list[str]:
        """The bundle's answer to each recording or prompt, with its own schedule."""
        ...


def subject_of(bundle: Bundle, material: Material, engine: Engine | None = None) -> Subject:
    """A captioner or a text generator with its material. Raises InputError when there is no material for it."""
    engine = engine or Engine(bundle)
    subject = CaptionSubject if kind_of(bundle.manifest).takes == "speech" else BackboneSubject
    return subject(bundle, material, engine)


class CaptionSubject:
    """Segments of recordings, encoded once."""

    def __init__(self, bundle: Bundle, material: Material, engine: Engine) -> None:
        if not material.recordings:
            raise InputError(f"{bundle.manifest.name} writes captions: give recordings to measure it on")
        self.captioner, self.material, self.engine = Captioner(bundle, engine=engine), material, engine
        self.prepare()

    def prepare(self) -> None:
        self.segments: list[Segment] = [s for samples in self.material.recordings for s in self.captioner.segments(samples)]
        if not self.segments:
            raise InputError("the recordings are silent; give recordings of speech")

    def states(self) -> list[State]:
        rng, states = np.random.default_rng(self.material.seed), []
        for source, segment in enumerate(self.segments):
            *_, step = self.captioner.reader.fill(segment, DRAFT)
            states += _masked_again(source, segment.canvas.ids, step.ids, self.material, rng)
            draft = self.captioner.reader.heard(step).ids
            if segment.verifier is not None:
                states.append(State(source, None, draft, np.arange(len(draft) + 1)))
        return states

    def ask(self, state: State) -> None:
        segment = self.segments[state.source]
        if state.ratio is None:
            assert segment.verifier is not None
            segment.verifier.reset()
            segment.verifier.next_token_scores(state.ids, 0)
        else:
            segment.denoiser.reset()
            allowed = (segment.canvas.spans[0].allowed,)
            segment.denoiser.window(state.ids, np.arange(len(state.ids)), state.rows, allowed)

    def logits(self, state: State) -> NDArray[np.float32]:
        self.ask(state)
        if state.ratio is not None:
            return _tapped(self.engine, "window")[-len(state.rows) :]
        logits = _tapped(self.engine, "verify")[-len(state.rows) :]
        # Marks are never predicted: a graph of any size bars them, one of fixed sizes has no columns for them.
        manifest = self.captioner.bundle.manifest
        assert manifest.verifier is not None
        marks = (manifest.vocabulary.mask_id, *manifest.verifier.prompt)
        return np.delete(logits, marks, 1) if self.engine.dynamic("verify") else logits

    def texts(self) -> list[str]:
        return [self.captioner.caption(samples).text for samples in self.material.recordings]


class BackboneSubject:
    """Prompts for the first task whose only input is text."""

    def __init__(self, bundle: Bundle, material: Material, engine: Engine) -> None:
        self.generator, self.material, self.engine = Generator(bundle, engine=engine), material, engine
        texts = [task for task, template in bundle.manifest.templates.items() if set(template.inputs.values()) == {"text"}]
        if not texts or not material.prompts:
            raise InputError(f"{bundle.manifest.name} has no task whose only input is text, or no prompts were given")
        self.requests = [
            self.generator.request(texts[0], dict.fromkeys(bundle.manifest.templates[texts[0]].inputs, prompt), material.length)
            for prompt in material.prompts
        ]

    def prepare(self) -> None:
        """Nothing: prompts are rows of every pass."""

    def states(self) -> list[State]:
        rng, states = np.random.default_rng(self.material.seed), []
        for source, request in enumerate(self.requests):
            *_, step = self.generator.steps(request)
            states += _masked_again(source, request.canvas.ids, step.ids, self.material, rng)
        return states

    def ask(self, state: State) -> None:
        denoiser = BackboneDenoiser(self.engine, len(state.ids), self.requests[state.source].prompt)
        denoiser.numbers(denoiser.hidden(state.ids, state.rows), 1.0)

    def logits(self, state: State) -> NDArray[np.float32]:
        self.ask(state)
        return _tapped(self.engine, "head")

    def texts(self) -> list[str]:
        material, texts = self.material, []
        for request, prompt in zip(self.requests, material.prompts, strict=True):
            inputs = dict.fromkeys(request.template.inputs, prompt)
            texts.append(self.generator.generate(request.task, inputs, material.length).text)
        return texts


def _masked_again(
    source: int, start: NDArray[np.int64], filled: NDArray[np.int64], material: Material, rng: np.random.Generator
) -> list[State]:
    """start: the canvas before it was filled. Only its masked positions are masked again."""
    own = np.flatnonzero(start != filled)
    mask_id = start[own[0]]
    states = []
    for ratio in material.ratios:
        count = max(1, round(ratio * len(own)))
        for _ in range(material.draws if count < len(own) else 1):  # all positions can be drawn in one way only
            rows = np.sort(rng.permutation(own)[:count])
            ids = filled.copy()
            ids[rows] = mask_id
            states.append(State(source, ratio, ids, rows))
    return states


def _tapped(engine: Engine, role: str) -> NDArray[Any]:
    assert isinstance(engine, InstrumentedEngine)
    return engine.last[role][0]
