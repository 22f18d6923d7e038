"""What the server of the page sends, and what it does not."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.page import DIST, Page
from infra.local.ports import HOST, free_ports

API = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def page(session_folder: Path) -> Iterator[Page]:
    page = Page(session_folder / "page", free_ports(1)[0], API, "sb_publishable_x")
    page.start(health_every_s=5)
    yield page
    page.stop()


def get(page: Page, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    """As it is written: no client tidies the path."""
    connection = http.client.HTTPConnection(HOST, page.port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        connection.close()


def asset(suffix: str) -> Path:
    return next((DIST / "assets").glob(f"*{suffix}"))


@pytest.mark.parametrize(
    "path", ["/", "/alerts", "/alerts/5f0c?show=resolved", "/nowhere/at/all", "/missing.js"]
)
def test_every_answer_has_the_headers_of_the_deployment(page: Page, path: str) -> None:
    _, headers, _ = get(page, path)
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["connect-src"] == f"'self' {API} ws://127.0.0.1:1"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/", "/alerts", "/alerts/x.y", "/targets/a%2Fb.example.org"])
def test_an_address_of_the_page_is_the_page(page: Page, path: str) -> None:
    status, headers, body = get(page, path)
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Cache-Control"] == "no-cache"
    assert body == (DIST / "index.html").read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/assets/missing.js", "/assets/", "/missing.js", "/favicon.ico", "/robots.txt",
        "/../infra/local/page.py", "/assets/../../build.mjs", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fpackage.json",
        "/assets/%00.js",
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_found(page: Page, path: str) -> None:
    status, _, body = get(page, path)
    assert (status, body) == (404, b"not found")


def test_assets_are_kept_for_ever_and_sent_compressed(page: Page) -> None:
    script = asset(".js")
    status, headers, plain = get(page, f"/assets/{script.name}")
    assert (status, plain) == (200, script.read_bytes())
    assert "immutable" in headers["Cache-Control"]
    assert headers["Content-Type"].startswith("text/javascript")
    for encoding, suffix in (("br", ".br"), ("gzip", ".gz")):
        _, headers, packed = get(page, f"/assets/{script.name}", **{"Accept-Encoding": encoding})
        assert headers["Content-Encoding"] == encoding
        assert packed == script.with_name(script.name + suffix).read_bytes()


def test_its_settings_are_its_own(page: Page) -> None:
    status, headers, body = get(page, "/config.json")
    told = json.loads(body)
    assert (status, headers["Cache-Control"]) == (200, "no-cache")
    assert (told["api_url"], told["publishable_key"]) == (API, "sb_publishable_x")
    assert (told["health_every_s"], told["sign_in"]) == (5, ["password"])
