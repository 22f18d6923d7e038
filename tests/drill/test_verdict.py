"""A drill that finds nothing is worth as much as its judge: it has to see each kind of loss."""

from dataclasses import replace

from tests.drill.receivers import Arrival
from tests.drill.site import TEAMS
from tests.drill.verdict import Alert, Row, Verdict, judge

ALERT = Alert("a1", "drill", "green", fired=True, resolved=True)
ROWS = [
    Row(10 * n + m, "a1", channel, event, f"a1:{channel}:{event}", "sent")
    for n, channel in enumerate(TEAMS["green"])
    for m, event in enumerate(("trigger", "resolve"))
]
ARRIVALS = [Arrival(row.channel, row.key, row.event, ("a1",)) for row in ROWS]
DEAD = Row(100, "a2", "gone", "trigger", "a2:gone:trigger", "dead", "410")
DOOMED = Alert("a2", "drill", "doomed", fired=True, resolved=False)


def judged(
    rows: list[Row] = ROWS,
    arrivals: list[Arrival] = ARRIVALS,
    alerts: list[Alert] | None = None,
    merged: dict[str, list[str]] | None = None,
) -> Verdict:
    return judge([ALERT] if alerts is None else alerts, rows, arrivals, merged or {})


def only_violation(verdict: Verdict) -> str:
    (violation,) = verdict.violations
    return violation


def test_all_is_well_and_repeats_are_counted() -> None:
    verdict = judged(arrivals=ARRIVALS + ARRIVALS[:2])
    assert verdict.violations == []
    assert (verdict.distinct.total(), verdict.repeats.total()) == (6, 2)


def test_what_was_said_to_be_sent_and_did_not_arrive_is_lost() -> None:
    assert only_violation(judged(arrivals=ARRIVALS[1:])).startswith("LOST: a1:broken:trigger is said")


def test_an_alert_without_a_row_is_lost() -> None:
    found = judged(ROWS[:-1], ARRIVALS[:-1])
    assert only_violation(found) == "LOST: hanging was never told that a1 is resolved"
    found = judged(ROWS[:-2], ARRIVALS[:-2])
    assert "LOST: hanging was never told that a1 fired" in found.violations


def test_a_resolve_before_its_trigger_is_seen() -> None:
    swapped = [ARRIVALS[1], ARRIVALS[0], *ARRIVALS[2:]]
    assert only_violation(judged(arrivals=swapped)).startswith("ORDER: a1:broken:resolve arrived before")


def test_a_repeat_after_the_resolve_is_not_out_of_order() -> None:
    assert judged(arrivals=[*ARRIVALS, ARRIVALS[0]]).violations == []


def test_a_repeat_under_another_key_is_seen() -> None:
    again = replace(ROWS[0], seq=5, key="another")
    found = judged([*ROWS, again], [*ARRIVALS, replace(ARRIVALS[0], key="another")])
    assert "a1 has 2 keys for trigger at broken" in found.violations


def test_what_the_ledger_does_not_know_is_seen() -> None:
    stray = Arrival("broken", "stray", "trigger", ("a1",))
    assert only_violation(judged(arrivals=[*ARRIVALS, stray])).startswith("broken kept stray")
    astray = replace(ARRIVALS[0], channel="closing")
    assert only_violation(judged(arrivals=[*ARRIVALS, astray])).startswith("closing kept a1:broken:trigger")


def test_a_message_about_something_else_is_seen() -> None:
    wrong = [replace(ARRIVALS[0], event="resolve"), *ARRIVALS[1:]]
    assert "arrived as resolve" in only_violation(judged(arrivals=wrong))


def test_what_waits_forever_or_dies_without_need_is_seen() -> None:
    pending = [replace(ROWS[0], status="pending"), *ROWS[1:]]
    assert any("is still pending" in violation for violation in judged(pending).violations)
    dead = [replace(ROWS[0], status="dead"), *ROWS[1:]]
    assert any("takes messages" in violation for violation in judged(dead).violations)


def test_a_dead_letter_needs_an_alert_that_another_channel_is_told_of() -> None:
    alerts, rows = [ALERT, DOOMED], [*ROWS, DEAD]
    assert only_violation(judged(rows, alerts=alerts)) == "there are dead letters and no alert about them"
    told = Alert("a3", "delivery_dead", None, fired=True, resolved=False)
    found = judged(rows, alerts=[*alerts, told])
    assert "LOST: steady was never told that a3 fired" in found.violations


def test_merged_messages_count_for_each_delivery() -> None:
    mail = [replace(ARRIVALS[0], key="merged:1", event=None), *ARRIVALS[1:]]
    assert judged(arrivals=mail, merged={"merged:1": [ROWS[0].key]}).violations == []
