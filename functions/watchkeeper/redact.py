"""Endpoints carry API keys; messages, logs and stored rows must not."""

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, unquote, urlsplit

HIDDEN = "***"
# Providers put the key into the path: 32 characters at Infura and Alchemy, 40 at QuickNode.
KEY_LIKE = re.compile(r"^(?=.*[0-9])[A-Za-z0-9_~.=-]{16,}$|^[A-Za-z0-9_-]{24,}$")


def redact(url: str) -> str:
    """The URL without userinfo, query values, fragment and path parts that look like a key."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "(not a URL)"
    host = f"[{host}]" if ":" in host else host
    path = "/".join(HIDDEN if KEY_LIKE.match(part) else part for part in parts.path.split("/"))
    query = "&".join(f"{name}={HIDDEN}" for name, _ in parse_qsl(parts.query, keep_blank_values=True))
    netloc = host if port is None else f"{host}:{port}"
    return f"{parts.scheme}://{netloc}{path}" + (f"?{query}" if parts.query else "")


def secrets_of(url: str) -> set[str]:
    """The parts of a URL that `redact` hides."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return {url}
    found = [parts.password or "", parts.username or "", parts.fragment]
    found += [part for part in parts.path.split("/") if KEY_LIKE.match(part)]
    found += [value for _, value in parse_qsl(parts.query)]
    return {part for part in found if part}


def scrub(text: str, secrets: Iterable[str]) -> str:
    """`text` without the secrets, however they are escaped. Very short ones would only tear words apart."""
    forms = {form for secret in secrets for form in (secret, quote(secret, safe=""), unquote(secret))}
    for form in sorted((form for form in forms if len(form) >= 4), key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return text
