"""What can go wrong, in the words the rest of Watchkeeper acts on."""

REASON_CHARS = 500


def clean(text: str, limit: int = REASON_CHARS) -> str:
    """One printable line of at most `limit` characters.

    Replies of strangers end up in Postgres, which refuses NUL and lone surrogates: one such reply must not
    cost the run.
    """
    printable = "".join(c if c.isprintable() else " " for c in text[: limit * 4])
    line = " ".join(printable.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


class WatchkeeperError(Exception):
    """Base of every error Watchkeeper raises on purpose."""


class ObservationError(WatchkeeperError):
    """A target could not be read; `reason` is one line a person can act on, without secrets."""

    def __init__(self, reason: str) -> None:
        self.reason = clean(reason)
        super().__init__(self.reason)


class Unreachable(ObservationError):  # noqa: N818 - the design's word; handlers match on it
    """The target refused, timed out or broke down: a fact about the target (outcome fail)."""


class Inconclusive(ObservationError):  # noqa: N818 - likewise
    """We could not tell: our side failed, or the reply makes no sense (outcome unknown)."""


class NotSupported(Inconclusive):
    """The target answers, but does not offer what was asked (outcome unknown, never down)."""


class Refused(Inconclusive):
    """The endpoint does not take this request (HTTP 4xx); it may take another."""


class NotAllowed(Inconclusive):
    """The address is one that our own settings forbid."""


class DeliveryError(WatchkeeperError):
    """A message was not delivered. `permanent`: trying again cannot help until a person changes something."""

    def __init__(
        self,
        reason: str,
        *,
        permanent: bool = False,
        retry_after_s: float | None = None,
        unauthorized: bool = False,
    ) -> None:
        self.reason = clean(reason)
        self.permanent = permanent
        self.retry_after_s = retry_after_s
        self.unauthorized = unauthorized
        super().__init__(self.reason)


class SettingsError(WatchkeeperError):
    """A setting is missing or wrong; the message starts with its name."""

    def __init__(self, setting: str, problem: str) -> None:
        self.setting = setting
        super().__init__(f"{setting}: {problem}")


class StoreError(WatchkeeperError):
    """Supabase refused a call or was not reached; `code`: SQLSTATE, PostgREST code or "unreachable"."""

    def __init__(self, code: str, message: str, argument: str | None = None) -> None:
        self.code = code
        self.message = clean(message)
        self.argument = argument
        super().__init__(f"{code}: {self.message}")
