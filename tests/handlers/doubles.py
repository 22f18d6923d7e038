"""What AWS hands a function, and an API that answers each database call with what the test says."""

import json
from collections.abc import Callable
from typing import Any

import httpx

from watchkeeper.store import Store

Json = dict[str, Any]


class Context:
    """The part of Lambda's context object that is used."""

    function_name = "watchkeeper"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:watchkeeper"
    aws_request_id = "52fdfc07-2182-154f-163f-5f0f9a621d72"

    def __init__(self, remaining_ms: int = 60_000) -> None:
        self.remaining_ms = remaining_ms

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


class Rpcs:
    """Answers the RPCs over HTTP as PostgREST does; keeps every call with its arguments."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Json]] = []
        self.answers: dict[str, Callable[[Json], object]] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        function, args = request.url.path.rpartition("/")[2], json.loads(request.content)
        self.calls.append((function, args))
        answer = self.answers[function](args)
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    def called(self, function: str) -> list[Json]:
        return [args for name, args in self.calls if name == function]

    def store(self) -> Store:
        return Store("http://db", "key", transport=httpx.MockTransport(self), sleep=lambda _: None)


def refusal(code: str, message: str, status: int = 400) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "message": message, "details": None, "hint": None})
