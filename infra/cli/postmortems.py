"""The file in which a postmortem is edited: its first line remembers what it was made from."""

import re
from pathlib import Path
from typing import Any

from infra.cli.api import OperatorStore
from infra.cli.names import NotThere
from infra.cli.render import Screen, clean

Json = dict[str, Any]

# A comment of Markdown, which no reader sees.
MARK = "<!-- watchkeeper: postmortem of {incident_id}, saved {saved} -->"
MARKED = re.compile(
    r"\s*<!-- watchkeeper: postmortem of (?P<incident_id>\S+), saved (?P<saved>.+?) -->[ \t]*(?:\n|$)"
)

READ = 200_000


def marked(text: str, incident_id: str, saved_at: str | None) -> str:
    return f"{MARK.format(incident_id=incident_id, saved=saved_at or 'never')}\n{text}"


def unmarked(text: str) -> tuple[str, tuple[str, str] | None]:
    """What is to be kept, and of which incident and which state of it the file was made."""
    found = MARKED.match(text)
    return (text[found.end() :], (found["incident_id"], found["saved"])) if found else (text, None)


def drafted(store: OperatorStore, incident_id: str) -> str:
    return marked(store.draft_postmortem(incident_id), incident_id, None)


def kept(incident: Json) -> str:
    if incident.get("postmortem"):
        return marked(incident["postmortem"], incident["id"], incident["postmortem_updated_at"])
    raise NotThere("it has no postmortem yet; --draft prints one to begin with, --save FILE keeps yours")


def show(text: str, output: Path | None, screen: Screen) -> None:
    if output:
        write(output, text)
        return
    for line in text.splitlines():
        screen.line(clean(line))


def to_save(file: Path, given: str, incident: Json) -> str:
    """What is to be kept, if whoever wrote the file had read what is kept now."""
    text, mark = unmarked(given)
    need_newest(file, mark, incident)
    return text


def follow(file: Path, text: str, saved: Json) -> None:
    """The file becomes what was saved, so that it can be edited and saved again."""
    if saved.get("postmortem") == text:
        write(file, marked(text, saved["id"], saved["postmortem_updated_at"]))


def need_newest(file: Path, mark: tuple[str, str] | None, incident: Json) -> None:
    """Refuses to overwrite what the writer of the file has not read; the file stays as it is."""
    now = incident.get("postmortem_updated_at") or "never"
    incident_id, saved = mark or (incident["id"], "never")
    if incident_id != incident["id"]:
        raise NotThere(f"nothing was saved: {file} is about another incident, {incident_id[:8]}")
    if saved != now:
        by = incident.get("postmortem_updated_by_email") or "somebody"
        raise NotThere(
            f"nothing was saved: {by} saved a postmortem at {now}, which {file} does not know. Read it by "
            f"`watchkeeper incidents postmortem {incident['id'][:8]} -o OTHER.md`, put into OTHER.md what is missing "
            f"from {file}, and --save OTHER.md"
        )


def read(file: Path) -> str:
    """Not more of it than the database would refuse anyhow: some files have no end."""
    try:
        with file.open(encoding="utf-8-sig") as stream:
            return stream.read(READ)
    except (OSError, UnicodeDecodeError) as error:
        raise NotThere(f"{file} cannot be read: {error}") from None


def write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise NotThere(f"{file} cannot be written: {error}") from None
