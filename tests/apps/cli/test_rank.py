"""`unmask rank`: candidates in the order of the session's likelihoods, in both directions."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.apps.conftest import Command
from unmask import open_model
from unmask.apps.cli.options import SHIPPED

TEXTS = ("a cat", "two red dogs", "a small house")


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    made = []
    for number in range(2):
        made.append(tmp_path / f"{number}.txt")
        np.savetxt(made[-1], np.random.default_rng(number).integers(0, 8192, 256), "%d")
    return made


@pytest.mark.slow
def test_the_order_is_by_likelihood_both_ways(command: Command, media: Path, pictures: list[Path]) -> None:
    session = open_model(media)
    result = command("rank", media, "--image", pictures[0], "--prompt", *TEXTS, "--json")
    assert result.err == ""
    told = json.loads(result.out)
    assert told["task"] == "t2i"
    codes = [np.loadtxt(path, np.int64).tolist() for path in pictures]
    expected = {text: session.log_likelihood("t2i", {"text": text}, codes[0]) for text in TEXTS}
    assert [one["name"] for one in told["ranked"]] == sorted(TEXTS, key=lambda text: -expected[text])
    assert {one["name"]: one["nats"] for one in told["ranked"]} == pytest.approx(expected, abs=1e-5)
    lines = command("rank", media, "--image", *pictures, "--prompt", "a cat").out.splitlines()
    scores = [session.log_likelihood("t2i", {"text": "a cat"}, own) for own in codes]
    assert [line.split()[-1] for line in lines] == [str(pictures[i]) for i in np.argsort(scores)[::-1]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--prompt", "a", "b"), "give one of one modality and several of another"),
        (("--prompt", "a", "--image", "0.png"), "give one of one modality and several of another"),
        (("--speech", "0.wav", "--image", "0.png", "1.png", "--task", "t2i"), "that task leads from one to the other of"),
        (("--prompt", "a", "b", "--image", "missing.png"), "missing.png: cannot be read"),
    ],
)
def test_what_cannot_be_ranked(command: Command, omni: Path, words: tuple[str, ...], message: str) -> None:
    result = command("rank", omni, *words)
    assert (result.code, message in result.err) == (2, True), result.err


def test_a_captioner_ranks_nothing(command: Command) -> None:
    result = command("rank", SHIPPED, "--prompt", "a", "b", "--image", "0.png")
    assert (result.code, "writes captions" in result.err) == (2, True)
