"""From a case's samples to the rows of a report. Knows both records; measures nothing."""

import numpy as np

from unmask.benchmarks.measure.word_errors import word_error_rate
from unmask.benchmarks.report.record import Row, thinned
from unmask.benchmarks.scenarios.runner import Case, Sample

MOST_SAMPLES = 1000  # of a row that are stored; evenly spread over the run if there are more
MOST_POINTS = 200  # of a series


def rows_of(case: Case, samples: list[Sample]) -> list[Row]:
    """A case's rows: the whole call, unless it ran once, and each further measure."""
    measures = {} if case.once else {"": [sample.seconds for sample in samples]}
    for name in dict.fromkeys(name for sample in samples for name in sample.more):
        measures[name] = [seconds for sample in samples for seconds in sample.more.get(name, [])]
    common = {
        **{
            name: round(float(np.mean([getattr(s, name) for s in samples])), 2)
            for name in ("passes", "rows", "tokens", "macs", "bytes")
        },
        "audio_s": case.audio_s,
        "error_rate": error_rate(case.reference, samples[-1].text),
        "rss_mib": round(max(sample.rss_mib for sample in samples), 1),
    }
    rows = []
    for name, seconds in measures.items():
        if not seconds:
            continue  # live audio without a word has no delays
        series = samples[-1].series if not rows else {}
        thin = {key: tuple((round(t, 3), round(v, 6)) for t, v in thinned(points, MOST_POINTS)) for key, points in series.items()}
        whole = tuple(round(1e6 * s) for s in thinned(seconds, MOST_SAMPLES))
        own = common if not name or case.once else {"rss_mib": common["rss_mib"]}
        rows.append(Row(case.scenario, case.subject, case.name, name, case.threads, whole, len(seconds), **own, series=thin))
    return rows


def error_rate(reference: str | None, text: str | None) -> float | None:
    """None where a text is not known."""
    if reference is None or text is None:
        return None
    return round(word_error_rate([reference], [text]), 4)
