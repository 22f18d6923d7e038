"""The README's table of settings: all there are and no others, with the true defaults, read where it says."""

from __future__ import annotations

import re

import pytest

from infra.deploy import parameters
from infra.deploy.settings import NAMES, key_parameter
from infra.local.paths import FUNCTIONS, ROOT, TEMPLATE
from infra.local.ports import Ports

README = (ROOT / "README.md").read_text()
SECTION = README.split("## Settings\n")[1].split("\n## ")[0]
ROWS = {
    cells[0].strip("`"): cells[1:]
    for cells in (
        [cell.strip() for cell in line.split("|")[1:-1]] for line in SECTION.splitlines() if "|" in line
    )
    if cells[0].startswith("`")
}
DECLARED = {parameters.setting(name): (name, declared) for name, declared in parameters.declared().items()}
LAPTOP = {name.upper(): str(field.default) for name, field in Ports.__dataclass_fields__.items()}
# What the table says in words.
IN_WORDS = {"SUPABASE_SECRET_KEY_PARAMETER": key_parameter("STAGE"), "DASHBOARD_URL": "the page's"}


def exported() -> set[str]:
    """What the Makefile hands on."""
    (line,) = re.findall(r"^export (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return set(line.split())


def test_it_has_all_settings_and_no_others() -> None:
    assert set(ROWS) == {*NAMES, *DECLARED, *exported()}


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_a_default_is_the_template_s(name: str) -> None:
    default = IN_WORDS.get(name, str(DECLARED[name][1].get("Default", "")))
    assert ROWS[name][0].strip("`") == default


@pytest.mark.parametrize("name", sorted(LAPTOP))
def test_a_port_is_the_laptop_s(name: str) -> None:
    assert ROWS[name][0].strip("`") == LAPTOP[name]


@pytest.mark.parametrize("name", sorted(ROWS))
def test_it_is_read_where_the_table_says_and_says_what_it_is(name: str) -> None:
    _, says, where = ROWS[name]
    assert says
    files = re.findall(r"`([^`]+)`", where)
    assert files
    for file in files:
        called = DECLARED[name][0] if file == TEMPLATE.name else name
        called = called.lower() if file.endswith("ports.py") else called
        assert re.search(rf"\b{called}\b", (ROOT / file).read_text()), f"{file} does not read {called}"


def test_what_the_functions_read_is_set_by_the_template_or_in_the_table() -> None:
    source = (FUNCTIONS / "watchkeeper" / "settings.py").read_text()
    names = set(re.findall(r'"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"', source))
    assert "SUPABASE_URL" in names
    template = TEMPLATE.read_text()
    unset = [
        name for name in names if not re.search(rf"^ +{name}:", template, re.MULTILINE) and name not in ROWS
    ]
    assert unset == []
