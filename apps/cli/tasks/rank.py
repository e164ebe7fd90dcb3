"""`unmask rank`: which of several texts, pictures or recordings fits best, by how likely a model that generates finds each."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from numpy.typing import NDArray

from unmask.apps.cli.options import FLAG, MANY, SHIPPED_OMNI, EngineChoice
from unmask.apps.modalities.files import read_input
from unmask.errors import InputError
from unmask.session import Session, Task, open_model
from unmask.text.generator import Input

Value = Input | NDArray[Any]


@Parameter(name="*")
@dataclass(frozen=True)
class RankOptions:
    """Options of `unmask rank`."""

    prompt: Annotated[tuple[str, ...], MANY, Parameter(name=("--prompt", "--text"))] = ()
    """Texts."""
    image: Annotated[tuple[Path, ...], MANY] = ()
    """Pictures: PNG, JPEG or WebP, or files of codes."""
    speech: Annotated[tuple[Path, ...], MANY] = ()
    """Recordings, or files of codes."""
    task: str | None = None
    """The task whose answer is scored. Default: the first one between the given modalities that has an unconditional prompt, or
    else the first."""
    json: Annotated[bool, FLAG] = False
    """Print one JSON object instead of a line for each candidate."""


def rank(
    bundle: Path = SHIPPED_OMNI,
    /,
    *,
    options: RankOptions = RankOptions(),
    engine: EngineChoice = EngineChoice(),  # noqa: B008  (frozen)
) -> None:
    """Rank texts by how well they fit a picture, or pictures by how well they fit a text.

    Give one of one modality and several of another. A score is in nats for each position of the answer, and more is better. Where
    the task has an unconditional prompt, 0 is what the model expects without the input.

    Parameters
    ----------
    bundle
        Folder of a bundle that generates. Default: omni-tiny, which ships.
    """
    session = open_model(bundle, engine.options())
    if session.generator is None:
        what = "writes captions" if session.streams is None else "fills several streams of codes"
        raise InputError(f"{bundle}: this bundle {what}; likelihoods are asked of one that generates")
    given: dict[str, Sequence[str | Path]] = {"text": options.prompt, "image": options.image, "speech": options.speech}
    one, many = split({modality: values for modality, values in given.items() if values})
    task = choose(session, options.task, {one, many})
    fixed = read(one, given[one][0])
    scored = [(score(session, task, {one: fixed, many: read(many, value)}), str(value)) for value in given[many]]
    scored.sort(key=lambda pair: -pair[0])
    if options.json:
        print(json.dumps({"task": task.name, "ranked": [{"name": name, "nats": nats} for nats, name in scored]}))
    else:
        print("".join(f"{nats:7.3f}  {name}\n" for nats, name in scored), end="")


def read(modality: str, value: str | Path) -> Value:
    return read_input(modality, value) if isinstance(value, Path) else value


def split(given: Mapping[str, Sequence[str | Path]]) -> tuple[str, str]:
    """The modality of which there is one, and that of which there are several. Raises InputError for anything else."""
    one, many = ([name for name, values in given.items() if (len(values) > 1) is several] for several in (False, True))
    if len(one) != 1 or len(many) != 1:
        raise InputError("give one of one modality and several of another: --image a.png --prompt 'a cat' 'a dog', say")
    return one[0], many[0]


def choose(session: Session, name: str | None, modalities: set[str]) -> Task:
    """The task between two modalities that can compare answers, or the one that is named. Raises InputError without any."""
    fits = [task for task in session.tasks.values() if sorted((*task.inputs.values(), *task.outputs)) == sorted(modalities)]
    if name is not None:
        fits = [task for task in fits if task is session.task(name)]
    if not fits:
        able = "that task" if name else "none of its tasks"
        raise InputError(
            f"{session.bundle.manifest.name}: {able} leads from one to the other of {' and '.join(sorted(modalities))}"
        )
    templates = session.bundle.manifest.templates
    return min(fits, key=lambda task: templates[task.name].unconditional is None)


def score(session: Session, task: Task, given: Mapping[str, Value]) -> float:
    """given: by modality, the task's input and its answer."""
    inputs = {name: given[modality] for name, modality in task.inputs.items()}
    return session.log_likelihood(task.name, inputs, given[task.outputs[0]])
