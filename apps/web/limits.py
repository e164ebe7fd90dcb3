"""Limits of the server and its pages: records of numbers that are above 0."""

from dataclasses import dataclass

from unmask.errors import InputError


@dataclass(frozen=True)
class AboveZero:
    """Checked on construction; InputError names the field."""

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must be above 0")
