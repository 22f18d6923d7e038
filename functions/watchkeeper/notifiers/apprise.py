"""Whatever Apprise can reach: a hundred more services, by their Apprise URL.

Not in the zip as shipped. Apprise makes its own connections, so of our rules for addresses only the one for the
URL's own host can be kept, and it does not tell passing failures from lasting ones: all are tried again.
"""

import logging
from importlib import import_module
from typing import Any

from watchkeeper.addresses import resolve
from watchkeeper.errors import DeliveryError, Inconclusive, NotAllowed
from watchkeeper.messages import Receipt
from watchkeeper.model import Model
from watchkeeper.protocols import Errand, Notifier
from watchkeeper.text import PLAIN, body, cut
from watchkeeper.threads import in_thread

TEXT_CHARS = 3000
TYPES = {"info": "info", "warning": "warning", "error": "failure", "critical": "failure"}


class AppriseConfig(Model):
    pass


async def send(errand: Errand[AppriseConfig]) -> Receipt:
    service = await in_thread(lambda: _service(errand.secrets["apprise_url"]))
    await _check_address(errand, service)
    if not await in_thread(lambda: _notify(errand, service)):
        raise DeliveryError("Apprise: the service did not take it")
    return Receipt()


def _service(url: str) -> Any:
    try:
        apprise: Any = import_module("apprise")
    except ModuleNotFoundError:
        raise DeliveryError(
            "apprise is not installed: add it to `dependencies` in pyproject.toml, `make lock`, deploy",
            permanent=True,
        ) from None
    # It logs addresses that it cannot use, tokens and all.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if service is None:
        raise DeliveryError("the secret apprise_url is no URL that Apprise knows", permanent=True)
    return service


async def _check_address(errand: Errand[AppriseConfig], service: Any) -> None:
    host = getattr(service, "host", None)
    if not isinstance(host, str) or ("." not in host and host != "localhost"):
        return  # for many services this part of the URL is a token
    try:
        await resolve(host, getattr(service, "port", None) or 443, errand.private_targets)
    except NotAllowed as error:
        raise DeliveryError(error.reason, permanent=True) from None
    except Inconclusive:
        return


def _notify(errand: Errand[AppriseConfig], service: Any) -> bool:
    wording = errand.wording
    resolved = errand.message.event == "resolve"
    return bool(
        service.notify(
            title=cut(wording.title, 250, PLAIN),
            body=body(wording, TEXT_CHARS, PLAIN),
            notify_type="success" if resolved else TYPES[wording.severity],
        )
    )


NOTIFIER = Notifier(
    kind="apprise",
    Config=AppriseConfig,
    send=send,
    secrets=("apprise_url",),
    required_secrets=("apprise_url",),
    merges=True,
)
