"""The store, against a transport that answers as PostgREST, its gateway and a broken network do."""

import ast
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from watchkeeper.errors import SettingsError, StoreError
from watchkeeper.store import Store, StoreUnreachable

KEY = "sb_secret_abcdefghijklmnopqrstuv_12345678"
Answer = Callable[[httpx.Request], httpx.Response]


class Api:
    """A pretended API: answers in turn, the last answer again and again, and keeps what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def store(self, key: str = KEY, patience_s: float = 15.0) -> Store:
        transport = httpx.MockTransport(self)
        return Store(
            "https://x.supabase.co", key, transport=transport, sleep=self.pauses.append, patience_s=patience_s
        )

    def sent(self) -> object:
        return json.loads(self.requests[-1].content)


def reply(body: object, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=body)


def refusal(code: str, message: str, status: int = 400) -> httpx.Response:
    return reply({"code": code, "message": message, "details": None, "hint": None}, status)


COUNTS = {"recorded": 1, "repeated": 0, "late": 0, "dropped": 0, "transitions": []}


def test_it_calls_the_rpc_of_the_same_name_with_named_arguments() -> None:
    api = Api(reply([]))
    assert api.store().claim_due_checks(90) == []
    request = api.requests[0]
    assert (request.method, request.url.path) == ("POST", "/rest/v1/rpc/claim_due_checks")
    assert api.sent() == {"horizon_s": 90}


def test_it_sends_the_key_as_apikey_and_an_equal_bearer() -> None:
    api = Api(reply({}))
    api.store().audit_head()
    assert api.requests[0].headers["apikey"] == KEY
    assert api.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda s: s.settle_probe("p", {"outcome": "ok"}), {"probe_id": "p", "result": {"outcome": "ok"}}),
        (lambda s: s.prune_history(), {"keep_days": 30}),
        (lambda s: s.observe_chain_tables("head", {}), {"subject": "head", "settings": {}}),
    ],
)
def test_it_names_the_arguments_as_the_database_does(
    call: Callable[[Store], object], expected: object
) -> None:
    api = Api(reply({}))
    call(api.store())
    assert api.sent() == expected


def test_a_function_that_returns_nothing_is_fine() -> None:
    api = Api(httpx.Response(204))
    api.store().publish_catalog({"checks": {}})
    assert len(api.requests) == 1


def test_a_refusal_keeps_its_code_message_and_argument() -> None:
    api = Api(refusal("22023", "results[3].samples[0].value: must be a finite number"))
    with pytest.raises(StoreError) as caught:
        api.store().record_check_results([{}])
    assert not isinstance(caught.value, StoreUnreachable)
    assert caught.value.code == "22023"
    assert caught.value.argument == "results[3].samples[0].value"
    assert len(api.requests) == 1


@pytest.mark.parametrize("code", ["42501", "PT404", "PT409", "PGRST202"])
def test_a_refusal_is_not_repeated(code: str) -> None:
    api = Api(refusal(code, "no"))
    with pytest.raises(StoreError, match="no"):
        api.store().audit_head()
    assert len(api.requests) == 1


FLEETING = [
    httpx.ReadTimeout("slow"),
    httpx.RemoteProtocolError("Server disconnected"),
    refusal("PGRST003", "Timed out acquiring connection from connection pool.", 504),
    refusal("40P01", "deadlock detected", 500),
    httpx.Response(503, text="<html>upstream</html>"),
    httpx.Response(522, text=""),
    httpx.Response(502, json={"message": "An invalid response was received from the upstream server"}),
]


@pytest.mark.parametrize("failure", FLEETING)
def test_recording_is_repeated_because_a_repeat_is_recorded_once(failure: httpx.Response | Exception) -> None:
    api = Api(failure, reply(COUNTS))
    assert api.store().record_check_results([]) == COUNTS
    assert len(api.requests) == 2
    assert api.pauses == [0.25]


@pytest.mark.parametrize("failure", FLEETING)
@pytest.mark.parametrize("claim", [Store.claim_due_checks, Store.claim_deliveries])
def test_a_claim_is_not_repeated_because_it_may_have_happened(
    claim: Callable[[Store], object], failure: httpx.Response | Exception
) -> None:
    api = Api(failure, reply([]))
    with pytest.raises(StoreUnreachable):
        claim(api.store())
    assert len(api.requests) == 1


@pytest.mark.parametrize("failure", FLEETING)
def test_settling_is_repeated_because_a_repeat_settles_nothing(failure: httpx.Response | Exception) -> None:
    api = Api(failure, reply({"settled": 1, "stale": 0}))
    assert api.store().settle_deliveries([])["settled"] == 1
    assert len(api.requests) == 2


def test_a_claim_looks_two_ticks_ahead() -> None:
    api = Api(reply([]))
    api.store().claim_due_checks()
    assert api.sent() == {"horizon_s": 120}


@pytest.mark.parametrize("failure", [httpx.ConnectError("refused"), httpx.ConnectTimeout("silence")])
def test_a_claim_that_never_left_is_repeated(failure: Exception) -> None:
    api = Api(failure, reply([]))
    assert api.store().claim_due_checks() == []


def test_it_gives_up_after_four_tries() -> None:
    api = Api(httpx.ConnectError("refused"))
    with pytest.raises(StoreUnreachable, match="audit_head: ConnectError: refused"):
        api.store().audit_head()
    assert len(api.requests) == 4
    assert api.pauses == [0.25, 1.0, 2.0]


def test_it_gives_up_when_its_patience_ends() -> None:
    api = Api(httpx.ConnectError("refused"))
    with pytest.raises(StoreUnreachable):
        api.store(patience_s=1.0).audit_head()
    assert api.pauses == [0.25]


@pytest.mark.parametrize(
    "failure",
    [
        httpx.LocalProtocolError(f"Illegal header value b'Bearer {KEY}'"),
        refusal("42501", f"who is {KEY}?", 403),
        httpx.Response(401, text=f"bad key {KEY}"),
    ],
)
def test_no_message_holds_the_key(failure: httpx.Response | Exception) -> None:
    api = Api(failure)
    with pytest.raises(StoreError) as caught:
        api.store().audit_head()
    assert KEY not in str(caught.value) + caught.value.message
    assert caught.value.__cause__ is None


def test_the_store_itself_does_not_show_the_key() -> None:
    assert KEY not in repr(Api(reply([])).store())


def test_it_follows_no_redirect_with_the_key() -> None:
    api = Api(httpx.Response(302, headers={"location": "https://elsewhere.example/"}))
    with pytest.raises(StoreError):
        api.store().audit_head()
    assert [request.url.host for request in api.requests] == ["x.supabase.co"]


@pytest.mark.parametrize(
    "body",
    [httpx.Response(200, text="<html>sign in</html>"), reply("text"), httpx.Response(200, text="null")],
)
def test_a_reply_of_another_shape_is_an_error_not_an_empty_list(body: httpx.Response) -> None:
    api = Api(body)
    with pytest.raises(StoreError, match="claim_deliveries: expected a list"):
        api.store().claim_deliveries()
    with pytest.raises(StoreError, match="audit_head: expected an object"):
        api.store().audit_head()


@pytest.mark.parametrize("argument", [float("nan"), float("inf"), "\udcff"])
def test_what_is_no_json_is_refused_and_not_sent(argument: object) -> None:
    api = Api()
    with pytest.raises(StoreError, match="publish_catalog: an argument is no JSON: ") as caught:
        api.store().publish_catalog({"settings": argument})
    assert (caught.value.code, api.requests) == ("22P02", [])


@pytest.mark.parametrize("key", ["", "two words", "schlüssel", "line\nline"])
def test_a_key_that_no_header_takes_names_the_setting(key: str) -> None:
    with pytest.raises(SettingsError, match="SUPABASE_SECRET_KEY"):
        Store("https://x.supabase.co", key)


@pytest.mark.parametrize("url", ["", "ftp://x", "x.supabase.co", "http://[::1"])
def test_a_wrong_url_names_the_setting(url: str) -> None:
    with pytest.raises(SettingsError, match="SUPABASE_URL"):
        Store(url, KEY)


def test_it_has_what_the_functions_call_and_nothing_else() -> None:
    """What only an operator calls is in infra/cli/api: the zip holds nothing that Lambda does not run."""
    files = (Path(__file__).parents[2] / "functions").rglob("*.py")
    trees = [ast.parse(file.read_text()) for file in files]
    used = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert [name for name in vars(Store) if not name.startswith("_") and name not in used | {"close"}] == []
