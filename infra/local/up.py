"""`make up`: starts the stack, shows what it sees, and stops it again."""

from __future__ import annotations

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from infra.cli.api import OperatorStore
from infra.cli.render import clean
from infra.cli.yaml_file import FileError, read
from infra.local.commands import stop_running
from infra.local.credentials import write_private
from infra.local.paths import LOCAL, STATE
from infra.local.people import sign_up
from infra.local.ports import Ports
from infra.local.processes import stop_leftovers
from infra.local.running import only_one
from infra.local.stack import Stack
from infra.local.steps import LocalError, complain, say, step
from infra.local.supervisor import Supervisor
from infra.local.view import View
from watchkeeper.catalog import catalog
from watchkeeper.errors import WatchkeeperError

DEMO_TARGETS = LOCAL / "targets.yaml"
DEMO_PORT = ":8545"
POLL_S = 3.0


def main() -> int:
    """Runs until Ctrl-C, SIGTERM or SIGHUP; these are a good end."""
    listen_to_signals()
    try:
        ports = Ports.from_env()
        state = _state()
        with only_one(state, ports):
            return _run(state, ports)
    except (LocalError, WatchkeeperError, FileError) as error:
        complain(f"make up: {error}")
        return 1
    except KeyboardInterrupt:
        return 0


def listen_to_signals() -> None:
    """A shell starts background jobs with SIGINT ignored, which must not keep us running; nohup means SIGHUP."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _interrupt)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _state() -> Path:
    """Where all is kept; the tests choose a place of their own."""
    return Path(os.environ.get("WATCHKEEPER_STATE") or STATE)


def _run(state: Path, ports: Ports) -> int:
    targets = _targets_file()
    for name in stop_leftovers(state):
        say(f"  stopped {name}, left behind by an earlier run")
    ports.require_free(
        "dashboard_port", "api_port", "db_port", "aws_port", *([] if targets else ["anvil_port"])
    )
    stack = Stack(state, ports)
    with ThreadPoolExecutor(1) as pool:
        try:
            _start(stack, pool, targets)
            _watch(stack)
        finally:
            _stop(stack, pool)
    return 0


def _targets_file() -> Path | None:
    named = os.environ.get("TARGETS", "").strip()
    if named and not Path(named).is_file():
        raise LocalError(f"TARGETS={named}: there is no such file")
    return Path(named).resolve() if named else None


def _start(stack: Stack, pool: ThreadPoolExecutor, targets: Path | None) -> None:
    """The emulator takes the longest and needs nobody, so it starts beside the others."""
    started = time.monotonic()
    aws = pool.submit(_start_aws, stack)
    with step("Postgres"):
        stack.start_postgres()
    with step("migrations") as current:
        current.note = f"{len(stack.migrate())} applied"
    with step("API"):
        stack.gateway.start()
    with step("dashboard"):
        stack.page.start()
    with step("first admin"):
        create_admin(stack)
    if targets is None:
        with step("chain node (anvil)"):
            stack.anvil.start()
    with step("targets and channels") as current:
        current.note, tokens = apply_config(stack, targets)
    for name, token in tokens.items():
        say(f"           heartbeat {clean(name)}: its token is {token}   (told this once; keep it)")
    aws.result()
    with step("first checks") as current:
        found = stack.aws.schedule_checks()
        current.note = f"{found['sent']} of {found['claimed']} sent"
    say(f"  {time.monotonic() - started:5.1f} s  in all\n")


def _start_aws(stack: Stack) -> None:
    with step("AWS (MiniStack) with template.yaml deployed"):
        stack.start_aws()


def admin_email() -> str:
    """Who becomes the first admin."""
    return os.environ.get("ADMIN_EMAIL", "").strip() or "admin@watchkeeper.local"


def create_admin(stack: Stack) -> None:
    """Signs the first admin up, gives the role and writes .watchkeeper/env for the other commands."""
    keys = stack.credentials
    email = admin_email()
    sign_up(stack.gateway.url, keys.publishable_key, email, keys.admin_password)
    with stack.store() as store:
        store.grant_role(email, "admin")
    values = {
        "SUPABASE_URL": stack.gateway.url,
        "SUPABASE_PUBLISHABLE_KEY": keys.publishable_key,
        "SUPABASE_SECRET_KEY": keys.secret_key,
        "SUPABASE_JWT_SECRET": keys.jwt_secret,
        "DATABASE_URL": stack.postgres.url(),
        "AWS_ENDPOINT_URL": stack.aws.url,
        "DASHBOARD_URL": stack.page.url,
        "ADMIN_EMAIL": email,
        "ADMIN_PASSWORD": keys.admin_password,
        "PRIVATE_TARGETS": "loopback",
    }
    write_private(stack.state / "env", "".join(f"{name}={value}\n" for name, value in values.items()))


def apply_config(stack: Stack, file: Path | None) -> tuple[str, dict[str, str]]:
    """Publishes what this version can do and makes all as the file says; the plan in words, and new tokens.

    This is the one place where the stack uses the operator's command.
    """
    from infra.cli.config import SIGNS, apply_file  # noqa: PLC0415

    with stack.store() as store:
        store.publish_catalog(catalog("loopback"))
        if file is None:
            file = stack.state / "targets.yaml"
            file.write_text(DEMO_TARGETS.read_text().replace(DEMO_PORT, f":{stack.ports.anvil_port}"))
            applied = apply_file(store, file)
        else:
            applied = apply_file(store, file)
            forget_demo(store, file)
    counts = ", ".join(f"{n} {verb}" for verb in SIGNS if (n := applied.count(verb)))
    return counts, applied.tokens


def forget_demo(store: OperatorStore, file: Path) -> None:
    """What an earlier `make up` without a file watched is gone, unless the file says so too."""
    demo = {target["name"] for target in read(DEMO_TARGETS).data["targets"]}
    wanted = {target["name"] for target in read(file).data.get("targets", [])}
    for target in store.list_targets():
        if target["name"] in demo - wanted and target["labels"].get("env") == "demo":
            store.delete_target(target["id"])


def greet(stack: Stack) -> None:
    """Where everything is, and what to try first."""
    say(f"  dashboard  {stack.page.url}")
    say(f"  API        {stack.gateway.url}   (keys: {stack.state.name}/env)")
    say(f"  admin      {admin_email()}   password {stack.credentials.admin_password}")
    say("  ask        .venv/bin/watchkeeper status")
    if stack.anvil.process.alive:
        say(
            f"  try        kill {stack.anvil.process.pid}, which is the chain node; make anvil starts it again"
        )
    say(f"  logs       {stack.state.name}/logs")
    say("  Ctrl-C stops everything; the data is kept\n")


def _watch(stack: Stack) -> None:
    view = View(stack.store())
    greet(stack)
    supervisor = Supervisor(stack, view.event)
    while True:
        supervisor.look()
        view.refresh()
        time.sleep(POLL_S)


def _stop(stack: Stack, pool: ThreadPoolExecutor) -> None:
    """Twice, since the thread of the emulator may start something after the first time."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    with suppress(OSError):  # a closed terminal must not keep us from stopping
        say("\nstopping")
    stop_running()
    stack.stop()
    pool.shutdown(wait=True, cancel_futures=True)
    stack.stop()
    with suppress(OSError):
        say("stopped; the data is kept")


if __name__ == "__main__":
    sys.exit(main())
