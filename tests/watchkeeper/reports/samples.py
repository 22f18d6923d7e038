"""A month of a small group, as get_sla_report tells it, with figures that a reader can add up."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

DAY = 86_400
MONTH = 31 * DAY

RULES = {
    "observation": "An observation speaks from its moment until the next one, but no longer than two intervals, the "
    "timeout and 30 s. After that the time is unknown.",
    "unknown": "Time in which nothing was known is told apart: it counts neither as up nor as down.",
    "maintenance": "Time in an announced maintenance window counts neither as up nor as down, whatever was seen.",
    "paused": "Time in which a target was paused is unknown; time before it was watched and after is left out.",
    "percent": "Availability is up / (up + down), rounded down to 4 digits.",
}


def target(name: str, n: int, **changes: Any) -> dict[str, Any]:
    down = [600, 2400, 0, 0, 12, 0][n % 6]
    maintenance = 7200 if n % 3 == 1 else 0
    unknown = [90, 0, 43_200, 0, 0, 3][n % 6]
    up = MONTH - down - maintenance - unknown
    start = datetime(2026, 10, 3 + n % 20, 4, 17, 5, tzinfo=UTC)
    return {
        "target_id": f"00000000-0000-4000-8000-{n:012d}",
        "name": name,
        "network": "mainnet" if n % 2 else "testnet-sepolia",
        "watched_s": MONTH,
        "up_s": up,
        "down_s": down,
        "unknown_s": unknown,
        "maintenance_s": maintenance,
        "availability_percent": round(100 * up / (up + down), 4),
        "measured_percent": round(100 * (up + down) / MONTH, 4),
        "budget_s": (up + down) / 1000,
        "spent_s": down,
        "met": down <= (up + down) / 1000,
        "watched_from": "2026-08-01T00:00:00+00:00",
        "watched_until": None,
        "downtimes": [
            {"from": start.isoformat(), "to": (start + timedelta(seconds=down)).isoformat(), "seconds": down}
        ]
        if down
        else [],
        "downtimes_count": 1 if down else 0,
        "latency": {"p50_ms": 40 + 9 * n, "p95_ms": 120 + 31 * n, "p99_ms": 260 + 80 * n},
        "checks": 44_640 - 10 * n,
        "failures": down // 60,
        **changes,
    }


def sla(**changes: Any) -> dict[str, Any]:
    names = [
        "eth-node-1",
        "eth-node-2.eu-central-1.example.org",
        "Узел Тест",
        "κόμβος",
        "rpc gateway",
        "bitcoin-core",
    ]
    targets = [target(name, n) for n, name in enumerate(names)]
    seconds = {
        key: sum(each[key] for each in targets)
        for key in ("watched_s", "up_s", "down_s", "unknown_s", "maintenance_s")
    }
    measured = seconds["up_s"] + seconds["down_s"]
    return {
        "title": "Ledger Hosting AG",
        "match": {"networks": ["mainnet", "testnet-sepolia"], "labels": {"customer": "ledger"}},
        "from": "2026-10-01T00:00:00+00:00",
        "to": "2026-11-01T00:00:00+00:00",
        "generated_at": "2026-11-02T00:10:04.123456+00:00",
        "as_of": "2026-11-01T00:00:00+00:00",
        "rules": RULES,
        "objective": {"name": "gold", "percent": 99.9, "counts_unknown": "apart"},
        "totals": {
            **seconds,
            "availability_percent": round(100 * seconds["up_s"] / measured, 4),
            "measured_percent": round(100 * measured / seconds["watched_s"], 4),
            "budget_s": measured / 1000,
            "spent_s": seconds["down_s"],
            "met": True,
        },
        "targets": targets,
        "days": days(targets, date(2026, 10, 1), 31),
        "incidents": {
            "count": 2,
            "by_severity": {"critical": 1, "medium": 1},
            "open": 1,
            "mttr_s": 3125.5,
            "list": [
                {
                    "id": "10000000-0000-4000-8000-000000000001",
                    "title": "eth-node-2 answers nothing",
                    "severity": "critical",
                    "status": "closed",
                    "created_at": "2026-10-04T04:18:00+00:00",
                    "resolved_at": "2026-10-04T05:10:05.5+00:00",
                },
                {
                    "id": "10000000-0000-4000-8000-000000000002",
                    "title": "Certificates end soon",
                    "severity": "medium",
                    "status": "investigating",
                    "created_at": "2026-10-20T09:00:00+00:00",
                    "resolved_at": None,
                },
            ],
        },
        "alerts": {
            "count": 8,
            "by_severity": {"critical": 3, "warning": 5},
            "mtta_s": 184.25,
            "mttr_s": 1510,
            "acknowledged": {"within_5_min": 6, "of": 8, "percent": 75},
            "delivered": {"within_30_s": 8, "of": 8, "percent": 100},
        },
        "close": {
            "month": "2026-10-01",
            "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        },
        **changes,
    }


def days(targets: list[dict[str, Any]], first: date, number: int) -> list[dict[str, Any]]:
    """All of a target's downtime on the day of its first one, maintenance on the 12th, unknown time on the 20th."""
    found = []
    for n in range(number):
        day = first + timedelta(days=n)
        down = sum(
            each["down_s"]
            for each in targets
            if each["downtimes"] and each["downtimes"][0]["from"][:10] == str(day)
        )
        maintenance = sum(each["maintenance_s"] for each in targets) if n == 11 else 0
        unknown = sum(each["unknown_s"] for each in targets) if n == 19 else 0
        watched = DAY * len(targets)
        found.append(
            {
                "day": str(day),
                "up_s": watched - down - maintenance - unknown,
                "down_s": down,
                "unknown_s": unknown,
                "maintenance_s": maintenance,
            }
        )
    return found


def compliance(**changes: Any) -> dict[str, Any]:
    month = sla()
    return {
        "from": month["from"],
        "to": month["to"],
        "generated_at": month["generated_at"],
        "members": [
            {"email": "ada@example.org", "role": "admin", "created_at": "2026-08-01T09:00:00+00:00"},
            {"email": "björn@example.org", "role": "auditor", "created_at": "2026-10-07T12:30:00+00:00"},
        ],
        "had_access": [
            {"email": "ada@example.org", "role": "admin", "since": None, "until": None},
            {
                "email": "björn@example.org",
                "role": "auditor",
                "since": "2026-10-07T12:30:00.000000Z",
                "until": None,
            },
        ],
        "api_tokens": [
            {
                "name": "ci",
                "role": "ingest",
                "since": "2026-09-01T08:00:00.000000Z",
                "until": "2026-10-20T16:05:00.000000Z",
                "created_by": "ada@example.org",
                "revoked_at": "2026-10-20T16:05:00.000000Z",
                "last_used_at": "2026-10-20T15:59:12.500000Z",
            },
            {
                "name": "grafana",
                "role": "metrics",
                "since": "2026-10-02T10:00:00.000000Z",
                "until": "2026-12-31T10:00:00.000000Z",
                "created_by": "operator",
                "revoked_at": None,
                "last_used_at": None,
            },
        ],
        "access": [
            {
                "at": "2026-10-07T12:30:00+00:00",
                "actor": "ada@example.org",
                "action": "insert",
                "member": "björn@example.org",
                "role": "auditor",
            }
        ],
        "changes": {
            "count": 41,
            "by_table": [
                {"table_name": "targets", "insert": 6, "update": 30, "delete": 1},
                {"table_name": "routes", "insert": 0, "update": 4, "delete": 0},
            ],
            "by_actor": [{"actor": "ada@example.org", "changes": 40}, {"actor": "operator", "changes": 1}],
        },
        "incidents": month["incidents"],
        "alerts": month["alerts"],
        "controls": [
            {"name": "Row-level security covers every table", "ok": True, "detail": "58 of 58 tables"},
            {"name": "Audit chain intact", "ok": True, "detail": "1,204 rows, head 9f86d081"},
            {"name": "Backups are recent", "ok": None, "detail": "Nobody told Watchkeeper of a backup."},
        ],
        **changes,
    }
