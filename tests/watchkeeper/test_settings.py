from collections.abc import Iterator
from typing import Any, NoReturn

import boto3
import pytest
from moto import mock_aws

from watchkeeper.errors import SettingsError
from watchkeeper.settings import BooksSettings, DeliverySettings, ReportSettings, Settings, region_name

ENV = {"SUPABASE_URL": "https://x.supabase.co/", "SUPABASE_SECRET_KEY": "sb_secret_abc"}


def no_fetch(name: str) -> NoReturn:
    raise AssertionError(f"asked for {name}")


def test_what_is_needed_is_enough() -> None:
    settings = Settings.from_env(ENV, no_fetch)
    assert settings.supabase_url == "https://x.supabase.co"
    assert settings.private_targets == "none"
    assert "sb_secret" not in repr(settings)


def test_the_key_comes_from_the_parameter_when_the_environment_has_none() -> None:
    env = {**ENV, "SUPABASE_SECRET_KEY": "", "SUPABASE_SECRET_KEY_PARAMETER": "/watchkeeper/key"}
    assert Settings.from_env(env, lambda name: f"value of {name}").supabase_secret_key == (
        "value of /watchkeeper/key"
    )


@pytest.fixture
def ssm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """AWS Systems Manager, emulated in this process."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield boto3.client("ssm")


def test_the_parameter_is_decrypted_or_named(ssm: Any) -> None:
    env = {**ENV, "SUPABASE_SECRET_KEY": "", "SUPABASE_SECRET_KEY_PARAMETER": "/watchkeeper/key"}
    with pytest.raises(SettingsError, match="SUPABASE_SECRET_KEY_PARAMETER: cannot read /watchkeeper/key: "):
        Settings.from_env(env)
    ssm.put_parameter(Name="/watchkeeper/key", Value="sb_secret_abc", Type="SecureString")
    assert Settings.from_env(env).supabase_secret_key == "sb_secret_abc"


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        ({"SUPABASE_URL": ""}, "SUPABASE_URL"),
        ({"SUPABASE_URL": "x.supabase.co"}, "SUPABASE_URL"),
        ({"SUPABASE_SECRET_KEY": " "}, "SUPABASE_SECRET_KEY"),
        ({"PRIVATE_TARGETS": "some"}, "PRIVATE_TARGETS"),
    ],
)
def test_an_error_names_the_setting(change: dict[str, str], setting: str) -> None:
    with pytest.raises(SettingsError, match=f"^{setting}: ") as caught:
        Settings.from_env({**ENV, **change}, no_fetch)
    assert caught.value.setting == setting


def test_each_kind_has_its_queue() -> None:
    settings = Settings.from_env({**ENV, "P2P_QUEUE_URL": "https://sqs/p2p"}, no_fetch)
    assert settings.queue_url("p2p") == "https://sqs/p2p"
    with pytest.raises(SettingsError, match="MEMPOOL_QUEUE_URL: is not set"):
        settings.queue_url("mempool")


def test_messages_need_no_settings() -> None:
    assert DeliverySettings.from_env({}) == DeliverySettings()


def test_what_an_operator_decides_about_messages() -> None:
    settings = DeliverySettings.from_env(
        {
            "DASHBOARD_URL": "https://watch.example.com/",
            "RUNBOOK_URL": "https://wiki.example.com/runbooks",
            "EMAIL_FROM": " Watch <watch@example.com> ",
            "EMAIL_TRANSPORT": "smtp",
            "SMTP_HOST": "mail.example.com",
            "SMTP_PORT": "465",
            "SMTP_SECURITY": "tls",
            "NOTIFY_QUEUE_URL": "https://sqs.example.com/1/notify",
        }
    )
    assert settings == DeliverySettings(
        "https://watch.example.com",
        "https://wiki.example.com/runbooks/",
        "Watch <watch@example.com>",
        "smtp",
        "mail.example.com",
        465,
        "tls",
        "https://sqs.example.com/1/notify",
    )


@pytest.mark.parametrize("url", ["https://x/a/", "https://x/a#", "https://x/?type="])
def test_a_runbook_address_is_what_an_alert_type_can_follow(url: str) -> None:
    assert DeliverySettings.from_env({"RUNBOOK_URL": url}).runbook_url == url


@pytest.mark.parametrize(
    "env",
    [
        {"DASHBOARD_URL": "watch.example.com"},
        {"RUNBOOK_URL": "javascript:alert(1)"},
        {"EMAIL_TRANSPORT": "pigeon"},
        {"SMTP_SECURITY": "some"},
        {"SMTP_PORT": "0"},
        {"SMTP_PORT": "65536"},
        {"SMTP_PORT": "mail"},
        {"NOTIFY_QUEUE_URL": "notify"},
    ],
)
def test_an_error_about_messages_names_the_setting(env: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=f"^{next(iter(env))}: "):
        DeliverySettings.from_env(env)


def test_links_to_reports_work_for_hours_unless_told_otherwise() -> None:
    assert ReportSettings.from_env({"REPORTS_BUCKET": "reports"}) == ReportSettings("reports", 21_600)
    week = {"REPORTS_BUCKET": "reports", "LINK_EXPIRES_S": "604800"}
    assert ReportSettings.from_env(week).link_expires_s == 7 * 86_400


@pytest.mark.parametrize("value", ["604801", "59", "-1", "1.5", "a week"])
def test_a_link_works_for_a_week_at_most(value: str) -> None:
    with pytest.raises(SettingsError, match=r"^LINK_EXPIRES_S: "):
        ReportSettings.from_env({"REPORTS_BUCKET": "reports", "LINK_EXPIRES_S": value})


def test_heads_are_locked_unless_told_otherwise() -> None:
    assert BooksSettings.from_env({"AUDIT_HEADS_BUCKET": "heads"}) == BooksSettings(
        "heads", "GOVERNANCE", 400
    )


@pytest.mark.parametrize("env", [{"AUDIT_LOCK_MODE": "governance"}, {"AUDIT_LOCK_DAYS": "0"}])
def test_an_error_about_the_books_names_the_setting(env: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=f"^{next(iter(env))}: "):
        BooksSettings.from_env({"AUDIT_HEADS_BUCKET": "heads", **env})


@pytest.mark.parametrize(
    ("read", "name"), [(ReportSettings, "REPORTS_BUCKET"), (BooksSettings, "AUDIT_HEADS_BUCKET")]
)
def test_a_bucket_must_be_named(read: type[ReportSettings] | type[BooksSettings], name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: is not set"):
        read.from_env({})


@pytest.mark.parametrize("name", ["eu central", "-eu", "x" * 41, "eu/1"])
def test_a_region_must_have_a_name_that_the_database_takes(name: str) -> None:
    with pytest.raises(SettingsError, match=r"^REGION_NAME: "):
        region_name({"REGION_NAME": name})
