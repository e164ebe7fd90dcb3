"""The wire form of A2UI's versions: messages are made in v0.9, and written in the version that a screen reads. Knows no panel.

What v1.0 has otherwise, as far as panels use it: a surface's id is never used again, the catalog has an id of its own, a value
that is removed is null, and headings of its `Text` are Markdown. Its newest drafts write reserved keys with an @, which the
schemas that could be read do not.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from unmask.apps.ui.messages import SURFACE, VERSION, Message
from unmask.errors import InputError

Version = Literal["v0.9", "v1.0"]
BASIC, LATER_BASIC = (f"https://a2ui.org/specification/{name}/catalogs/basic/catalog.json" for name in ("v0_9", "v1_0"))
HEADINGS = {f"h{n}": "#" * n for n in range(1, 6)}


class Wire:
    """The messages of one screen, in order, and its events."""

    def __init__(self, version: Version = VERSION) -> None:
        self.version, self._surfaces, self._basic = version, 0, False

    @property
    def surface(self) -> str:
        """The id of the surface that is shown, or was the last."""
        return SURFACE if self.version == VERSION or self._surfaces < 2 else f"{SURFACE}-{self._surfaces}"

    def written(self, messages: Iterable[Message]) -> Iterator[Message]:
        yield from messages if self.version == VERSION else map(self._later, messages)

    def event(self, event: Any) -> Any:
        """An event of the screen as one of v0.9. Raises InputError for one of another version."""
        if self.version == VERSION or not isinstance(event, Mapping):
            return event
        if event.get("version") != self.version:
            raise InputError(f'an event is an object with "version": "{self.version}"')
        known = {key: self._own(value) for key, value in event.items()}
        return {**known, "version": VERSION}

    def _own(self, part: Any) -> Any:
        named = isinstance(part, Mapping) and part.get("surfaceId") == self.surface
        return {**part, "surfaceId": SURFACE} if named else part

    def _later(self, message: Message) -> Message:
        key = next(key for key in message if key != "version")
        content = dict(message[key])
        if key == "createSurface":
            self._surfaces += 1
            self._basic = content["catalogId"] == BASIC
            content["catalogId"] = LATER_BASIC if self._basic else content["catalogId"]
        elif key == "updateDataModel":
            content.setdefault("value", None)
        elif key == "updateComponents" and self._basic:
            content["components"] = [_heading(each) for each in content["components"]]
        return {"version": self.version, key: {**content, "surfaceId": self.surface}}


def _heading(component: Mapping[str, Any]) -> dict[str, Any]:
    """A component whose heading, if it is one, is Markdown: of a bound text by a format."""
    mark = HEADINGS.get(component.get("variant", "")) if component["component"] == "Text" else None
    if mark is None:
        return dict(component)
    text = component["text"]
    bound = isinstance(text, Mapping)
    marked = {"call": "formatString", "args": {"value": f"{mark} ${{{text['path']}}}"}} if bound else f"{mark} {text}"
    return {name: value for name, value in component.items() if name != "variant"} | {"text": marked}
