"""Figures for Prometheus, read by its own parser."""

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.apps.conftest import CLIPS
from tests.apps.web.endpoints.conftest import Serve, Served
from unmask.apps.audio.files import read_recording
from unmask.apps.web.access import Access

CLIP = CLIPS / "lj-jail.flac"


def figures(served: Served, key: str = "") -> dict[tuple[str, str], float]:
    answer = httpx.get(f"{served.url}/metrics", headers={"Authorization": f"Bearer {key}"} if key else {})
    assert answer.status_code == 200
    return {
        (sample.name, " ".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_requests_audio_and_seconds_are_counted(serve: Serve) -> None:
    with serve(Access(token="key"), metrics=True) as served:
        before = figures(served, "key")
        assert before["unmask_audio_seconds_total", ""] == before["unmask_queue", ""] == before["unmask_live_clients", ""] == 0
        for _ in range(2):
            served.client("key").audio.transcriptions.create(model="whisper-1", file=CLIP)
        httpx.get(f"{served.url}/v1/absent", headers={"Authorization": "Bearer key"})
        httpx.get(f"{served.url}/v1/models")
        after = figures(served, "key")
    assert after["unmask_requests_total", "/v1/audio/transcriptions 200"] == 2
    assert after["unmask_requests_total", "/v1/{path:path} 404"] == 1
    assert after["unmask_requests_total", "/v1/models 401"] == 1
    assert round(after["unmask_audio_seconds_total", ""], 2) == round(2 * len(read_recording(CLIP)) / 16_000, 2)
    assert after["unmask_request_seconds_count", ""] == 4
    assert 0 < after["unmask_request_seconds_quantile", "0.5"] <= after["unmask_request_seconds_quantile", "0.9"]


def test_they_are_off_and_need_the_token(serve: Serve, served: Served) -> None:
    assert httpx.get(f"{served.url}/metrics").status_code == 404
    with serve(Access(token="key"), metrics=True) as guarded:
        assert httpx.get(f"{guarded.url}/metrics").status_code == 401
