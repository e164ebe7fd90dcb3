"""One bundle's answers: to canvases that it filled itself and that are partially masked again, to slots, and to its own texts.

Knows captioners and text generators. Knows no number format and no measure of drift.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.graph_spec import BACKBONE, STREAMS, TRANSCRIPT, kind_of
from unmask.bundle.manifest import Bundle
from unmask.engines.engine import Engine
from unmask.errors import InputError
from unmask.quant.calibration.calibration_data import Material
from unmask.quant.calibration.states import State, Subject, masked_again, tapped
from unmask.speech.captioner import Captioner
from unmask.speech.transcript import SHORTEST_SAMPLES, Segment
from unmask.text.denoiser import BackboneDenoiser
from unmask.text.generator import Generator
from unmask.voice.generator import StreamGenerator


def subject_of(bundle: Bundle, material: Material, engine: Engine | None = None) -> Subject:
    """A captioner or a text generator with its material. Raises InputError when there is no material for it."""
    kinds: dict[str, Callable[[Bundle, Material, Engine], Subject]] = {
        TRANSCRIPT.name: CaptionSubject,
        BACKBONE.name: BackboneSubject,
        STREAMS.name: StreamSubject,
    }
    return kinds[kind_of(bundle.manifest).name](bundle, material, engine or Engine(bundle))


class CaptionSubject:
    """Segments of recordings, encoded once: the slots of a draft, if the bundle drafts, and the next token along its own text."""

    segments: list[Segment]

    def __init__(self, bundle: Bundle, material: Material, engine: Engine) -> None:
        if not material.recordings:
            raise InputError(f"{bundle.manifest.name} writes captions: give recordings to measure it on")
        self.captioner, self.material, self.engine = Captioner(bundle, engine=engine), material, engine
        self.prepare()

    def prepare(self) -> None:
        self.segments = [s for samples in self.material.recordings for s in self.captioner.segments(samples)]
        if not self.segments:
            raise InputError("the recordings are silent; give recordings of speech")

    def texts(self) -> list[str]:
        return [self.captioner.caption(samples).text for samples in self.material.recordings]

    def states(self) -> list[State]:
        reader, states = self.captioner.reader, list[State]()
        empty = self.captioner.bundle.manifest.vocabulary.mask_id
        for source, segment in enumerate(self.segments):
            if reader.transcript.states_per_slot:
                slots = self._drafted(segment)
                states.append(State(source, "context", None, np.full(slots, empty), np.arange(slots)))
            text = reader.decode(segment).text.ids
            states.append(State(source, "window", None, text, np.arange(len(text) + 1)))
        return states

    def ask(self, state: State) -> None:
        segment = self.segments[state.source]
        if state.role == "context":
            self._drafted(segment)
        else:
            segment.decoder.reset()
            segment.decoder.next_token_scores(state.ids, 0)

    def logits(self, state: State) -> NDArray[np.float32]:
        """Raises InputError for the slots of a bundle that drafts nothing."""
        self.ask(state)
        manifest = self.captioner.bundle.manifest
        if state.role == "context" and manifest.transcript and not manifest.transcript.states_per_slot:
            raise InputError(f"{manifest.name} drafts nothing; compare bundles that both have the drafter, or neither")
        return tapped(self.engine, state.role)

    def _drafted(self, segment: Segment) -> int:
        """Run the context graph once more; the number of slots."""
        samples = np.pad(segment.samples, (0, max(0, SHORTEST_SAMPLES - len(segment.samples))))
        return len(self.engine.run("context", {"samples": samples[None]})["draft"])


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
        rng, states = np.random.default_rng(self.material.seed), list[State]()
        for source, request in enumerate(self.requests):
            *_, step = self.generator.steps(request)
            states += masked_again(source, request.canvas.ids, step.ids, self.material, rng)
        return states

    def ask(self, state: State) -> None:
        denoiser = BackboneDenoiser(self.engine, len(state.ids), self.requests[state.source].prompt)
        denoiser.numbers(denoiser.hidden(state.ids, state.rows), 1.0)

    def logits(self, state: State) -> NDArray[np.float32]:
        self.ask(state)
        return tapped(self.engine, "head")

    def texts(self) -> list[str]:
        material, texts = self.material, []
        for request, prompt in zip(self.requests, material.prompts, strict=True):
            inputs = dict.fromkeys(request.template.inputs, prompt)
            texts.append(self.generator.generate(request.task, inputs, material.length).text)
        return texts


class StreamSubject:
    """Texts for the first task that needs nothing else. A state's ids are codes frame by frame, all streams of each."""

    def __init__(self, bundle: Bundle, material: Material, engine: Engine) -> None:
        self.generator, self.material, self.engine = StreamGenerator(bundle, engine=engine), material, engine
        fitting = [(name, place) for name, own in bundle.manifest.templates.items() if (place := own.text_alone)]
        if not fitting or not material.prompts:
            raise InputError(f"{bundle.manifest.name} has no task that needs a text alone, or no prompts were given")
        task, place = fitting[0]
        self.requests = [self.generator.request(task, {place: text}, material.length) for text in material.prompts]

    def prepare(self) -> None:
        """Nothing: prompts are rows of every pass."""

    def states(self) -> list[State]:
        rng, states = np.random.default_rng(self.material.seed), list[State]()
        for source, request in enumerate(self.requests):
            *_, step = self.generator.steps(request)
            states += masked_again(source, request.canvas.codes.T.reshape(-1), step.ids, self.material, rng)
        return states

    def ask(self, state: State) -> None:
        denoiser = self.generator.denoiser(self.requests[state.source])
        codes = state.ids.reshape(-1, self.generator.streams.count).T
        denoiser.numbers(denoiser.hidden(codes, None), wide=False)

    def logits(self, state: State) -> NDArray[np.float32]:
        self.ask(state)
        logits = tapped(self.engine, "streams")
        of_cells: NDArray[np.float32] = logits.reshape(len(state.ids), -1)[state.rows]
        return of_cells

    def texts(self) -> list[str]:
        """Codes, in place of words."""
        return [" ".join(map(str, self.generator.answer(request).ids)) for request in self.requests]
