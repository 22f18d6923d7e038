import json

from tests.watchkeeper.reports import samples
from watchkeeper.reports import render


def test_the_data_come_back_as_they_were() -> None:
    assert json.loads(render("sla", samples.sla(), "json")) == samples.sla()


def test_the_order_of_keys_does_not_matter() -> None:
    turned = dict(reversed(samples.sla().items()))
    assert render("sla", turned, "json") == render("sla", samples.sla(), "json")


def test_text_is_readable_and_half_a_character_does_no_harm() -> None:
    content = render("sla", samples.sla(title="Узел \ud800"), "json")
    assert "Узел".encode() in content
    assert json.loads(content)["title"] == "Узел \ud800"
