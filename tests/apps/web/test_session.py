"""The parts of a served session without a network: bounds hold, and only what may be lost is lost."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unmask import Event, Word
from unmask.apps.web.access import Access
from unmask.apps.web.protocol import MOST_WORDS, Closing, RefusedError, read_rate, read_samples, read_text, write_event
from unmask.apps.web.session import Inbox, Limits, Outbox, Pace, Session, TooSlowError
from unmask.speech.words import Phrase

Samples = NDArray[np.float32]


def test_a_client_that_does_not_read_is_given_up_and_memory_is_bounded() -> None:
    class Live:
        """Ends a segment at each call, without a pause."""

        number = 0

        def feed(self, samples: Samples) -> list[Event]:
            self.number += 1
            return [Event(kind, self.number, 0.0) for kind in ("segment_started", "updated", "segment_ended")]

        def drop(self, _: float) -> list[Event]:
            return []

        def flush(self) -> list[Event]:
            return []

    async def session() -> tuple[Closing, int]:
        sent = 0

        async def frames() -> Any:
            while True:
                await asyncio.sleep(0)
                yield bytes(6400)

        async def send(_: str) -> None:
            nonlocal sent
            sent += 1
            await asyncio.sleep(60)

        with ThreadPoolExecutor(1) as worker:
            closing = await Session(Live, worker, Limits(events=20, rate=1e6)).run(frames(), send)  # type: ignore[arg-type]
        return closing, sent

    closing, sent = asyncio.run(asyncio.wait_for(session(), 5))
    assert closing.code == 1013
    assert sent == 1


def test_deafening_samples_are_clipped() -> None:
    assert read_samples(np.array([3e38, -2, 0.5], "<f4").tobytes()).tolist() == [1, -1, 0.5]


def test_words_that_a_client_expects_are_told_before_what_it_says_next() -> None:
    told = list[Any]()

    class Live:
        captioner = SimpleNamespace(expect=told.append)

        def feed(self, samples: Samples) -> list[Event]:
            told.append(len(samples))
            return []

        flush = list

    async def frames() -> Any:
        for frame in (bytes(4 * 1600), '{"type": "expect", "words": ["fader", "bedroom lamp"]}', bytes(4 * 800)):
            yield frame
            await asyncio.sleep(0.05)
        yield '{"type": "stop"}'

    async def send(_: str) -> None:
        return

    with ThreadPoolExecutor(1) as worker:
        session = Session(Live, worker, Limits())  # type: ignore[arg-type]
        assert asyncio.run(session.run(frames(), send)).code == 1000
    assert told == [1600, (Phrase("fader"), Phrase("bedroom lamp")), 800, 0]


@pytest.mark.parametrize(
    "frame",
    [
        *("{", "[]", '{"type": "go"}', '{"type": "expect"}', '{"type": "expect", "words": "fader"}', "[" * 9000),
        *(
            '{"type": "expect", "words": [7]}',
            '{"type": "expect", "words": ["..."]}',
            '{"type": "expect", "words": ["%s"]}' % ("a" * 101),
        ),
        json.dumps({"type": "expect", "words": ["word"] * (MOST_WORDS + 1)}),
        json.dumps({"type": "stop", "why": "a" * 20_000}),
    ],
)
def test_other_text_frames_are_refused(frame: str) -> None:
    with pytest.raises(RefusedError) as refused:
        read_text(frame)
    assert refused.value.closing.code == 1003
    assert len(refused.value.closing.reason.encode()) <= 123


def test_rates_within_bounds_are_taken() -> None:
    assert [read_rate(text) for text in (None, "8000", "44100", "384000")] == [16000, 8000, 44100, 384_000]
    for text in ("", "7999", "384001", "48000.0", "-48000", "1e5", "٤٨٠٠٠", "9" * 5000):
        with pytest.raises(RefusedError, match="from 8000 to 384000"):
            read_rate(text)


def test_only_the_end_of_a_segment_has_cues() -> None:
    words = (Word("We", 1.0004, 1.2, 0.9), Word("went.", 1.2, 1.5, 0.9), Word("Home", 3.0, 3.1, 0.9))
    updated, ended = (Event(kind, 1, 4.0, 0.0, 3.8, words=words) for kind in ("updated", "segment_ended"))
    assert write_event(updated) == updated.json()
    cues = [
        {"start_s": 1.0, "end_s": 1.834, "lines": ["We went."]},
        {"start_s": 3.0, "end_s": 3.8, "lines": ["Home"]},
    ]
    assert json.loads(write_event(ended)) == {**json.loads(ended.json()), "cues": cues}


def test_an_outbox_forgets_stale_updates_only() -> None:
    def event(kind: Any, segment: int, text: str = "") -> Event:
        return Event(kind, segment, 0.0, stable=text)

    async def taken() -> list[Event]:
        box = Outbox(10)
        box.put([event("segment_started", 1), event("updated", 1, "a"), event("updated", 1, "a b")])
        first = [await box.take(), await box.take()]
        box.put([event("updated", 1, "a b c"), event("segment_ended", 1, "a b c d"), event("dropped", 1)])
        box.put([event("segment_started", 2)] + [event("updated", 2, str(i)) for i in range(100)])
        box.close()
        return [each for each in [*first, *[await box.take() for _ in range(6)]] if each]

    events = asyncio.run(taken())
    assert [(e.event, e.segment, e.stable) for e in events] == [
        ("segment_started", 1, ""),
        ("updated", 1, "a b"),
        ("segment_ended", 1, "a b c d"),
        ("dropped", 1, ""),
        ("segment_started", 2, ""),
        ("updated", 2, "99"),
    ]
    with pytest.raises(TooSlowError):
        Outbox(3).put([event("segment_started", i) for i in range(4)])


def test_an_inbox_keeps_the_newest_and_counts_the_rest() -> None:
    async def taken() -> None:
        box = Inbox(1000)
        stream = np.arange(5000, dtype=np.float32)
        heard = lost = 0
        for first in range(0, 5000, 700):
            box.push(stream[first : first + 700])
            if first % 3 == 0:
                got = await box.take()
                assert got
                lost, heard = lost + got[0], heard + len(got[1])
                assert len(got[1]) <= 1000
                assert got[1].tolist() == stream[lost + heard - len(got[1]) : lost + heard].tolist()
        box.close()
        got = await box.take()
        assert got
        assert lost + heard + got[0] + len(got[1]) == 5000
        assert await box.take() is None

    asyncio.run(taken())


def test_a_pace_lets_a_burst_through_and_then_holds_the_rate() -> None:
    pace, now_s, heard_s = Pace(rate=2, burst_s=10), 0.0, 0.0
    assert pace.rest_s(10, now_s) == 0
    while now_s < 100:
        heard_s += 1
        now_s += pace.rest_s(1, now_s)
    assert heard_s == pytest.approx(200, rel=0.02)
    assert Pace(2, 10).rest_s(0.1, 0) == 0


@pytest.mark.parametrize(
    ("bound", "header", "allowed"),
    [
        ("127.0.0.1", "127.0.0.1:8765", True),
        ("127.0.0.1", "LOCALHOST", True),
        ("127.0.0.1", "[::1]:8765", True),
        ("127.0.0.1", "localhost.evil.example", False),
        ("127.0.0.1", "127.0.0.1.evil.example:8765", False),
        ("127.0.0.1", "192.168.1.5", False),
        ("127.0.0.1", "evil@", False),
        ("127.0.0.1", "[", False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", None, False),
        ("media.local", "media.local:80", True),
        ("media.local", "other.local:80", False),
        ("0.0.0.0", "192.168.1.5:8765", True),
        ("::", "[fe80::1]:8765", True),
        ("0.0.0.0", "media.local", False),
    ],
)
def test_host_headers(bound: str, header: str | None, allowed: bool) -> None:
    assert Access(bound).host_allowed(header) is allowed
