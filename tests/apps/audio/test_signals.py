"""Ctrl-C within libsndfile's calls of our reader still ends the work."""

import signal

import pytest

from tests.apps.conftest import CLIPS
from unmask.apps.audio.formats.feed import Feed, decoded


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_decoder_is_not_lost(monkeypatch: pytest.MonkeyPatch, sent: signal.Signals) -> None:
    """An error within a callback only leaves a line on stderr."""
    original = Feed.readinto

    def pressed(self: Feed, buffer: object) -> int:
        if self.opened:
            signal.raise_signal(sent)
        return original(self, buffer)

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(sent, end)
    monkeypatch.setattr(Feed, "readinto", pressed)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(decoded([(CLIPS / "lj-jail.flac").read_bytes()]))
        assert signal.getsignal(sent) == end
    finally:
        signal.signal(sent, before)
