"""Sessions: the tasks that they list, run and stream, and the errors for unknown tasks and inputs."""

import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from unmask import Captioner, Generator, RunOptions, Schedule, Session, load_bundle, open_model
from unmask.errors import BundleError, InputError
from unmask.speech.captioner import Caption
from unmask.text.generator import Answer

PROMPT = {"text": "hello"}


@pytest.fixture(scope="module")
def captions(fp32_bundle: Path) -> Session:
    return open_model(fp32_bundle).load()


@pytest.fixture(scope="module")
def dream(backbones: dict[str, Path]) -> Session:
    return open_model(backbones["dream"])


def noise(seconds: float) -> NDArray[np.float32]:
    return (0.1 * np.random.default_rng(0).standard_normal(round(seconds * 16_000))).astype(np.float32)


def task_of(session: Session) -> tuple[str, dict[str, str]]:
    """The first task that takes only text, and inputs for it."""
    name = next(name for name, task in session.tasks.items() if set(task.inputs.values()) == {"text"})
    return name, dict.fromkeys(session.tasks[name].inputs, "hello")


def test_tasks_say_what_they_take_and_give(captions: Session, dream: Session) -> None:
    (task,) = captions.tasks.values()
    assert (task.name, dict(task.inputs), task.outputs) == ("caption", {"speech": "speech"}, ("text",))
    assert task.schedule == captions.bundle.schedule("caption")
    assert dream.tasks.keys() == dream.bundle.manifest.templates.keys()
    assert all(set(task.inputs.values()) <= {"text"} and task.outputs == ("text",) for task in dream.tasks.values())


def test_any_to_any_is_listed(omni: Path) -> None:
    modalities = {(*task.inputs.values(), *task.outputs) for task in open_model(omni).tasks.values()}
    assert {"text", "speech", "image"} <= {name for names in modalities for name in names}


def test_a_caption_is_the_captioners(captions: Session, fp32_bundle: Path) -> None:
    samples, schedule = noise(3), Schedule(verify=5)
    found = captions.run("caption", {"speech": samples}, RunOptions(schedule))
    assert isinstance(found, Caption)
    assert found == Captioner(load_bundle(fp32_bundle)).caption(samples, schedule)


def test_an_answer_is_the_generators(dream: Session) -> None:
    name, inputs = task_of(dream)
    found = dream.run(name, inputs, RunOptions(length=8))
    assert isinstance(found, Answer)
    assert found.ids == Generator(dream.bundle).generate(name, inputs, 8).ids


def test_steps_of_a_caption_are_its_checks(captions: Session) -> None:
    schedule = Schedule(verify=50, verify_lookahead=2)
    done = captions.run("caption", {"speech": noise(3)}, RunOptions(schedule))
    steps = list(captions.steps("caption", {"speech": noise(3)}, RunOptions(schedule)))
    assert len(steps) == done.passes
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    settled = 0
    for check in steps:  # what a check settles is committed, in order, and never masked again
        assert check.committed.tolist() == list(range(settled, settled + len(check.committed)))
        settled += len(check.committed)
        mask_id = captions.bundle.manifest.vocabulary.mask_id
        assert (check.ids[:settled] != mask_id).all()
        assert (check.ids[settled:] == mask_id).all()
        assert check.masked == len(check.ids) - settled
    assert isinstance(done, Caption)
    assert len(steps[-1].ids) == done.tokens


def test_no_check_begins_after_the_budget(captions: Session) -> None:
    """Also where the caller takes its time between steps."""
    schedule = Schedule(verify=50, verify_lookahead=1, budget_ms=400)
    steps = captions.steps("caption", {"speech": noise(3)}, RunOptions(schedule))
    next(steps)
    time.sleep(0.5)
    assert len(list(steps)) <= 1  # that the text was spoken is known after the last pass


def test_steps_of_an_answer_end_filled(dream: Session) -> None:
    name, inputs = task_of(dream)
    *_, last = dream.steps(name, inputs, RunOptions(length=8))
    assert last.masked == 0


@pytest.mark.parametrize(
    ("task", "inputs", "message"),
    [
        ("captions", {"speech": noise(1)}, "has no task 'captions'; did you mean 'caption'?"),
        ("translate", {"speech": noise(1)}, "has no task 'translate'; its tasks: caption"),
        ("caption", {"speach": noise(1)}, "takes no input 'speach'; did you mean 'speech'?"),
        ("caption", {}, "not given: speech"),
        ("caption", {"speech": "hello"}, "an array of samples, not str"),
    ],
)
def test_what_is_not_known_is_named_with_the_nearest(
    captions: Session, task: str, inputs: dict[str, NDArray[np.float32] | str], message: str
) -> None:
    with pytest.raises(InputError) as run:
        captions.run(task, inputs)
    with pytest.raises(InputError) as streamed:
        list(captions.steps(task, inputs))
    assert message in str(run.value)
    assert str(run.value) == str(streamed.value)


@pytest.mark.parametrize("options", [RunOptions(length=4), RunOptions(reference=True)])
def test_options_that_captions_do_not_have_are_refused(captions: Session, options: RunOptions) -> None:
    with pytest.raises(InputError, match="captions do not have a"):
        captions.run("caption", {"speech": noise(1)}, options)


def test_opening_reads_no_graph(fp32_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no bundle\.json here"):
        open_model(tmp_path)
    assert open_model(str(fp32_bundle)).bundle.manifest.name == "tiny"
