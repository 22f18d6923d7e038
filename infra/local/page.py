"""The page of the laptop stack: dashboard/dist served with the headers that the deployment sends, too.

Run as `python -m infra.local.page PORT CONFIG`, where CONFIG is the installation's config.json.
"""

from __future__ import annotations

import json
import mimetypes
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from infra.local.credentials import write_private
from infra.local.paths import DASHBOARD, PYTHON, ROOT
from infra.local.ports import HOST, accepts
from infra.local.processes import Process

DIST = DASHBOARD / "dist"
ENCODINGS = {"br": ".br", "gzip": ".gz"}
KEPT = "public, max-age=31536000, immutable"


def security_headers(api_url: str) -> dict[str, str]:
    """What the browser is allowed: nothing but our own files and the API. Text never becomes markup."""
    live = api_url.replace("http", "ws", 1)
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": f"'self' {api_url} {live}",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "lit-html",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


class Page:
    """Serves the page, with a config.json of its own."""

    def __init__(self, state: Path, port: int, api_url: str, publishable_key: str) -> None:
        self.port = port
        self.url = f"http://{HOST}:{port}"
        self._config = state / "config.json"
        self._settings = {"api_url": api_url, "publishable_key": publishable_key}
        command: list[str | Path] = [PYTHON, "-m", "infra.local.page", str(port), self._config]
        self.process = Process("page", command, state, cwd=ROOT)

    def start(self, **settings: object) -> None:
        """Starts it and waits until it listens. The settings go before those of dashboard/config.json."""
        usual = json.loads((DASHBOARD / "config.json").read_text())
        # The local API sends no mail, so it offers no links.
        told = {**usual, **self._settings, "sign_in": ["password"], **settings}
        write_private(self._config, json.dumps(told, indent=2))
        self.process.start()
        self.process.wait_until(lambda: accepts(self.port))

    def stop(self) -> None:
        """Stops it."""
        self.process.stop()


class Handler(BaseHTTPRequestHandler):
    """Files of dist; any other address is one of the page's own, and index.html shows it."""

    protocol_version = "HTTP/1.1"
    config: Path
    headers_sent: dict[str, str]

    def do_GET(self) -> None:
        """Answers with a file."""
        file = self._file()
        if file is None:
            self._answer(HTTPStatus.NOT_FOUND, b"not found", "text/plain", {})
            return
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        headers = {"Cache-Control": KEPT if file.parent.name == "assets" else "no-cache"}
        for name, suffix in ENCODINGS.items():
            packed = file.with_name(file.name + suffix)
            if name in self.headers.get("Accept-Encoding", "") and packed.is_file():
                file = packed
                headers |= {"Content-Encoding": name, "Vary": "Accept-Encoding"}
                break
        self._answer(HTTPStatus.OK, file.read_bytes(), kind, headers)

    do_HEAD = do_GET  # noqa: N815  (http.server looks for this name)

    def _file(self) -> Path | None:
        path = unquote(urlsplit(self.path).path)
        if path == "/config.json":
            return self.config
        first, *others = path.strip("/").split("/")
        file = (DIST / path.strip("/").replace("\0", "")).resolve()
        if not file.is_relative_to(DIST):
            return None
        if file.is_file():
            return file
        # Names of what is watched may have dots in them: /targets/node.example.org is one of the page's addresses.
        is_file_name = first == "assets" or ("." in first and not others)
        return None if is_file_name else DIST / "index.html"

    def _answer(self, status: HTTPStatus, body: bytes, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**self.headers_sent, **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (its name in the base class)
        """Nothing: nobody reads it."""


def serve(port: int, config: Path) -> None:
    """Runs until it is stopped."""
    Handler.config = config
    Handler.headers_sent = security_headers(json.loads(config.read_text())["api_url"])
    ThreadingHTTPServer((HOST, port), Handler).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
