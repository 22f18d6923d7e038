"""History ends after a month: the deployed function deletes what is older, and nothing else."""

from __future__ import annotations

import json

from tests.stories.world import World

AGED = (
    "insert into public.system_health_metrics (metric_name, metric_value, recorded_at) "
    "values (%s, 1, now() - %s::interval)"
)


def test_the_daily_function_forgets_what_is_older_than_a_month(world: World) -> None:
    for age in ("31 days", "29 days"):
        world.db.execute(AGED.encode(), [f"aged {age}", age])
    reply = world.functions.invoke(FunctionName=world.names["PruneHistory"], Payload=b"{}")
    told = json.loads(reply["Payload"].read())
    assert told["rows"]["system_health_metrics"] >= 1, told
    left = world.db.execute(
        "delete from public.system_health_metrics where metric_name like 'aged %' returning metric_name"
    ).fetchall()
    assert left == [("aged 29 days",)]
