"""The secret key, where the functions read it."""

from __future__ import annotations

from infra.deploy.account import Account
from infra.deploy.settings import Deployment


def keep(deployment: Deployment, account: Account) -> str:
    """Stores it if it is another one; a new version is read by the next cold start."""
    if known(deployment, account) == deployment.secret_key:
        return "unchanged"
    account.client("ssm").put_parameter(
        Name=deployment.secret_key_parameter, Value=deployment.secret_key, Type="SecureString", Overwrite=True
    )
    return f"stored as {deployment.secret_key_parameter}"


def known(deployment: Deployment, account: Account) -> str | None:
    """The one that is stored."""
    ssm = account.client("ssm")
    try:
        reply = ssm.get_parameter(Name=deployment.secret_key_parameter, WithDecryption=True)
    except ssm.exceptions.ParameterNotFound:
        return None
    return str(reply["Parameter"]["Value"])


def forget(deployment: Deployment, account: Account) -> None:
    """Removes it, if it is there."""
    ssm = account.client("ssm")
    try:
        ssm.delete_parameter(Name=deployment.secret_key_parameter)
    except ssm.exceptions.ParameterNotFound:
        return
