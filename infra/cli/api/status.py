"""Is all well, and does Watchkeeper itself still look?"""

from watchkeeper.store import Json, Store


class Status(Store):
    """Everybody with a role reads; admins change."""

    def get_system_health_summary(self) -> Json:
        """The whole state on one page: {status, reason, monitoring, alerts, uptime, blockchain, ...}.

        Each part has its own `status`; a number that is not known is None.
        """
        return self._object("get_system_health_summary", {}, repeatable=True)

    def list_regions(self) -> list[Json]:
        """Every region that ever ticked: {name, status, first_seen_at, last_tick_at}, unknown when it is silent."""
        return self._rows("list_regions", {}, repeatable=True)

    def forget_region(self, name: str) -> None:
        """Wait no more for a region whose stack is gone. PT404: there is none. PT409: it still ticks."""
        self._rpc("forget_region", {"name": name})

    def save_watchdog(self, url: str | None, silent_s: int = 300) -> Json:
        """Where the database itself says that the monitor is silent; None: nowhere.

        Returns {status, reason, silent_s}: on, or off and why.
        """
        return self._object("save_watchdog", {"url": url, "silent_s": silent_s}, repeatable=True)
