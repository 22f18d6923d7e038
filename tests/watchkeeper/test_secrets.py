from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from watchkeeper import aws
from watchkeeper.errors import DeliveryError
from watchkeeper.secrets import KEPT_S, Secrets, forms

SSM = "ssm:/watchkeeper/channels/ops"
MANAGER = "secretsmanager:watchkeeper/channels/ops"


def refusal(secrets: Secrets, reference: str) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        secrets.read(reference)
    return caught.value


def test_the_environment_on_the_laptop() -> None:
    assert Secrets({"CHANNEL_OPS": " abc\n"}).read("env:CHANNEL_OPS") == "abc"


@pytest.mark.parametrize("value", ["", "  ", "\n"])
def test_what_is_empty_is_not_set(value: str) -> None:
    error = refusal(Secrets({"CHANNEL_OPS": value}), "env:CHANNEL_OPS")
    assert (error.reason, error.permanent) == ("env:CHANNEL_OPS is not set", True)


@pytest.mark.parametrize("value", ["abc\r\nX-Evil: 1", "a\x00b"])
def test_control_characters_never_reach_a_header(value: str) -> None:
    error = refusal(Secrets({"CHANNEL_OPS": value}), "env:CHANNEL_OPS")
    assert (error.reason, error.permanent) == ("env:CHANNEL_OPS holds control characters", True)


@pytest.mark.parametrize(
    "reference",
    [
        "env:SUPABASE_SECRET_KEY",
        "env:CHANNEL_",
        "ssm:/watchkeeper/supabase-secret-key",
        "ssm:/watchkeeper/channels/",
        "secretsmanager:prod/database",
        "xoxb-1234",
        "",
        "env:CHANNEL_A\n",
        "file:/etc/passwd",
    ],
)
def test_a_channel_reaches_no_secret_but_a_channels(reference: str) -> None:
    error = refusal(Secrets({"SUPABASE_SECRET_KEY": "sb_secret"}), reference)
    assert error.permanent
    assert error.reason == "a secret's reference is not one of env:, ssm: or secretsmanager:"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        aws._make.cache_clear()
        yield
    aws._make.cache_clear()


@pytest.mark.usefixtures("cloud")
def test_parameters_and_secrets_of_aws() -> None:
    boto3.client("ssm").put_parameter(Name="/watchkeeper/channels/ops", Value="p", Type="SecureString")
    boto3.client("secretsmanager").create_secret(Name="watchkeeper/channels/ops", SecretString="s")
    secrets = Secrets({})
    assert (secrets.read(SSM), secrets.read(MANAGER)) == ("p", "s")


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("reference", [SSM, MANAGER])
def test_a_secret_that_is_not_there_is_named(reference: str) -> None:
    error = refusal(Secrets({}), reference)
    assert error.permanent
    assert error.reason.startswith(f"cannot read {reference}: ")
    assert "NotFound" in error.reason


def test_an_aws_that_is_away_is_temporary() -> None:
    def away(_name: str) -> str:
        raise TimeoutError("sb_secret")

    error = refusal(Secrets({}, {"ssm": away}), SSM)
    assert (error.reason, error.permanent) == (f"cannot read {SSM}: TimeoutError", False)


def test_a_secret_is_kept_for_five_minutes_or_until_forgotten() -> None:
    now, asked = [0.0], list[str]()

    def fetch(name: str) -> str:
        asked.append(name)
        return f"v{len(asked)}"

    secrets = Secrets({}, {"ssm": fetch}, clock=lambda: now[0])
    assert [secrets.read(SSM), secrets.read(SSM)] == ["v1", "v1"]
    now[0] = KEPT_S - 1
    assert secrets.read(SSM) == "v1"
    now[0] = KEPT_S
    assert secrets.read(SSM) == "v2"
    secrets.forget([SSM, "env:CHANNEL_UNKNOWN"])
    assert secrets.read(SSM) == "v3"


def test_what_is_kept_is_not_shown() -> None:
    secrets = Secrets({"CHANNEL_OPS": "abcdef"})
    secrets.read("env:CHANNEL_OPS")
    assert "abcdef" not in repr(secrets)


def test_the_telling_parts_of_a_secret() -> None:
    found = forms(
        ["https://hooks.slack.com/services/T0/B0/abcdefghijkl0123456789xy", "42:AAEabcdefghijklmnop"]
    )
    assert {"abcdefghijkl0123456789xy", "42:AAEabcdefghijklmnop", "AAEabcdefghijklmnop"} <= found
    assert not {"https", "slack", "services", "T0"} & found
