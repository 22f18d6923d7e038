"""Clients of AWS services, made late, and what their errors mean."""

from functools import cache
from importlib import import_module
from threading import Lock
from typing import Any

from watchkeeper.errors import DeliveryError

# Says "not now", though the status is 400.
LATER = {
    "Throttling", "ThrottlingException", "Throttled", "ThrottledException", "TooManyRequestsException",
    "RequestLimitExceeded", "LimitExceededException", "KMSThrottling", "KMSThrottlingException",
    "SendingPausedException", "ExpiredToken", "ExpiredTokenException", "RequestExpired", "InternalFailure",
    "InternalError", "InternalServerError", "InternalServiceError", "ServiceUnavailable",
}  # fmt: skip


# Clients may be shared between threads; making one may not.
MAKING = Lock()


def client(
    service: str,
    region: str | None = None,
    *,
    connect_s: float = 3,
    read_s: float = 8,
    tries: int = 1,
    signature: str | None = None,
) -> Any:
    """One client per service and process; by default with limits that fit into a delivery's deadline."""
    with MAKING:
        return _make(service, region, connect_s, read_s, tries, signature)


@cache
def _make(
    service: str, region: str | None, connect_s: float, read_s: float, tries: int, signature: str | None
) -> Any:
    """boto3 costs 160 ms of a cold start, so only who needs it pays."""
    boto3: Any = import_module("boto3")
    config: Any = import_module("botocore.config").Config
    limits = config(
        connect_timeout=connect_s,
        read_timeout=read_s,
        retries={"total_max_attempts": tries},
        signature_version=signature,
    )
    return boto3.client(service, region_name=region, config=limits)


def errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """What clients raise, for an `except`: imported when something was raised, and not before."""
    exceptions: Any = import_module("botocore.exceptions")
    return exceptions.BotoCoreError, exceptions.ClientError, *others


def code(error: Exception) -> str:
    """The service's word for what it refused; empty if it was not reached."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


def translate(error: Exception, what: str) -> DeliveryError:
    """Permanent if AWS refused the call as such; temporary if it was not reached, or is busy."""
    answer = getattr(error, "response", None)
    if not isinstance(answer, dict):
        return DeliveryError(f"{what}: {type(error).__name__}")
    code = str(answer.get("Error", {}).get("Code", ""))
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    said = answer.get("Error", {}).get("Message", "")
    return DeliveryError(f"{what}: {code}: {said}", permanent=400 <= status < 500 and code not in LATER)
