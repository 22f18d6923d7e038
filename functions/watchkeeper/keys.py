"""The key that a client of the API shows. One that was rotated is read anew while the process runs."""

import re
import time
from collections.abc import Callable, Generator
from threading import Lock

import httpx

from watchkeeper.errors import SettingsError

# An API that refuses every key must not make each of its callers ask for another.
ASK_EVERY_S = 30
SENDABLE = re.compile(r"[!-~]+")


class Key(httpx.Auth):
    """Shows the key. When it is refused, `newer` is asked once and the request, which did nothing, sent again."""

    def __init__(
        self,
        key: str,
        newer: Callable[[], str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not SENDABLE.fullmatch(key):
            raise SettingsError("SUPABASE_SECRET_KEY", "must be one word of plain ASCII")
        self.known = [key]
        self._newer = newer
        self._clock = clock
        self._asked_at = -float("inf")
        self._asking = Lock()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        shown = self.known[-1]
        _show(request, shown)
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED and (key := self._instead_of(shown)) != shown:
            _show(request, key)
            yield request

    def _instead_of(self, refused: str) -> str:
        """The key that others have found meanwhile, or a newer one, or the same."""
        with self._asking:
            if self._newer and self.known[-1] == refused and self._clock() - self._asked_at >= ASK_EVERY_S:
                self._asked_at = self._clock()
                self._learn(self._newer)
            return self.known[-1]

    def _learn(self, newer: Callable[[], str]) -> None:
        try:
            key = newer().strip()
        except SettingsError:
            return  # what the caller hears of is that the API refused the key
        if SENDABLE.fullmatch(key) and key != self.known[-1]:
            self.known.append(key)


def _show(request: httpx.Request, key: str) -> None:
    """As supabase's own client does."""
    request.headers["apikey"] = key
    request.headers["Authorization"] = f"Bearer {key}"
