import pytest

from watchkeeper.chains import CHAINS
from watchkeeper.chains.networks import NETWORKS
from watchkeeper.checks import CHECKS


@pytest.mark.parametrize("name", NETWORKS)
def test_a_preset_is_what_its_family_and_checks_accept(name: str) -> None:
    preset = NETWORKS[name]
    assert set(preset) == {"chain", "settings", "params"}
    CHAINS[preset["chain"]].Settings.model_validate(preset["settings"])
    for kind, params in preset["params"].items():
        CHECKS[kind].Params.model_validate(params)


def test_no_two_networks_share_a_chain_id() -> None:
    ids = [preset["settings"]["chain_id"] for preset in NETWORKS.values() if "chain_id" in preset["settings"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", NETWORKS)
def test_whole_seconds_leave_the_pace_exact_to_a_tenth(name: str) -> None:
    preset = NETWORKS[name]
    window = preset["settings"].get("block_window", 10)
    assert preset["params"]["blockchain"]["block_time_s"] * window >= 10
