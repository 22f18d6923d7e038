"""AWS services for notifiers and secrets: clients made late, and what their errors mean for a delivery."""

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


def client(service: str, region: str | None = None) -> Any:
    """One client per service and process, with limits that fit into a delivery's deadline."""
    with MAKING:
        return _make(service, region)


@cache
def _make(service: str, region: str | None) -> Any:
    """boto3 costs 160 ms of a cold start, so only who needs it pays. Tries are counted in one place, not here."""
    boto3: Any = import_module("boto3")
    config: Any = import_module("botocore.config").Config
    limits = config(connect_timeout=3, read_timeout=8, retries={"total_max_attempts": 1})
    return boto3.client(service, region_name=region, config=limits)


def translate(error: Exception, what: str) -> DeliveryError:
    """Permanent if AWS refused the call as such; temporary if it was not reached, or is busy."""
    answer = getattr(error, "response", None)
    if not isinstance(answer, dict):
        return DeliveryError(f"{what}: {type(error).__name__}")
    code = str(answer.get("Error", {}).get("Code", ""))
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    said = answer.get("Error", {}).get("Message", "")
    return DeliveryError(f"{what}: {code}: {said}", permanent=400 <= status < 500 and code not in LATER)
