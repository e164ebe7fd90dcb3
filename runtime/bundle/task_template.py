"""What a task of a bundle is: the exact prompt, what goes into it, and the answer's layout. Data only, stored in the manifest.

Knows strings, ids and lengths. Knows no tokenizer, no canvas and no model.
"""

from dataclasses import dataclass

from unmask.decoding.schedule import Reference
from unmask.errors import InputError


@dataclass(frozen=True)
class AnswerSpan:
    """A stretch of an answer: `length` masks of one modality, or ids that are given."""

    modality: str = ""
    length: int = 0
    end_id: int | None = None
    """May stand here too, and ends the piece: nothing is computed behind it."""
    ids: tuple[int, ...] = ()
    published: bool = False
    """The ids are given in reference mode too; other given ids are what the published decoding would have to find."""

    def __post_init__(self) -> None:
        if bool(self.modality) == bool(self.ids) or self.length < 0 or bool(self.length) != bool(self.modality):
            raise InputError(f"a piece is masks of a modality with a length, or given ids; this one is {self}")

    @property
    def size(self) -> int:
        return self.length or len(self.ids)


@dataclass(frozen=True)
class Template:
    """A task: `prompt` with {name} where an input goes, and the answer that follows it."""

    prompt: str
    inputs: dict[str, str]
    """Name -> text, or the modality whose ids are spliced in."""
    answer: tuple[AnswerSpan, ...]
    reference: Reference | None = None
    """How the family's own code fills the answer."""
    unconditional: str | None = None
    """The prompt that guidance leads away from."""

    def __post_init__(self) -> None:
        for name in self.inputs:
            if self.prompt.count("{" + name + "}") != 1:
                raise InputError(f"the prompt of a task holds {{{name}}} once; this one is {self.prompt!r}")
        if not any(piece.length for piece in self.answer):
            raise InputError(f"the answer of a task needs a piece to fill; this one has {self.answer}")

    @property
    def length(self) -> int:
        return sum(piece.size for piece in self.answer)

    def resized(self, length: int | None) -> tuple[AnswerSpan, ...]:
        """The answer's pieces over `length` positions: masks shrink or grow in proportion, the last takes the rest.

        Raises InputError when a piece would be left empty.
        """
        if length is None or length == self.length:
            return self.answer
        given = sum(len(piece.ids) for piece in self.answer)
        masks = [piece for piece in self.answer if piece.length]
        sizes = [piece.length * length // self.length for piece in masks[:-1]]
        sizes.append(length - given - sum(sizes))
        if min(sizes) < 1:
            raise InputError(
                f"{length} positions are too few for this answer; it has {given} given ones and needs a mask for each piece"
            )
        left = iter(sizes)
        return tuple(AnswerSpan(p.modality, next(left), p.end_id) if p.length else p for p in self.answer)
