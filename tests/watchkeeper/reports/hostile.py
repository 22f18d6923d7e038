"""Names as nobody wants them."""

from typing import Any

from tests.watchkeeper.reports import samples

NAMES = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@SUM(A1)",
    "\t=1+1",
    "😀 node 👩\u200d💻",
    "שלום עולם",
    "مرحبا",
    "東京ノード",
    "\u202eevil",
    "line\nfeed\r\x00\x1b[31m",
    "half a character \ud800",
    "e\u0301 ﬁ",
    "x" * 200,
    "a-" * 100,
    "",
]


def sla() -> dict[str, Any]:
    name = NAMES[0]
    incident = {"id": name, "title": name, "severity": name, "status": name}
    return samples.sla(
        title=name,
        match={name: [name]},
        rules={name: name},
        objective={"name": name, "percent": 99},
        objectives=[{"name": each, "status": each} for each in NAMES],
        targets=[samples.target(each, n, network=each) for n, each in enumerate(NAMES)],
        incidents={"count": 1, "by_severity": {name: 1}, "list": [incident]},
        alerts={"count": 1, "by_severity": {name: 1}},
    )


def compliance() -> dict[str, Any]:
    records = [{each: each, "name": each, "list": [each]} for each in NAMES]
    return samples.compliance(
        members=records,
        access=records,
        changes={"by_table": records, "by_actor": records},
        controls=[{"name": each, "ok": None, "detail": each} for each in NAMES],
    )
