"""`unmask generate --narration`: what a picture shows that a model made, told and said by the same model. Knows no canvas."""

from pathlib import Path

from unmask.apps.modalities.files import Output
from unmask.apps.modalities.spoken import SPEECH
from unmask.errors import InputError
from unmask.session import Session, Task
from unmask.text.generator import Answer, Generator

IMAGE, TEXT = "image", "text"


class Narrator:
    """Tells and says. What could be missing is looked for on construction, before anything is generated."""

    def __init__(self, session: Session, task: Task, path: Path) -> None:
        """Raises InputError for a task without a picture, a model that cannot tell or say, and a file that is none of sound."""
        name = session.bundle.manifest.name
        if task.outputs != (IMAGE,):
            given = ", ".join(task.outputs)
            raise InputError(f"--narration says what a picture shows, and {task.name} gives {given}; leave it out")
        tells = [own for own in session.tasks.values() if (own.required, own.outputs) == ({IMAGE: IMAGE}, (TEXT,))]
        says, _ = session.says()
        if not tells or says is None:
            lacking = "says a text, or lacks its codec" if tells else "tells what a picture shows"
            raise InputError(f"--narration: {name} has no task that {lacking}; leave it out")
        self._tells, self._says = tells[0].name, says
        self.output = Output.of(path, (SPEECH,), "--narration")

    def tell(self, generator: Generator, answer: Answer) -> str:
        """What the picture of an answer shows."""
        return generator.generate(self._tells, {IMAGE: answer.codes.get(IMAGE, ())}).text

    def say(self, generator: Generator, text: str) -> Answer:
        """A text aloud. Raises InputError for one without words."""
        if not text:
            raise InputError(f"{self.output.path}: nothing is said, since the model found no words for its picture")
        return generator.generate(self._says, {TEXT: text})
