"""The front as SVG and as a table. Knows points; measures nothing."""

from html import escape

from unmask.benchmarks.measure.harness import Interval
from unmask.benchmarks.tuning.pareto import Measured, Point, changes, front
from unmask.benchmarks.tuning.search import Found

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 24, 48
TICKS = 5


def named(measured: Measured, point: Point) -> str:
    return ", ".join(changes(point.setting, measured.default)) or "default"


def table(found: Found, unit: str, measure: str) -> str:
    """Markdown: the front, the default and what was chosen."""
    measured, chosen = found.measured, found.choice.point.setting if found.choice else None
    kept = {point.setting for point in front(measured)} | {measured.default, chosen}
    rows = sorted((point for point in measured.points if point.setting in kept), key=measured.ms)
    lines = [f"| setting | {measure}, % | ms {unit} (95 %) | to the default |", "|---|---|---|---|"]
    for point in rows:
        name = named(measured, point)
        quality = f"{100 * point.quality:.1f}"
        spread = _spread(measured.ms_interval(point))
        ratio = "" if point.setting == measured.default else str(point.ratio)
        shown = f"**{name}**" if point.setting == chosen else name
        lines.append(f"| {shown} | {quality} | {measured.ms(point):.1f}{spread} | {ratio} |")
    return "\n".join(lines)


def _spread(interval: Interval | None) -> str:
    return f" ({interval.low:.1f} to {interval.high:.1f})" if interval else ""


def svg(found: Found, title: str, unit: str, measure: str) -> str:
    """Time to the right, quality upwards; the front joined, every other setting pale, intervals of time as bars."""
    measured = found.measured
    x, x_ticks = _axis([_ends(measured, point) for point in measured.points], LEFT, WIDTH - RIGHT)
    y, y_ticks = _axis([(100 * p.quality, 100 * p.quality) for p in measured.points], HEIGHT - BOTTOM, TOP)
    best = front(measured)
    parts = [f'<line x1="{x(v):.1f}" x2="{x(v):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" class="grid"/>' for v in x_ticks]
    parts += [f'<line y1="{y(v):.1f}" y2="{y(v):.1f}" x1="{LEFT}" x2="{WIDTH - RIGHT}" class="grid"/>' for v in y_ticks]
    parts += [f'<text x="{x(v):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{v:.4g}</text>' for v in x_ticks]
    parts += [f'<text x="{LEFT - 8}" y="{y(v) + 4:.1f}" text-anchor="end">{v:.4g}</text>' for v in y_ticks]
    joined = " ".join(f"{x(measured.ms(p)):.1f},{y(100 * p.quality):.1f}" for p in best)
    parts.append(f'<polyline points="{joined}" class="front"/>')
    on_front, chosen = {p.setting for p in best}, found.choice.point.setting if found.choice else None
    for p in measured.points:
        kind = "chosen" if p.setting == chosen else "best" if p.setting in on_front else "other"
        at_x, at_y, (low, high) = x(measured.ms(p)), y(100 * p.quality), _ends(measured, p)
        parts.append(f'<line x1="{x(low):.1f}" x2="{x(high):.1f}" y1="{at_y:.1f}" y2="{at_y:.1f}" class="{kind}"/>')
        told = escape(f"{named(measured, p)}: {measured.ms(p):.1f} ms, {100 * p.quality:.1f} %")
        size = 6 if kind == "chosen" else 4
        parts.append(f'<circle cx="{at_x:.1f}" cy="{at_y:.1f}" r="{size}" class="{kind}"><title>{told}</title></circle>')
        if kind == "chosen" or p.setting == measured.default:
            parts.append(f'<text x="{at_x + 9:.1f}" y="{at_y - 8:.1f}">{escape(named(measured, p))}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 8}" text-anchor="middle">ms {escape(unit)}</text>')
    parts.append(f'<text x="{LEFT}" y="{TOP - 8}">{escape(measure)}, % ({escape(title)})</text>')
    return _PAGE.format(width=WIDTH, height=HEIGHT, body="\n".join(parts))


def _ends(measured: Measured, point: Point) -> tuple[float, float]:
    interval, own = measured.ms_interval(point), measured.ms(point)
    return (interval.low, interval.high) if interval else (own, own)


def _axis(ends: list[tuple[float, float]], start: float, stop: float):  # -> (value -> place, ticks)
    low, high = min(a for a, _ in ends), max(b for _, b in ends)
    margin = 0.05 * (high - low) or 1.0
    low, high = low - margin, high + margin
    ticks = [low + margin + i * (high - low - 2 * margin) / (TICKS - 1) for i in range(TICKS)]
    return (lambda value: start + (value - low) / (high - low) * (stop - start)), ticks


_PAGE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">
<style>.grid {{ stroke: #ddd }} .front {{ fill: none; stroke: #1f5f8b }} .best {{ fill: #1f5f8b; stroke: #1f5f8b }}
.other {{ fill: #bbb; stroke: #bbb }} .chosen {{ fill: #c0392b; stroke: #c0392b }}</style>
<rect width="{width}" height="{height}" fill="white"/>
{body}
</svg>
"""
