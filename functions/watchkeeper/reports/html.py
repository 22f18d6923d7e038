"""A report as one HTML file: nothing to load, no script, light and dark, for screens and for paper. Pure."""

from base64 import b64encode
from hashlib import sha256
from html import escape

from watchkeeper.reports.charts import NARROW, WIDE, draw
from watchkeeper.reports.document import (
    Block,
    Chart,
    Command,
    Document,
    Facts,
    Heading,
    Paragraph,
    Table,
    Verdict,
)

STYLE = """
:root{color-scheme:light dark;--page:#fff;--ink:#1f2933;--soft:#52606d;--line:#cbd2d9;--band:#f5f7fa;--good:#1b6b3a;
--bad:#8f1d1d;--up:#8cc5a2;--down:#8f1d1d;--stripe:#4a6fa5;--rest:#dbe7f5;--hatch:#7b8794}
@media screen and (prefers-color-scheme:dark){:root{--page:#14191f;--ink:#e4e9ee;--soft:#a3b0bd;--line:#3a4652;
--band:#1d242c;--good:#7fd1a0;--bad:#ff9b91;--up:#3f7f5a;--down:#ff8478;--stripe:#9dbbe4;--rest:#2a3a50;--hatch:#93a1af}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,"Segoe UI","Noto Sans",sans-serif;
overflow-wrap:anywhere}
main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem 4rem}
header{border-bottom:2px solid var(--ink);padding-bottom:1rem}
h1{font-size:1.7rem;line-height:1.2;margin:0}
h2{font-size:1.15rem;margin:2.4rem 0 .6rem}
.subject{font-size:1.1rem;margin:.2rem 0 0}
.period{font-size:1.1rem;margin:0 0 .8rem;color:var(--soft)}
.about{margin:0;display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;font-size:.9rem}
.about dt{color:var(--soft)}
.about dd{margin:0}
.verdict{margin:1.4rem 0;padding:.9rem 1.1rem;border:1px solid var(--line);border-left:.5rem solid var(--soft);
background:var(--band)}
.verdict strong{display:block;font-size:1.35rem;line-height:1.3}
.verdict.good{border-left-color:var(--good)}
.verdict.bad{border-left-color:var(--bad)}
.verdict.unknown{border-left-style:double}
.good strong,.good .value{color:var(--good)}
.bad strong,.bad .value{color:var(--bad)}
.facts{margin:0 0 1rem;padding:1px 0 0 1px;display:grid;grid-template-columns:repeat(4,1fr)}
.facts div{border:1px solid var(--line);margin:-1px 0 0 -1px;padding:.6rem .8rem}
.facts dt{color:var(--soft);font-size:.85rem}
.facts dd{margin:0}
.facts .value{font-size:1.2rem;font-weight:600;font-variant-numeric:tabular-nums}
.facts .note,.small{color:var(--soft);font-size:.85rem}
p{margin:.5rem 0;max-width:46rem}
table{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .6rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
th{border-bottom:1px solid var(--ink);font-weight:600}
th:first-child,td:first-child{padding-left:0}
th:last-child,td:last-child{padding-right:0}
th,.right{overflow-wrap:normal}
.right{text-align:right}
figure{margin:.6rem 0}
svg{display:block;max-width:100%;height:auto}
svg text{font-family:inherit}
.narrow{display:none}
pre{background:var(--band);border:1px solid var(--line);padding:.5rem .8rem;margin:.5rem 0;white-space:pre-wrap;
font:.85rem/1.5 ui-monospace,Menlo,Consolas,monospace}
svg .up{fill:var(--up)}svg .down{fill:var(--down)}svg .unknown{fill:var(--page)}svg .maintenance{fill:var(--rest)}
svg .unknown-lines{stroke:var(--hatch)}svg .maintenance-lines{stroke:var(--stripe)}
svg .soft{fill:var(--soft)}svg .ink{fill:var(--ink)}svg .grid{stroke:var(--line)}svg .tick{stroke:var(--soft)}
svg .budget{stroke:var(--ink)}svg .spent{fill:var(--down)}svg .spent-line{stroke:var(--down)}
svg .p50{fill:var(--page);stroke:var(--ink)}svg .p95{fill:var(--stripe)}svg .p99{fill:var(--down)}
@media screen and (max-width:44rem){.wide{display:none}.narrow{display:block}
.facts{grid-template-columns:1fr 1fr}
.about{display:block}.about dd{margin-bottom:.3rem}
table,tbody,tr,td{display:block}thead{position:absolute;clip-path:inset(50%);height:1px;overflow:hidden}
tr{border-bottom:1px solid var(--line);padding:.5rem 0}
td,td.right{border:0;padding:.05rem 0;display:grid;grid-template-columns:8.5rem 1fr;gap:.6rem;text-align:left}
td::before{content:attr(data-label);color:var(--soft)}
td:first-child,td:nth-child(2):last-child{display:block}td:nth-child(2):last-child::before{content:none}
td:first-child{font-weight:600}td:first-child::before{content:none}}
@media print{@page{size:A4;margin:16mm}html{font-size:13px}body{font-size:1rem}main{max-width:none;padding:0}
h2{break-after:avoid}
tr,figure,.verdict,.facts div{break-inside:avoid}thead{display:table-header-group}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""
# The policy names this one style by its hash: whatever else a hostile name smuggled in would not be obeyed.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'"
)


def render(document: Document) -> bytes:
    about = "".join(f"<dt>{escape(label)}</dt><dd>{escape(text)}</dd>" for label, text in document.about)
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="robots" content="noindex">\n'
        f"<title>{escape(document.name)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<header>\n<h1>{escape(document.title)}</h1>\n<p class="subject">{escape(document.subject)}</p>\n'
        f'<p class="period">{escape(document.period)}</p>\n<dl class="about">{about}</dl>\n</header>\n'
        + "\n".join(_block(block) for block in document.blocks)
        + "\n</main>\n</body>\n</html>\n"
    )
    return page.encode("utf-8", "replace")


def _block(block: Block) -> str:
    match block:
        case Facts():
            return _facts(block)
        case Table():
            return _table(block) if block.rows else f"<p>{escape(block.empty)}</p>"
        case Chart():
            return _chart(block)
    return _words(block)


def _words(block: Heading | Paragraph | Verdict | Command) -> str:
    text = escape(block.text)
    match block:
        case Heading():
            return f"<h2>{text}</h2>"
        case Paragraph():
            return f'<p class="small">{text}</p>' if block.small else f"<p>{text}</p>"
        case Verdict():
            return f'<div class="verdict {block.tone}"><strong>{escape(block.word)}</strong> {text}</div>'
        case Command():
            return f"<pre>{text}</pre>"


def _facts(block: Facts) -> str:
    cells = (
        f'<div class="{fact.tone}"><dt>{escape(fact.label)}</dt><dd class="value">{escape(fact.value)}</dd>'
        + (f'<dd class="note">{escape(fact.note)}</dd>' if fact.note else "")
        + "</div>"
        for fact in block.facts
    )
    return f'<dl class="facts">{"".join(cells)}</dl>'


def _table(block: Table) -> str:
    marks = [' class="right"' if column.align == "right" else "" for column in block.columns]
    labels = [escape(column.label) for column in block.columns]
    head = "".join(f'<th scope="col"{mark}>{label}</th>' for mark, label in zip(marks, labels, strict=True))
    starts = [f'<td{mark} data-label="{label}">' for mark, label in zip(marks, labels, strict=True)]
    body = "\n".join(
        "<tr>"
        + "".join(f"{start}{escape(text)}</td>" for start, text in zip(starts, row, strict=True))
        + "</tr>"
        for row in block.rows
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _chart(block: Chart) -> str:
    """Drawn for both widths, and the style shows one: a chart made smaller has text that nobody can read."""
    drawn = (
        f'<div class="{name}">{draw(block.drawing, width, block.text)}</div>'
        for name, width in (("wide", WIDE), ("narrow", NARROW))
    )
    return f"<figure>{''.join(drawn)}</figure>"
