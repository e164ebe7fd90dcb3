"""A report as one page of HTML that needs nothing else: tables, pictures, what the words mean. No script."""

import base64
from collections.abc import Mapping
from html import escape

from unmask.benchmarks.report import tables
from unmask.benchmarks.report.markdown import NOTES, conditions, title
from unmask.benchmarks.report.plots import Picture
from unmask.benchmarks.report.record import Report

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; display: block; overflow-x: auto; }
th, td { padding: .2rem .7rem; text-align: left; border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
th { white-space: nowrap; }
figure { margin: 1.5rem 0; }
figure img { max-width: 100%; border-radius: 4px; }
figcaption, .conditions, .notes { color: color-mix(in srgb, currentColor 70%, transparent); }
"""


def to_html(report: Report, pictures: Mapping[str, Picture]) -> str:
    parts = [
        f"<h1>{escape(title(report))}</h1>",
        f"<p class=conditions>{'<br>'.join(escape(line) for line in conditions(report))}</p>",
        table(tables.summary(report)),
        *(figure(picture) for picture in pictures.values()),
        "<h2>Ceiling</h2>",
        table(tables.ceiling(report)),
    ]
    for name, shown in tables.scenarios(report):
        parts += [f"<h2>{escape(name)}</h2>", table(shown)]
    if report.skipped:
        items = "".join(f"<li>{escape(name)}: {escape(why)}</li>" for name, why in report.skipped.items())
        parts += ["<h2>Not measured</h2>", f"<ul>{items}</ul>"]
    parts.append(f"<ul class=notes>{''.join(f'<li>{escape(note)}</li>' for note in NOTES)}</ul>")
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title(report))}</title>'
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n'


def table(shown: tables.Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in shown.head)
    rows = "\n".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>" for cells in shown.rows)
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table>"


def figure(picture: Picture) -> str:
    data = base64.b64encode(picture.png).decode("ascii")
    text = escape(picture.caption)
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'
