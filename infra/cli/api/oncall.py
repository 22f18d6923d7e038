"""Who is on call."""

from collections.abc import Mapping
from typing import Any

from watchkeeper.store import Json, Store


class OnCall(Store):
    """Admins make rotations, responders take over a shift, everybody with a role reads."""

    def save_rotation(self, rotation: Mapping[str, Any]) -> Json:
        """Create the rotation, or replace the one of that name; returns it whole."""
        return self._object("save_rotation", {"rotation": rotation}, repeatable=True)

    def delete_rotation(self, name: str) -> None:
        """Remove the rotation. PT404: there is none. PT409: an escalation still uses it."""
        self._rpc("delete_rotation", {"name": name})

    def list_rotations(self) -> list[Json]:
        """Every rotation, and the person who is `on_call`."""
        return self._rows("list_rotations", {}, repeatable=True)

    def save_override(self, rotation: str, person: str, from_time: str, to_time: str) -> Json:
        """Put somebody else on call for a while: {rotation, person, from_time, to_time}."""
        args = {"rotation": rotation, "person": person, "from_time": from_time, "to_time": to_time}
        return self._object("save_override", args)

    def who_is_on_call(self, rotation: str | None = None, moment: str | None = None) -> list[Json]:
        """The person on call of each rotation, and the channels that reach them: {rotation, person, channels, at}.

        `moment`: then instead of now.
        """
        args = {"rotation": rotation, **({"moment": moment} if moment else {})}
        return self._rows("who_is_on_call", args, repeatable=True)
