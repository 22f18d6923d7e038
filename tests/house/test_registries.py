"""One more check, chain or notifier is a file, its test, a line in the registry and a README row: none is missing."""

from pathlib import Path

import pytest

from watchkeeper.chains import CHAINS
from watchkeeper.checks import CHECKS
from watchkeeper.model import KINDS
from watchkeeper.notifiers import NOTIFIERS

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "functions" / "watchkeeper"


def modules(folder: str) -> set[str]:
    return {file.stem for file in (PACKAGE / folder).glob("*.py")} - {"__init__"}


def test_every_check_file_is_registered_under_its_name() -> None:
    assert set(CHECKS) == modules("checks") == set(KINDS)
    assert all(check.kind == name for name, check in CHECKS.items())


def test_every_chain_family_has_its_file() -> None:
    assert set(CHAINS) <= modules("chains")


def test_every_notifier_file_is_registered_under_its_name() -> None:
    assert set(NOTIFIERS) == modules("notifiers")
    assert all(notifier.kind == name for name, notifier in NOTIFIERS.items())


@pytest.mark.parametrize(
    "file", sorted(PACKAGE.glob("*/*.py")), ids=lambda file: f"{file.parent.name}/{file.stem}"
)
def test_every_check_chain_and_notifier_has_a_test_file(file: Path) -> None:
    if file.stem == "__init__":
        return
    assert (ROOT / "tests" / "watchkeeper" / file.parent.name / f"test_{file.name}").is_file()


@pytest.mark.parametrize("name", [*CHECKS, *CHAINS, *NOTIFIERS])
def test_every_check_chain_and_notifier_has_its_row_in_the_readme(name: str) -> None:
    assert f"| `{name}` |" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("family", CHAINS)
def test_a_chain_offers_only_checks_that_exist(family: str) -> None:
    assert set(CHAINS[family].kinds) <= set(CHECKS)


def test_every_kind_has_its_queue_and_its_function() -> None:
    template = (ROOT / "template.yaml").read_text()
    for kind in KINDS:
        assert f"\n  Check{kind.capitalize()}:\n" in template
        assert f"\n  {kind.capitalize()}Checks:\n" in template
        assert f"{kind.upper()}_QUEUE_URL:" in template


@pytest.mark.parametrize("kind", NOTIFIERS)
def test_the_row_of_a_notifier_names_its_settings_and_secrets(kind: str) -> None:
    (row,) = [r for r in (ROOT / "README.md").read_text().splitlines() if r.startswith(f"| `{kind}` |")]
    named = [*NOTIFIERS[kind].Config.model_fields, *NOTIFIERS[kind].secrets]
    assert [name for name in named if f"`{name}`" not in row] == []
