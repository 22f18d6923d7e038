"""What the deployed code can do: the database validates targets and channels against it, forms are drawn from it."""

from typing import Any

from watchkeeper.chains import CHAINS
from watchkeeper.chains.networks import NETWORKS
from watchkeeper.checks import CHECKS
from watchkeeper.notifiers import NOTIFIERS
from watchkeeper.protocols import ChainFamily, Check, Notifier
from watchkeeper.settings import PrivateTargets


def catalog(private_targets: PrivateTargets = "none") -> dict[str, Any]:
    """Plain JSON values; `private_targets` is the rule the deployed functions obey."""
    return {
        "checks": {kind: _check(check) for kind, check in CHECKS.items()},
        "chains": {name: _family(family) for name, family in CHAINS.items()},
        "networks": NETWORKS,
        "notifiers": {kind: _notifier(notifier) for kind, notifier in NOTIFIERS.items()},
        "private_targets": private_targets,
    }


def _check(check: Check[Any, Any]) -> dict[str, Any]:
    return {
        "params_schema": check.Params.model_json_schema(),
        "interval_s": check.default_interval_s,
        "timeout_s": check.default_timeout_s,
        "metrics": {name: {"unit": unit} for name, unit in check.metrics.items()},
    }


def _family(family: ChainFamily) -> dict[str, Any]:
    return {
        "settings_schema": family.Settings.model_json_schema(),
        "kinds": list(family.kinds),
        "needs_endpoint": family.needs_endpoint,
    }


def _notifier(notifier: Notifier[Any]) -> dict[str, Any]:
    return {
        "config_schema": notifier.Config.model_json_schema(),
        "secrets": list(notifier.secrets),
        "required_secrets": list(notifier.required_secrets),
        "merges": notifier.merges,
        "takes_reports": notifier.takes_reports,
    }
