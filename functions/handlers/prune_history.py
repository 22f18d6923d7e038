"""Every day: delete the history that is old enough, in portions, for as long as there is time."""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from watchkeeper import faults, telemetry
from watchkeeper.settings import Settings
from watchkeeper.store import Store

# A portion that takes longer than the patience of a call is asked for again, four times in all.
RESERVE_MS = 60_000

logger = telemetry.logger("prune_history")


@cache
def store() -> Store:
    settings = Settings.from_env()
    key = telemetry.hide(settings.supabase_secret_key)
    return Store(settings.supabase_url, key, newer_key=telemetry.hiding(settings.newer_key))


@logger.inject_lambda_context
@faults.reporting(logger)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - AWS passes both
    """Entry point. What there is no time for, the next day takes."""
    pruned: dict[str, int] = {}
    more = True
    while more and context.get_remaining_time_in_millis() > RESERVE_MS:
        portion = store().prune_history()
        more = bool(portion.pop("more"))
        pruned = {table: pruned.get(table, 0) + count for table, count in portion.items()}
    logger.info("pruned", extra={"rows": pruned, "more": more})
    return {"rows": pruned, "more": more}
