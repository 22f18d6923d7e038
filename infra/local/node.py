"""Node and what runs on it. Standard library only: the bootstrap uses it."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from infra.local.paths import LOCAL, NODE_ENV, TESTS
from infra.local.steps import LocalError

OLDEST_MAJOR = 20
MODULES = LOCAL / "node_modules"


def find_node() -> Path | None:
    """The machine's Node if it is new enough, else the one we installed."""
    for candidate in (shutil.which("node"), NODE_ENV / "bin" / "node"):
        if candidate and _major(Path(candidate)) >= OLDEST_MAJOR:
            return Path(candidate)
    return None


def node_path() -> Path:
    """The Node to run; says what to do when there is none."""
    found = find_node()
    if found is None:
        raise LocalError(f"no Node {OLDEST_MAJOR} or newer: run `make setup`")
    return found


def _major(node: Path) -> int:
    try:
        done = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.match(r"v(\d+)\.", done.stdout)
    return int(found[1]) if found else 0


def environment() -> dict[str, str]:
    """An environment in which our Node comes first on PATH."""
    return {**os.environ, "PATH": f"{node_path().parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def install_packages(folder: Path) -> None:
    """Installs what the folder's lock says, without running the packages' own scripts."""
    npm = shutil.which("npm", path=environment()["PATH"])
    if npm is None:
        raise LocalError("Node is here but npm is not: install npm beside it, or take node off PATH")
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-fund", "--no-audit", "--loglevel=error"],
        cwd=folder, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise LocalError(f"npm ci in {folder} failed:\n{done.stderr.strip()[-2000:]}")


def platform_name() -> str:
    """This machine as npm packages name it: linux-x64, darwin-arm64."""
    cpu = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(platform.machine().lower())
    return f"{platform.system().lower()}-{cpu or platform.machine().lower()}"


def postgres_package() -> Path:
    """The folder with bin, lib and share of Postgres for this machine."""
    folder = MODULES / "@embedded-postgres" / platform_name() / "native"
    if not folder.is_dir():
        raise LocalError(f"no Postgres package for {platform_name()}: use Linux or macOS on x64 or arm64")
    return folder


def anvil_binary() -> Path:
    """The chain node's program: the package's on Linux x64, the machine's own elsewhere."""
    packaged = MODULES / "@foundry-rs" / "anvil-linux-amd64" / "bin" / "anvil"
    if platform_name() == "linux-x64" and packaged.is_file():
        return packaged
    if found := shutil.which("anvil"):
        return Path(found)
    raise LocalError("no anvil for this machine: install Foundry, or watch your own: make up TARGETS=my.yaml")


def supabase_binary() -> Path:
    """The official CLI: the tests' package on Linux x64, the machine's own elsewhere."""
    packaged = TESTS / "node_modules" / "@supabase" / "cli-linux-x64" / "bin" / "supabase"
    if platform_name() == "linux-x64" and packaged.is_file():
        return packaged
    if found := shutil.which("supabase"):
        return Path(found)
    raise LocalError("no official Supabase CLI for this machine: run make test, or install it")


def link_postgres_libraries() -> None:
    """Does what the package's install script would: npm 11 may skip such scripts, so we never run them."""
    package = postgres_package()
    for link in json.loads((package / "pg-symlinks.json").read_text()):
        target = package.parent / link["target"]
        if not target.is_symlink():
            target.symlink_to(os.path.relpath(link["source"], Path(link["target"]).parent))
