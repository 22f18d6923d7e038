"""Incidents, worked on from the command line with the real database behind it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

import infra.cli
from infra.cli import env
from infra.cli.api import OperatorStore
from tests.handlers.doubles import refusal
from tests.infra.cli.conftest import Command, Ran
from tests.support.parts import Api
from watchkeeper.settings import Settings

Json = dict[str, Any]
Run = Callable[..., Ran]


@pytest.fixture
def run(api: Api, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`watchkeeper` on the real API; exit code, standard output and error."""
    monkeypatch.setattr(infra.cli, "open_store", api.store)
    monkeypatch.setattr(env, "load", lambda: Settings(api.url, "key"))

    def run(*words: str) -> Ran:
        try:
            code = infra.cli.main(words)
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return run


@pytest.fixture
def store(api: Api) -> Iterator[OperatorStore]:
    with api.store() as store:
        yield store


@pytest.fixture
def incident(run: Run, store: OperatorStore) -> Iterator[str]:
    """The start of the id of one that was opened; resolved afterwards."""
    title = f"incident {token_hex(4)}"
    ran = run("incidents", "open", title, "--severity", "high", "--system", "node-1", "--system", "node-2")
    assert ran.code == 0, ran.err
    given = ran.out.split()[0]
    yield given
    (found,) = store.list_incidents(search=title)
    if found["status"] in ("open", "investigating"):
        store.update_incident_status(found["id"], "resolved", found["version"], "the test is over")


def line_of(ran: Ran, given: str) -> str:
    (line,) = [line for line in ran.out.splitlines() if given in line]
    return line


def test_an_incident_is_opened_and_listed(run: Run, incident: str) -> None:
    ran = run("incidents")
    assert ran.code == 1
    line = line_of(ran, incident)
    for part in ("  open", "  high", " ago", "on it: nobody", "node-1, node-2", "incident "):
        assert part in line
    assert incident in run("incidents", "list", "--severity", "high", "--status", "open").out
    assert incident not in run("incidents", "--severity", "low").out
    assert incident in json.dumps(json.loads(run("incidents", "--all", "--json").out))


def test_it_goes_from_hand_to_hand_until_it_is_over(api: Api, run: Run, incident: str) -> None:
    ann = api.person("responder")
    assert "investigating" in run("incidents", "status", incident, "investigating").out
    assert f"on it: {ann.email}" in run("incidents", "assign", incident, ann.email).out
    assert incident in run("incidents", "--assigned", ann.email).out
    assert "critical" in run("incidents", "severity", incident, "critical").out
    assert "node-3" in run("incidents", "systems", incident, "node-3").out
    assert run("incidents", "note", incident, "looked at the switch").code == 0
    assert run("incidents", "note", incident, "replaced the switch", "--remediation").code == 0
    assert "on it: nobody" in run("incidents", "assign", incident, "nobody").out
    ended = run("incidents", "status", incident, "resolved", "--note", "the switch is new")
    assert "resolved" in ended.out
    assert incident not in run("incidents").out
    assert incident in run("incidents", "--all").out

    shown = run("incidents", "show", incident)
    assert shown.code == 0
    facts = dict(
        line.split(maxsplit=1) for line in shown.out.partition("\n\n")[2].partition("\n\n")[0].splitlines()
    )
    assert (facts["status"], facts["severity"], facts["affected"]) == ("resolved", "critical", "node-3")
    assert facts["because"] == "the switch is new"
    assert facts["opened"].endswith(" by operator")
    timeline = shown.out.partition("\ntimeline\n")[2]
    told = [" ".join(line.split()[2:]) for line in timeline.splitlines()]
    assert told[1:] == [
        "status operator open -> investigating",
        f"assigned operator nobody -> {ann.email}",
        "severity operator high -> critical",
        "systems operator node-1, node-2 -> node-3",
        "note operator looked at the switch",
        "remediation operator replaced the switch",
        f"assigned operator {ann.email} -> nobody",
        "status operator investigating -> resolved: the switch is new",
    ]
    assert told[0].startswith("opened operator incident ")


def test_what_it_may_not_become_is_refused_with_both_names(run: Run, incident: str) -> None:
    ran = run("incidents", "status", incident, "closed", "--note", "no")
    assert (ran.code, ran.out) == (2, "")
    assert "open" in ran.err
    assert "closed" in ran.err
    assert run("incidents", "status", incident, "resolved").err.startswith("refused: notes: ")


def test_alerts_belong_to_it(run: Run, store: OperatorStore) -> None:
    metric = f"calls-{token_hex(4)}"
    for name in (metric, metric + "-2"):
        store.record_system_metric(name, 1, severity="critical", metadata={"source": "a tool"})
    first, second = (a["id"] for a in reversed(store.list_alerts(status="firing", max_rows=2)))
    opened = run("incidents", "open", "a tool fails", "--alert", first[:13])
    assert opened.code == 0, opened.err
    given = opened.out.split()[0]
    assert run("incidents", "link", given, second).code == 0
    alerts = run("incidents", "show", given).out.partition("\nalerts\n")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in alerts.splitlines()] == [first[:8], second[:8]]
    assert run("incidents", "link", given, "ffffffff-0000-4000-8000-000000000000").code == 2
    run("incidents", "status", given, "resolved", "--note", "the test is over")


def test_a_postmortem_is_drafted_saved_and_read(run: Run, incident: str, tmp_path: Path) -> None:
    none = run("incidents", "postmortem", incident)
    assert (none.code, none.out) == (2, "")
    assert "--draft" in none.err
    assert "## Timeline" in run("incidents", "postmortem", incident, "--draft").out
    file = tmp_path / "postmortem.md"
    assert run("incidents", "postmortem", incident, "--draft", "-o", str(file)).out == ""
    file.write_text(file.read_text() + "- [ ] a second switch\n")
    assert run("incidents", "postmortem", incident, "--save", str(file)).code == 0
    assert run("incidents", "postmortem", incident).out == file.read_text()
    assert "postmortem" in run("incidents", "show", incident).out


def test_who_has_not_read_what_was_saved_meanwhile_does_not_overwrite_it(
    run: Run, incident: str, tmp_path: Path
) -> None:
    ann, ben, plain = (tmp_path / name for name in ("ann.md", "ben.md", "plain.md"))
    for file in (ann, ben):
        run("incidents", "postmortem", incident, "--draft", "-o", str(file))
        file.write_text(file.read_text() + f"- {file.name}\n")
    plain.write_bytes(b"\xef\xbb\xbf# Mine\r\n")
    assert run("incidents", "postmortem", incident, "--save", str(ann)).code == 0
    run("incidents", "note", incident, "what else happens to the incident is no edit")
    ann.write_text(ann.read_text() + "- again\n")
    assert run("incidents", "postmortem", incident, "--save", str(ann)).code == 0

    for file in (ben, plain):
        typed = file.read_bytes()
        ran = run("incidents", "postmortem", incident, "--save", str(file))
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("nothing was saved: ")
        assert f"`watchkeeper incidents postmortem {incident} -o OTHER.md`" in ran.err
        assert file.read_bytes() == typed
    merged = tmp_path / "other.md"
    run("incidents", "postmortem", incident, "-o", str(merged))
    merged.write_text(merged.read_text() + "- ben.md\n")
    assert run("incidents", "postmortem", incident, "--save", str(merged)).code == 0
    kept = run("incidents", "postmortem", incident).out
    assert kept.endswith("- ann.md\n- again\n- ben.md\n")
    assert kept.count("watchkeeper: postmortem of") == 1, "the first line is the file's, not the postmortem's"


def test_a_file_without_an_end_is_not_read_to_it(run: Run, incident: str) -> None:
    ran = run("incidents", "postmortem", incident, "--save", "/dev/zero")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("refused: ")


def test_a_postmortem_of_another_incident_is_not_saved_here(run: Run, incident: str, tmp_path: Path) -> None:
    file = tmp_path / "other.md"
    file.write_text(
        "<!-- watchkeeper: postmortem of ffffffff-0000-4000-8000-000000000000, saved never -->\n# Why\n"
    )
    ran = run("incidents", "postmortem", incident, "--save", str(file))
    assert (ran.code, ran.out) == (2, "")
    assert "about another incident, ffffffff" in ran.err


def test_a_file_that_is_none_is_said_so(run: Run, incident: str, tmp_path: Path) -> None:
    missing = run("incidents", "postmortem", incident, "--save", str(tmp_path / "none.md"))
    assert (missing.code, "cannot be read" in missing.err) == (2, True)
    unwritable = run("incidents", "postmortem", incident, "--draft", "-o", str(tmp_path))
    assert (unwritable.code, "cannot be written" in unwritable.err) == (2, True)


def test_who_was_quicker_is_told(
    run: Run, store: OperatorStore, incident: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the reading and the writing of the one, the other changes it."""
    get_incident = OperatorStore.get_incident

    def overtaken(self: OperatorStore, incident_id: str) -> Json:
        read = get_incident(self, incident_id)
        store.change_incident_severity(incident_id, "low", read["version"])
        return read

    monkeypatch.setattr(OperatorStore, "get_incident", overtaken)
    ran = run("incidents", "severity", incident, "critical")
    monkeypatch.undo()
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("nothing was changed: operator changed the incident at 20")
    assert ran.err.endswith(f"See `watchkeeper incidents show {incident}`\n")
    (found,) = [one for one in store.list_incidents("open") if one["id"].startswith(incident)]
    assert found["severity"] == "low"


def test_a_conflict_of_another_kind_is_told_as_it_is(command: Command) -> None:
    ID = "5f0c4f1e-0000-4000-8000-000000000001"  # noqa: N806
    command.rpcs.answers["get_incident"] = lambda _: {"id": ID, "version": 3}
    command.rpcs.answers["update_incident_status"] = lambda _: refusal(
        "PT409", "status: another is open", 409
    )
    ran = command("incidents", "status", ID, "open", "--note", "again")
    assert (ran.code, ran.err) == (2, "refused: status: another is open\n")
    assert command.rpcs.called("update_incident_status")[0]["version"] == 3


@pytest.mark.parametrize(
    "words", [("show", "zz"), ("note", "zz", "x"), ("status", "zz", "open"), ("link", "zz", "aa")]
)
def test_an_incident_that_is_not_there(command: Command, words: tuple[str, ...]) -> None:
    command.rpcs.answers["list_incidents"] = lambda _: []
    ran = command("incidents", *words)
    assert (ran.code, ran.err) == (
        2,
        'no id of incidents starts with "zz"; see `watchkeeper incidents`\n',
    )


def test_nothing_under_way_is_no_problem(command: Command) -> None:
    command.rpcs.answers["list_incidents"] = lambda _: []
    assert (command("incidents").code, command("incidents").out) == (0, "no incident is under way\n")
    assert command("incidents", "--all").out == "no incidents\n"
    asked = [args["status"] for args in command.rpcs.called("list_incidents")]
    assert asked == ["open", "investigating", "open", "investigating", None]
