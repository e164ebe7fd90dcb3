"""Lists of phrasings and names in text files, each with a part that training never sees."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

HELD = ", held back"


@dataclass(frozen=True)
class Section:
    """The lines of one list."""

    train: tuple[str, ...]
    held: tuple[str, ...]  # for tests alone


def read_sections(files: Iterable[str]) -> Mapping[str, Section]:
    """The lists of some texts by their names. A line that ends with a colon names those after it; `NAME, held back:` its part
    for tests.

    Raises:
        ValueError: A name is there twice.
    """
    found: dict[str, list[str]] = {}
    for text in files:
        name = ""
        for line in text.splitlines():
            if line.endswith(":"):
                name = line[:-1]
                if name in found:
                    raise ValueError(f"{name} is there twice")
                found[name] = []
            elif line:
                found[name].append(line)
    return {
        name: Section(tuple(own), tuple(found.get(name + HELD, ()))) for name, own in found.items() if not name.endswith(HELD)
    }
