"""`unmask studio` and `unmask serve --studio`: addresses, the browser, and bundles that have no studio."""

import re
import signal
from pathlib import Path

import httpx
import pytest

from tests.apps.conftest import Command, start
from unmask.apps.cli.generators import Generators
from unmask.apps.cli.options import SHIPPED, EngineChoice
from unmask.apps.web.server import Server
from unmask.errors import InputError


@pytest.mark.parametrize(
    ("line", "pages"),
    [
        (("studio", "BUNDLE", "--no-browser"), ["studio"]),
        pytest.param(("serve", "--studio", "BUNDLE"), ["captions", "panels", "studio"], marks=pytest.mark.slow),
    ],
)
def test_pages_are_where_it_says_until_it_is_stopped(media: Path, line: tuple[str, ...], pages: list[str]) -> None:
    process = start(*(media if word == "BUNDLE" else word for word in line), "--port", "0", "--token", "a b")
    assert process.stderr is not None
    found = {}
    while len(found) < len(pages):
        told = process.stderr.readline()
        name, address = re.match(r"unmask: (\w+) at (\S+)  \(Ctrl-C stops\)", told).groups()  # type: ignore[union-attr]
        found[name] = address.removesuffix("#token=a%20b")
    assert list(found) == pages
    with httpx.Client(trust_env=False, follow_redirects=True) as client:
        root = found["studio"].removesuffix("studio/")
        assert "<title>Studio</title>" in client.get(found["studio"]).text
        assert ("<title>Studio</title>" in client.get(root).text) == (pages == ["studio"])
        assert client.get(f"{root}studio").url == found["studio"]
        model = client.get(f"{found['studio']}model", headers={"Authorization": "Bearer a b"}).json()
        assert len(model["tasks"]) == 7
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_the_page_is_opened(command: Command, media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(Server, "run", lambda self, sockets: None)
    assert command("studio", media, "--port", "0", "--token", "secret").code == 0
    assert len(opened) == 1
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/studio/#token=secret", opened[0])
    assert command("studio", media, "--port", "0", "--no-browser").code == 0
    assert len(opened) == 1


def test_what_has_no_studio_is_told(command: Command, tmp_path: Path) -> None:
    for line, message in (
        ((SHIPPED,), "writes captions; the studio shows bundles that generate"),
        ((tmp_path,), "no bundle.json here"),
        ((SHIPPED, "--key", "key.pem"), "--key: read only with --certificate"),
    ):
        told = command("studio", *line, "--no-browser")
        assert (told.code, told.out, told.err.count("\n")) == (2, "", 1), told
        assert message in told.err


def test_a_bundle_that_two_options_name_is_opened_once(media: Path) -> None:
    generators = Generators(EngineChoice())
    shown, drawing = generators("--studio", media), generators("--generator", media / "." / ".." / media.name)
    assert shown[0] is drawing[0]
    assert shown[1] is drawing[1]
    with pytest.raises(InputError, match=r"--studio .*moonshine-tiny-en: this bundle captions; --bundle takes it"):
        generators("--studio", SHIPPED)
