"""The settings as one file, and those of which there is one."""

from collections.abc import Mapping
from typing import Any

from watchkeeper.store import Json, Store


class Settings(Store):
    """Admins change, everybody with a role reads. What a change does not mention stays."""

    def apply_config(self, config: Mapping[str, Any], *, prune: bool = False, dry_run: bool = False) -> Json:
        """Make all of a file so, or none of it; `prune` deletes what it does not mention.

        Returns the `plan`, what is created, changed, unchanged and deleted in each section; and unless it was a
        `dry_run` the `tokens` of new heartbeats by name, shown this once.
        """
        return self._object("apply_config", {"config": config, "prune": prune, "dry_run": dry_run})

    def export_config(self) -> Json:
        """All settings as `apply_config` takes them."""
        return self._object("export_config", {}, repeatable=True)

    def get_delivery_settings(self) -> Json:
        """The numbers that hold for all channels: {storm_alerts, flapping_changes, flapping_window_s, dead_after_s}."""
        return self._object("get_delivery_settings", {}, repeatable=True)

    def save_delivery_settings(self, settings: Mapping[str, Any]) -> Json:
        """Change them; returns all of them."""
        return self._object("save_delivery_settings", {"settings": settings}, repeatable=True)

    def get_incident_settings(self) -> Json:
        """When incidents open and settle by themselves."""
        return self._object("get_incident_settings", {}, repeatable=True)

    def save_incident_settings(self, settings: Mapping[str, Any]) -> Json:
        """Change it; returns all of it."""
        return self._object("save_incident_settings", {"settings": settings}, repeatable=True)

    def get_access_settings(self) -> Json:
        """What it takes besides a role: {require_mfa}, whether a second factor is demanded of people."""
        return self._object("get_access_settings", {}, repeatable=True)

    def save_access_settings(self, settings: Mapping[str, Any]) -> Json:
        """Change it; returns all of it."""
        return self._object("save_access_settings", {"settings": settings}, repeatable=True)
