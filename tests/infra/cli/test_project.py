"""The command against a real project, found through `.watchkeeper/env`."""

from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import pytest

import infra.cli
import watchkeeper.store
from infra.cli.api import OperatorStore
from tests.support.parts import Api
from watchkeeper.catalog import catalog


@pytest.fixture
def name() -> str:
    return f"cli-{token_hex(4)}"


@pytest.fixture
def store(api: Api, name: str) -> Iterator[OperatorStore]:
    with api.store() as store:
        store.publish_catalog(catalog("loopback"))
        yield store
        for target in store.list_targets():
            if target["name"].startswith(name):
                store.delete_target(target["id"])


@pytest.fixture
def folder(api: Api, store: OperatorStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: ARG001
    monkeypatch.delenv("SUPABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    lines = f"SUPABASE_URL={api.url}\nSUPABASE_SECRET_KEY={api.secret_key}\nPRIVATE_TARGETS=loopback\n"
    (tmp_path / ".watchkeeper").mkdir()
    (tmp_path / ".watchkeeper" / "env").write_text(lines)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = infra.cli.main(words)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_what_is_exported_changes_nothing_when_applied(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "my.yaml").write_text(
        f"targets:\n- name: {name}\n  endpoint: http://127.0.0.1:9/\n  labels: {{on: yes}}\n"
        f"  checks: {{uptime: {{interval_s: 30, params: {{rules: {{service_down: {{severity: error}}}}}}}}}}\n"
        f"- name: {name} chain\n  chain: supabase\n  checks: {{blockchain: , quantum: {{enabled: false}}}}\n"
    )
    assert "2 created" in run(capsys, "targets", "apply", "my.yaml")[1]
    (folder / "out.yaml").write_text(run(capsys, "targets", "export")[1])
    code, out, _ = run(capsys, "targets", "apply", "out.yaml", "--prune")
    assert code == 0
    assert "0 created, 0 changed, 0 deleted" in out


def test_one_wrong_target_changes_nothing(
    folder: Path, store: OperatorStore, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "my.yaml").write_text(
        f"targets:\n- name: {name}\n  endpoint: http://127.0.0.1:9/\n"
        f"- name: {name} b\n  endpoint: http://10.0.0.1/\n"
    )
    code, _, err = run(capsys, "targets", "apply", "my.yaml")
    assert code == 2
    assert err.startswith("my.yaml:5: targets[1].endpoint: 10.0.0.1 is a private address")
    assert name not in [target["name"] for target in store.list_targets()]


def test_a_target_that_was_never_measured_is_not_well(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "my.yaml").write_text(f"targets: [{{name: {name}, endpoint: 'http://127.0.0.1:9/'}}]")
    run(capsys, "targets", "apply", "my.yaml")
    code, out, _ = run(capsys, "status")
    assert code == 1
    assert f"{name}" in out
    assert "unknown" in out


def test_a_project_that_is_down_is_unknown(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".watchkeeper" / "env").write_text("SUPABASE_URL=http://127.0.0.1:9\nSUPABASE_SECRET_KEY=key\n")
    monkeypatch.setattr(watchkeeper.store, "BACKOFF_S", (0.01,))
    code, out, err = run(capsys, "status")
    assert (code, out) == (2, "")
    assert err.startswith("unknown: Supabase did not answer at http://127.0.0.1:9 ")


@pytest.mark.parametrize("kind", ["sla", "compliance"])
@pytest.mark.parametrize("format_", ["html", "pdf", "csv", "json"])
def test_a_report_of_what_is_really_there_is_written(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str], kind: str, format_: str
) -> None:
    (folder / "my.yaml").write_text(f"targets: [{{name: {name}, endpoint: 'http://127.0.0.1:9/'}}]\n")
    assert run(capsys, "apply", "my.yaml")[0] == 0
    span = ("--from", "2026-01-01", "--to", "2035-01-01")
    code, out, _ = run(capsys, "report", *span, "--kind", kind, "--format", format_, "-o", "report")
    assert (code, out.startswith("wrote report (")) == (0, True)
    body = (folder / "report").read_bytes()
    assert body.startswith(b"%PDF-") if format_ == "pdf" else name.encode() in body or kind == "compliance"


def test_a_report_is_asked_for_and_listed(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert folder
    words = ("--from", "2026-01-01", "--to", "2026-02-01", "--title", name, "--format", "csv")
    code, out, _ = run(capsys, "reports", "request", *words)
    assert code == 0
    assert name in run(capsys, "reports")[1]
    assert run(capsys, "reports", "renew", out.split()[0])[2].startswith("refused: report_id: it is ")
