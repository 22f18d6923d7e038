"""The services that take messages, one file each."""

from typing import Any

from watchkeeper.notifiers import (
    apprise,
    discord,
    email,
    pagerduty,
    sentry,
    slack,
    sns,
    teams,
    telegram,
    webhook,
)
from watchkeeper.protocols import Notifier

NOTIFIERS: dict[str, Notifier[Any]] = {
    "apprise": apprise.NOTIFIER,
    "discord": discord.NOTIFIER,
    "email": email.NOTIFIER,
    "pagerduty": pagerduty.NOTIFIER,
    "sentry": sentry.NOTIFIER,
    "slack": slack.NOTIFIER,
    "sns": sns.NOTIFIER,
    "teams": teams.NOTIFIER,
    "telegram": telegram.NOTIFIER,
    "webhook": webhook.NOTIFIER,
}
