"""Task templates: the exact prompt, its inputs, and the layout of the answer. Data only, stored in the manifest.

Knows strings, ids and lengths. Knows no tokenizer, no canvas and no model.
"""

from dataclasses import dataclass, field, replace

from unmask.decoding.schedule import Reference
from unmask.errors import InputError


@dataclass(frozen=True)
class AnswerSpan:
    """A stretch of an answer: either `length` masks of one modality, or given ids. Raises InputError if it is both or neither."""

    modality: str = ""
    length: int = 0
    end_id: int | None = None
    """An id that is allowed in addition to the modality's. It ends the stretch: masks after it are not computed."""
    ids: tuple[int, ...] = ()
    published: bool = False
    """The ids are given in reference mode too. Other given ids are masked there: the published decoding has to predict them."""
    thought: bool = False
    """Filled, and no part of what the answer says: what the model tells itself before it answers."""

    def __post_init__(self) -> None:
        if bool(self.modality) == bool(self.ids) or self.length < 0 or bool(self.length) != bool(self.modality):
            raise InputError(f"a span of an answer needs either a modality and a length, or given ids; this one is {self}")

    @property
    def size(self) -> int:
        """Number of positions."""
        return self.length or len(self.ids)


@dataclass(frozen=True)
class Template:
    """A task: `prompt` with {name} in place of each input, and the answer that follows it. Checked; raises InputError."""

    prompt: str
    inputs: dict[str, str]
    """Name -> "text", or the modality whose ids replace {name}."""
    answer: tuple[AnswerSpan, ...]
    reference: Reference | None = None
    """The decoding of the family's own code, if it is published."""
    unconditional: str | None = None
    """The unconditional prompt for classifier-free guidance."""
    defaults: dict[str, str] = field(default_factory=dict)
    """Inputs that may be left out -> the text in their place."""
    choices: dict[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    """Inputs that are lists of known words, separated by commas -> groups of words, of each of which one is taken at most
    (`unmask.voice.style`)."""

    def __post_init__(self) -> None:
        for name in self.inputs:
            if self.prompt.count("{" + name + "}") != 1:
                raise InputError(f"the prompt of a task contains {{{name}}} exactly once; this one is {self.prompt!r}")
        if unknown := (self.defaults.keys() | self.choices.keys()) - {
            name for name, kind in self.inputs.items() if kind == "text"
        }:
            raise InputError(f"a task has defaults and choices for texts that it takes, and not for {', '.join(sorted(unknown))}")
        if not any(piece.length for piece in self.answer):
            raise InputError(f"the answer of a task needs a span to fill; this one has {self.answer}")

    @property
    def length(self) -> int:
        """Number of positions of the answer."""
        return sum(piece.size for piece in self.answer)

    @property
    def required(self) -> dict[str, str]:
        """The inputs that have no default, with their modalities."""
        return {name: kind for name, kind in self.inputs.items() if name not in self.defaults}

    @property
    def text_alone(self) -> str | None:
        """The name of the only input that has to be given, if it is a text."""
        required = self.required
        return next(iter(required)) if list(required.values()) == ["text"] else None

    def resized(self, length: int | None) -> tuple[AnswerSpan, ...]:
        """The answer's spans, resized to `length` positions in total. None: the template's own length.

        Masked spans shrink or grow in proportion, and the last one takes the remainder; given ids stay. Raises InputError if a
        masked span would be empty.
        """
        if length is None or length == self.length:
            return self.answer
        given = sum(len(piece.ids) for piece in self.answer)
        masks = [piece for piece in self.answer if piece.length]
        sizes = [piece.length * length // self.length for piece in masks[:-1]]
        sizes.append(length - given - sum(sizes))
        if min(sizes) < 1:
            raise InputError(
                f"{length} positions are too few for this answer; it has {given} given ids and needs a mask in each other span"
            )
        left = iter(sizes)
        return tuple(replace(piece, length=next(left)) if piece.length else piece for piece in self.answer)
