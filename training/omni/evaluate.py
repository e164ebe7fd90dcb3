"""The exam of omni-tiny: held-out scenes in held-out words, each task scored in facts that an independent reader finds."""

from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from unmask.training.codecs.stickers import sheet
from unmask.training.omni.examples import Example, Examples, Picture
from unmask.training.omni.fill import fill, stacked
from unmask.training.omni.model import Omni
from unmask.training.omni.spoken import Listener
from unmask.training.omni.vocabulary import LONGEST, SPEECH
from unmask.training.stickers.exam import Case, held_out_cases, only_colors, sketch_of, without_places
from unmask.training.stickers.pictures import read, render
from unmask.training.stickers.scene import Scene, facts
from unmask.training.stickers.scores import right_facts
from unmask.training.stickers.words import describe, understand

PASSES = (1, 8)
SHOWN = 16
HEARD = 6  # sentences that the captioner hears, of more words than
SHORT = 4


class Exam:
    """Scenes and questions, the same in every report."""

    def __init__(
        self, examples: Examples, count: int, seed: int, out: Path | None = None, listener: Listener | None = None
    ) -> None:
        """listener: None leaves out what is said."""
        self._examples, self._out, self._listener = examples, out, listener
        cases = held_out_cases(count, seed)
        self.scenes, self.questions = [case.scene for case in cases], [case.question for case in cases]
        codes = [examples.picture(scene) for scene in self.scenes]
        self._draw = [examples.draw(text, picture) for text, picture in zip((case.text for case in cases), codes, strict=True)]
        self._sketch = self._sketches(cases, codes)
        self._tell = [examples.tell(picture, describe(scene)) for picture, scene in zip(codes, self.scenes, strict=True)]
        self._answer = [
            examples.answer(picture, scene, q) for picture, scene, q in zip(codes, self.scenes, self.questions, strict=True)
        ]
        said = examples.speech.held if examples.speech else None
        self._spoken = list(zip(said.texts, said.codes, strict=True))[:count] if said else []
        self._speak = [examples.speak(text, codes) for text, codes in self._spoken]

    def scores(self, model: Omni) -> dict[str, float]:
        found: dict[str, float] = {}
        for passes in PASSES:
            pictures = self._examples.pictures(stacked(fill(model, self._draw, passes)))
            scenes = [read(picture) for picture in pictures]
            found[f"draw_{passes}"] = self._right(scenes)
            if passes == 1:
                found |= {f"draw_{kind}": share for kind, share in self._kinds(scenes).items()}
            if self._out:
                shown = [render(scene) for scene in self.scenes[:SHOWN]]
                Image.fromarray(sheet(shown, pictures[:SHOWN])).save(self._out / f"sheet_{passes}.png")
        for name, made in self._sketch.items():
            found[name] = self._right([read(picture) for picture in self._examples.pictures(stacked(fill(model, made, 1)))])
        told = [self._examples.text(ids) for ids in fill(model, self._tell, PASSES[-1])]
        found["tell"] = self._right([understand(text) for text in told])
        said = [self._examples.text(ids[LONGEST:]) for ids in fill(model, self._answer, 1, LONGEST)]
        found["answer"] = _share([a == q.answer for a, q in zip(said, self.questions, strict=True)])
        return found | self._speech(model)

    def _sketches(self, cases: list[Case], codes: list[Picture]) -> dict[str, list[Example]]:
        """Described without places, and with no more than their colors told."""
        lines = [self._examples.sketch(case.scene, sketch_of(case)) for case in cases]
        said = {"sketch": map(without_places, cases), "sketch_colors": map(only_colors, cases)}
        return {
            name: [self._examples.draw(*parts) for parts in zip(texts, codes, lines, strict=True)] for name, texts in said.items()
        }

    def _speech(self, model: Omni) -> dict[str, float]:
        """Share of the codes that are the voice's own, and words that the captioner hears wrong."""
        found: dict[str, float] = {}
        if not self._speak:
            return found
        for passes in PASSES:
            made = [ids - SPEECH for ids in fill(model, self._speak, passes)]
            right = np.concatenate([codes == own for codes, (_, own) in zip(made, self._spoken, strict=True)])
            found[f"speak_{passes}"] = _share(right.tolist())
        if self._listener:
            long = [i for i, (text, _) in enumerate(self._spoken) if len(text.split()) > SHORT][:HEARD]
            texts = [self._spoken[i][0] for i in long]
            found["speak_wer"] = self._listener.word_errors(texts, [made[i] for i in long])
        return found

    def _right(self, found: list[Scene]) -> float:
        return _share([right_facts(wanted, scene) for wanted, scene in zip(self.scenes, found, strict=True)])

    def _kinds(self, found: list[Scene]) -> dict[str, float]:
        """Share of facts that are right, of each kind."""
        right, every = Counter[str](), Counter[str]()
        for wanted, scene in zip(self.scenes, found, strict=True):
            told = set(facts(scene))
            for fact in facts(wanted):
                every[fact[0]] += 1
                right[fact[0]] += fact in told
        return {kind: round(right[kind] / every[kind], 3) for kind in every}


def _share(values: list[float] | list[bool]) -> float:
    return round(float(np.mean(values)), 4)
