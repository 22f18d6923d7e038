"""Tokens of tools, made by the command and taken by a real API until they are revoked."""

import json
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx
import jwt
import pytest

import infra.cli
from infra.local.stack import Stack
from tests.support.parts import Api

METRIC = {"metric_name_param": "disk", "metric_value_param": 1}


class Project:
    """The command in a folder that names the project, and a tool that calls its API."""

    def __init__(self, api: Api, capsys: pytest.CaptureFixture[str]) -> None:
        self.api = api
        self.name = f"tool-{token_hex(4)}"
        self._capsys = capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        code = infra.cli.main(words)
        printed = self._capsys.readouterr()
        return code, printed.out, printed.err

    def token(self, role: str, *words: str) -> str:
        code, out, err = self("tokens", "create", self.name, "--role", role, *words)
        assert (code, err) == (0, "")
        return out.strip()

    def call(self, function: str, token: str, **arguments: object) -> httpx.Response:
        headers = {"apikey": self.api.publishable_key, "authorization": f"Bearer {token}"}
        url = f"{self.api.url}/rest/v1/rpc/{function}"
        return httpx.post(url, headers=headers, json=arguments, timeout=20)

    def rows(self) -> list[dict[str, Any]]:
        found = json.loads(self("tokens", "--json")[1])
        return [row for row in found if row["name"] == self.name]


@pytest.fixture
def project(
    stack: Stack,
    api: Api,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Project]:
    monkeypatch.delenv("SUPABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".watchkeeper").mkdir()
    (tmp_path / ".watchkeeper" / "env").write_text(
        f"SUPABASE_URL={api.url}\nSUPABASE_SECRET_KEY={api.secret_key}\n"
        f"SUPABASE_JWT_SECRET={stack.credentials.jwt_secret}\n"
    )
    project = Project(api, capsys)
    yield project
    project("tokens", "revoke", project.name)


def test_a_token_records_until_it_is_revoked(project: Project) -> None:
    token = project.token("ingest", "--days", "2")
    reply = project.call("record_system_metric", token, **METRIC)
    assert reply.status_code == 200, reply.text
    for other in ("get_system_health_summary", "list_targets", "list_api_tokens"):
        assert project.call(other, token).status_code == 403
    (row,) = project.rows()
    assert (row["status"], row["last_used_at"] is None) == ("active", False)
    assert token not in json.dumps(row)
    out = project("tokens")[1]
    assert f"{project.name}  ingest" in out
    assert "by operator  used " in out

    assert project("tokens", "revoke", project.name)[0] == 0
    reply = project.call("record_system_metric", token, **METRIC)
    assert (reply.status_code, reply.json()["code"]) == (403, "42501")
    assert reply.json()["message"].startswith("this token was revoked at ")
    assert reply.json()["hint"].endswith("watchkeeper tokens create NAME --role ingest")
    code, _, err = project("tokens", "revoke", project.name)
    assert (code, err.startswith("refused: name: there is no such token")) == (2, True)


def test_a_token_reads_the_summary_and_nothing_else(project: Project) -> None:
    token = project.token("metrics")
    assert "status" in project.call("get_system_health_summary", token).json()
    assert project.call("record_system_metric", token, **METRIC).status_code == 403
    code, _, err = project("tokens", "create", project.name, "--role", "ingest")
    assert (code, err.startswith("refused: name: there is a token of this name")) == (2, True)


def test_a_token_that_nobody_registered_is_refused_however_well_signed(
    project: Project, stack: Stack
) -> None:
    forged = jwt.encode({"role": "watchkeeper_ingest", "exp": 4102444800}, stack.credentials.jwt_secret)
    reply = project.call("record_system_metric", forged, **METRIC)
    assert (reply.status_code, reply.json()["message"]) == (403, "this token has no jti")


def test_the_row_says_what_was_signed(project: Project, stack: Stack) -> None:
    token = project.token("ingest", "--days", "7")
    claims = jwt.decode(token, stack.credentials.jwt_secret, ["HS256"])
    (row,) = project.rows()
    assert (claims["jti"], claims["role"], claims["iss"]) == (row["id"], row["role"], "watchkeeper")
    assert claims["exp"] - claims["iat"] == 7 * 86_400


def test_without_a_key_nothing_is_registered_and_the_setting_is_named(
    project: Project, tmp_path: Path
) -> None:
    file = tmp_path / ".watchkeeper" / "env"
    file.write_text(file.read_text().partition("SUPABASE_JWT_SECRET")[0])
    code, out, err = project("tokens", "create", project.name, "--role", "ingest")
    assert (code, out) == (2, "")
    assert err.startswith("SUPABASE_SIGNING_KEY: is not set, and neither is SUPABASE_JWT_SECRET")
    assert project.rows() == []
