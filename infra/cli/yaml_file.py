"""Reads a YAML file into plain data and remembers the line of every value. Knows nothing of targets."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from infra.cli.render import clean

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 20

Place = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong on a line, and in which value."""

    line: int
    place: str
    text: str


class FileError(Exception):
    """Everything that is wrong with the file, one line each: `my.yaml:12: targets[1].name: is missing`."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(_line(name, problem) for problem in self.problems))


@dataclass
class Document:
    """The data of a file with the line each value (and, for maps, each key) stands on."""

    name: str
    data: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line_of(self, place: Place) -> int:
        """The line of the value, or of the nearest thing around it when it is missing."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def problem(self, place: Place, text: str) -> None:
        """Note what is wrong at that place."""
        self.problems.append(Problem(self.line_of(place), spell(place), text))

    def raise_problems(self) -> None:
        """Refuse the file if anything was noted."""
        if self.problems:
            raise FileError(self.name, self.problems)


def read(path: Path) -> Document:
    """The file's data; raises FileError if it cannot be read as one small, plain YAML document."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _refusal(path.name, 1, f"cannot be read: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise _refusal(path.name, 1, "is larger than 1 MiB")
    try:
        return parse(raw.decode("utf-8-sig"), path.name)
    except UnicodeDecodeError as error:
        raise _refusal(path.name, raw.count(b"\n", 0, error.start) + 1, "is not UTF-8 text") from None


def parse(text: str, name: str) -> Document:
    """Like `read`, of a text at hand."""
    try:
        _refuse_traps(text, name)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _refusal(name, mark.line + 1 if mark else 1, f"is not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise _refusal(name, 1, f"is not YAML: {str(error).splitlines()[0]}") from None
    document = Document(name)
    if node is not None:
        document.data = _build(node, (), document)
    document.raise_problems()
    return document


def spell(place: Place) -> str:
    """('targets', 1, 'name') as targets[1].name."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def place_of(text: str) -> Place:
    """targets[1].name as ('targets', 1, 'name')."""
    return tuple(int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", text))


class _Loader(yaml.SafeLoader):
    """YAML 1.2's idea of a plain scalar: `yes`, `on`, `12:30` and dates are texts, as in JSON."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012


PLAIN = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]{1,30}", list("-+0123456789")),
    "float": (r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,2})?", list("-+.0123456789")),
}
for name, (pattern, first) in PLAIN.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{name}", re.compile(f"^(?:{pattern})$"), first)


def _refuse_traps(text: str, name: str) -> None:
    # Before composing: aliases multiply what was read, and deep nesting exhausts the stack.
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _refusal(name, line, "anchors and aliases are not supported; write the value out")
        if tag := str(getattr(event, "tag", None) or "").strip("!"):
            raise _refusal(name, line, f"tags are not supported ({tag})")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _refusal(name, line, f"is nested more than {MAX_DEPTH} deep")


def _build(node: yaml.Node, place: Place, document: Document) -> Any:
    document.lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _build_map(node, place, document)
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, (*place, index), document) for index, item in enumerate(node.value)]
    return _scalar(node)


def _build_map(node: yaml.MappingNode, place: Place, document: Document) -> dict[str, Any]:
    built: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            document.problems.append(Problem(line, spell(place), "a key must be a text"))
            continue
        key = key_node.value
        if key in built:
            first = document.lines[(*place, key)]
            twice = f"is given twice (first on line {first})"
            document.problems.append(Problem(line, spell((*place, key)), twice))
            continue
        # A key's own line: an unknown or misplaced key is what the reader looks for.
        document.lines[(*place, key)] = line
        built[key] = _build(value_node, (*place, key), document)
    return built


def _scalar(node: yaml.Node) -> str | int | float | bool | None:
    text: str = node.value
    match node.tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text)
        case "float":
            return float(text)
        case _:
            return text


def _line(name: str, problem: Problem) -> str:
    return clean(": ".join(part for part in (f"{name}:{problem.line}", problem.place, problem.text) if part))


def _refusal(name: str, line: int, text: str) -> FileError:
    return FileError(name, [Problem(line, "", text)])
