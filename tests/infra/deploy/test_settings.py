"""What an operator says about a stage: from where, what is missing, and nothing secret shown."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from infra.deploy import parameters
from infra.deploy.settings import is_key, read, values_of
from infra.local.steps import LocalError

REF = "abcdefghijklmnop"
GIVEN = {
    "SUPABASE_PROJECT_REF": REF,
    "SUPABASE_DB_PASSWORD": "p@ss/w:rd",
    "SUPABASE_SECRET_KEY": "sb_secret_x",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
    "ADMIN_EMAIL": "ann@example.org",
}


def test_the_reference_and_the_password_are_enough() -> None:
    deployment, missing = read("prod", GIVEN)
    assert missing == []
    assert deployment.supabase_url == f"https://{REF}.supabase.co"
    assert (
        deployment.database_url == f"postgresql://postgres:p%40ss%2Fw%3Ard@db.{REF}.supabase.co:5432/postgres"
    )
    assert deployment.stack == "watchkeeper-prod"
    assert deployment.secret_key_parameter == "/watchkeeper/prod/supabase-secret-key"
    assert deployment.hosts_page


def test_no_secret_is_shown() -> None:
    deployment, _ = read("prod", GIVEN)
    assert "sb_secret_x" not in repr(deployment)
    assert "p%40ss" not in repr(deployment)


def test_all_that_is_missing_is_named_with_what_to_do() -> None:
    _, missing = read("prod", {})
    named = [line.split(":")[0] for line in missing]
    assert named == [
        "SUPABASE_URL", "SUPABASE_DB_URL", "SUPABASE_SECRET_KEY", "SUPABASE_PUBLISHABLE_KEY", "ADMIN_EMAIL",
    ]  # fmt: skip
    assert all(";" in line or "becomes" in line for line in missing)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SUPABASE_URL", "https://x.supabase.co/rest/v1", "without a path"),
        ("SUPABASE_URL", "x.supabase.co", "http(s)://host"),
        ("SUPABASE_DB_URL", "mysql://x", "postgresql://"),
        ("SUPABASE_DB_URL", "postgresql://p:x@pooler.supabase.com:6543/postgres", "5432"),
        ("SUPABASE_SECRET_KEY", "sb_publishable_x", "sb_secret_"),
        ("SUPABASE_PUBLISHABLE_KEY", "sb_secret_x", "every visitor"),
        ("ADMIN_EMAIL", "ann", "first admin"),
        ("PAGE_SIGN_IN", "password,fax", "magic_link"),
        ("PAGE_MFA", "yes", "true or false"),
        ("PAGE_REALTIME", "on", "true or false"),
        ("ARCH", "sparc", "arm64, x86_64"),
        ("SMTP_PORT", "70000", "from 1 to 65535"),
        ("LOG_RETENTION_DAYS", "31", "must be one of"),
        ("DASHBOARD_URL", "status.example.org", "not that"),
        ("PAGE_DOMAIN", "status.example.org", "both or neither"),
        ("PAGE_CERTIFICATE_ARN", "arn:aws:acm:eu-central-1:123456789012:certificate/x", "us-east-1"),
    ],
)
def test_what_is_wrong_is_said_by_name(name: str, value: str, said: str) -> None:
    _, found = read("prod", {**GIVEN, name: value})
    assert [line for line in found if line.startswith(name) and said in line], found


def test_the_file_counts_and_the_environment_more(tmp_path: Path) -> None:
    (tmp_path / "prod.env").write_text(
        "# ours\nADMIN_EMAIL=file@example.org\nARCH='x86_64'\nEMAL_FROM=x@example.org\n"
    )
    values, unknown = values_of("prod", {"ADMIN_EMAIL": "env@example.org", "HOME": "/root"}, tmp_path)
    assert values == {"ADMIN_EMAIL": "env@example.org", "ARCH": "x86_64"}
    (said,) = unknown
    assert "is it EMAIL_FROM?" in said


@pytest.mark.parametrize("stage", ["", "Prod", "-x", "x" * 21, "a b", "../x"])
def test_a_stage_has_a_plain_name(stage: str, tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="STAGE="):
        values_of(stage, {}, tmp_path)


def jwt(role: str) -> str:
    body = base64.urlsafe_b64encode(json.dumps({"role": role}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{body}.signature"


def test_the_older_keys_are_told_apart_too() -> None:
    assert is_key(jwt("service_role"), "secret")
    assert not is_key(jwt("service_role"), "publishable")
    assert is_key(jwt("anon"), "publishable")
    assert not is_key("eyJ.broken.x", "secret")
    assert not is_key("", "secret")


def test_every_parameter_has_a_setting_of_its_own() -> None:
    names = [parameters.setting(name) for name in parameters.declared()]
    assert len(names) == len(set(names))
    assert {"EMAIL_FROM", "SMTP_PORT", "HOST_PAGE", "P2P"} & set(names) == {
        "EMAIL_FROM",
        "SMTP_PORT",
        "HOST_PAGE",
    }
