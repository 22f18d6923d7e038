"""How words are written: foreign ones made harmless, all of them short enough. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from watchkeeper.errors import clean
from watchkeeper.messages import Event
from watchkeeper.model import Severity

URL_CHARS = 500

COLOURS: dict[Severity, int] = {
    "info": 0x2F81F7,
    "warning": 0xD29922,
    "error": 0xDB6D28,
    "critical": 0xCF222E,
}
GREEN = 0x2DA44E


@dataclass(frozen=True)
class Wording:
    """A message in plain words, each text one printable line. Foreign words in it are not escaped yet."""

    title: str
    lines: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]
    severity: Severity
    event: Event

    @property
    def colour(self) -> int:
        return GREEN if self.event == "resolve" else COLOURS[self.severity]


@dataclass(frozen=True)
class Markup:
    """How a service writes: its escaping, its links, and what it counts against its limits."""

    escape: Callable[[str], str]
    link: Callable[[str, str], str]
    size: Callable[[str], int] = len


# How it fits ----------------------------------------------------------------------------------------------------


def utf16(text: str) -> int:
    """Length as Telegram and Discord count it: an emoji is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, limit: int, markup: Markup | None = None) -> str:
    """`text`, escaped, with as much of its beginning as fits; never half of an escape."""
    escape, size = (markup.escape, markup.size) if markup else (str, len)
    text = text[: limit + 1]  # nothing gets shorter by escaping
    if size(escape(text)) <= limit:
        return escape(text)
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size(escape(text[:middle] + "…")) <= limit else (low, middle - 1)
    return escape(text[:low] + "…") if limit > 0 else ""


def body(wording: Wording, limit: int, markup: Markup) -> str:
    """Everything below the title, in lines. What does not fit is counted; facts and links keep their room."""
    links = packed([markup.link(label, url) for label, url in wording.links], limit * 3 // 4, markup)
    half = (limit - markup.size(links)) // 2
    facts = packed([cut(f"{label}: {text}", half, markup) for label, text in wording.facts], half, markup)
    room = limit - markup.size(facts) - markup.size(links) - 2
    head = packed([cut(line, room, markup) for line in wording.lines], room, markup)
    return "\n".join(part for part in (head, facts, links) if part)


def packed(lines: list[str], limit: int, markup: Markup) -> str:
    """As many of the escaped lines as fit, and how many more there are."""
    for kept in range(len(lines), -1, -1):
        more = len(lines) - kept
        text = "\n".join([*lines[:kept], *([f"… and {more} more"] if more else [])])
        if markup.size(text) <= limit:
            return text
    return ""


# How it is made harmless ----------------------------------------------------------------------------------------

NOTHING = "\u200b"
"""A character without width: splits what a service would act upon, and a reader does not see it."""


def harmless(text: str) -> str:
    """Foreign words that call nobody (@everyone, @here, @name) and fill in no template ({{...}}, ${...})."""
    text = re.sub(r"@(?=[^\s\u200b])", "@" + NOTHING, text)
    return re.sub(r"(?<=[{$%])(?=[{(%])", NOTHING, text)


def plain_link(label: str, url: str) -> str:
    return f"{label}: {url}"


PLAIN = Markup(harmless, plain_link)


def field_text(text: object, limit: int) -> str:
    """Foreign words for a field of their own: one harmless line."""
    return cut(clean(str(text or ""), limit), limit, PLAIN)


def is_web_address(url: str, limit: int = URL_CHARS) -> bool:
    """Whether it is a plain http(s) URL, with nothing in it that could end a link in some markup or call somebody."""
    if len(url) > limit or not re.fullmatch(r"https?://[!#-;=?A-\[\]_a-z~]+", url):
        return False
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False
