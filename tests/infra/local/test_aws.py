"""The real template, deployed to the emulator, reaches the API with no more rights than it states."""

from __future__ import annotations

import time
from collections.abc import Callable

from infra.local.anvil import Anvil
from infra.local.aws import Aws
from tests.support.parts import Api
from watchkeeper.catalog import catalog


def test_a_target_is_checked_by_the_deployed_functions(
    api: Api, aws: Aws, anvil: Callable[..., Anvil]
) -> None:
    node = anvil(block_time_s=1)
    checks = {"blockchain": {"interval_s": 5, "timeout_s": 3}, "mempool": {"interval_s": 5, "timeout_s": 3}}
    with api.store() as store:
        store.publish_catalog(catalog("loopback"))
        saved = store.save_target(
            {"name": "aws-test", "chain": "evm", "endpoint": node.url, "checks": checks}
        )
        try:
            ticked = aws.schedule_checks()
            assert ticked["sent"] == ticked["claimed"] > 0
            assert outcomes(api, "aws-test", timeout_s=20) == {"blockchain": "ok", "mempool": "ok"}
        finally:
            store.delete_target(saved["id"])


def outcomes(api: Api, name: str, timeout_s: float) -> dict[str, str | None]:
    """The last outcome of each check, as soon as there is one of each."""
    deadline = time.monotonic() + timeout_s
    while True:
        with api.store() as store:
            (target,) = (target for target in store.list_targets() if target["name"] == name)
        found = {kind: check["outcome"] for kind, check in target["checks"].items()}
        if all(found.values()) or time.monotonic() > deadline:
            return found
        time.sleep(0.2)
