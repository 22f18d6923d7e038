"""`make bench`: faults are injected, and it is measured when the channel is told, on the laptop stack. Asserts nothing.

Services go down and come back at random; a webhook notes when it hears of it. A minute, and the deployment
before. The emulator looks into its queues once a second, so latencies are upper bounds of a real deployment's.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import quantiles
from typing import Any

from infra.cli.api import OperatorStore
from infra.local.ports import HOST
from infra.local.stack import Stack
from infra.local.steps import say
from tests.bench.pipeline import deployed
from tests.support.scratch import scratch
from watchkeeper.catalog import catalog

SERVICES = 12
INTERVAL_S = 5
FAULTS_S = 30  # for so long, faults begin
LAST_S = 15  # and for so long at most, the last of them are waited for
FAULTS_EACH = 3  # more changes in ten minutes are flapping, which is told in another way
METRICS = 3  # alerts by RPC, which wait for the next nudge of others or the next sweep
PARAMETER = "/watchkeeper/channels/bench"


@dataclass
class Service:
    """One that can be broken, and the moments of its faults."""

    name: str
    next_fault_at: float = 0.0
    down: bool = False
    broke_at: float = 0.0
    healed: bool = True
    faults: int = 0
    told_after_s: list[float] = field(default_factory=list)


class World:
    """Services at /<name>, answering 500 while down; and the receiver of messages at /told."""

    def __init__(self) -> None:
        self.services = {f"service-{n}": Service(f"service-{n}") for n in range(SERVICES)}
        self.looked_at: set[str] = set()
        self.heard: dict[tuple[str, str], float] = {}
        self.lock = threading.Lock()

    def note(self, message: dict[str, Any]) -> None:
        """A service is healed as soon as its fault is known, and breaks again when that is known too."""
        now = time.time()
        with self.lock:
            for alert in message["alerts"]:
                self.heard.setdefault((alert["source"], message["event"]), now)
                service = self.services.get(alert["source"])
                if service and message["event"] == "trigger" and service.down:
                    service.down = False
                    service.told_after_s.append(now - service.broke_at)
                elif service and message["event"] == "resolve":
                    service.healed = True
                    service.next_fault_at = now + random.uniform(0, INTERVAL_S)  # noqa: S311

    def break_what_is_due(self) -> None:
        now = time.time()
        with self.lock:
            for service in self.services.values():
                if service.healed and service.next_fault_at <= now and service.faults < FAULTS_EACH:
                    service.healed, service.down, service.broke_at = False, True, now
                    service.faults += 1

    def waiting(self) -> int:
        return sum(service.down for service in self.services.values())


@contextmanager
def served(world: World) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            world.looked_at.add(self.path[1:])
            self._answer(500 if world.services[self.path[1:]].down else 200)

        def do_POST(self) -> None:
            world.note(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self._answer(200)

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

    server = Server((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def main() -> None:
    with scratch() as folder, deployed(folder) as stack, stack.store() as store:
        store.publish_catalog(catalog("loopback"))
        world = World()
        with served(world) as url:
            configure(stack, store, url)
            stack.aws.schedule_checks()
            measured_at = inject(world, store)
        report(world, store, measured_at)


def configure(stack: Stack, store: OperatorStore, url: str) -> None:
    stack.aws.client("ssm").put_parameter(Name=PARAMETER, Value=f"{url}/told", Type="SecureString")
    checks = {
        "uptime": {"interval_s": INTERVAL_S, "timeout_s": 3, "params": {"failure_threshold": 1}},
    }
    store.apply_targets(
        [
            {"name": f"service-{n}", "endpoint": f"{url}/service-{n}", "checks": checks}
            for n in range(SERVICES)
        ]
    )
    channel = {"name": "bench", "kind": "webhook", "secrets": {"url": f"ssm:{PARAMETER}"}}
    route = {"name": "all", "channels": ["bench"], "group_wait_s": 0}
    store.apply_config({"channels": [channel], "routes": [route]})


def inject(world: World, store: OperatorStore) -> dict[str, float]:
    """Breaks services until the time is over; returns when each critical metric was recorded."""
    measured_at: dict[str, float] = {}
    warm_up(world)
    began = time.time()
    while time.time() < began + FAULTS_S:
        world.break_what_is_due()
        if len(measured_at) < METRICS and time.time() > began + 9 * (1 + len(measured_at)):
            name = f"metric-{len(measured_at)}"
            measured_at[name] = time.time()
            store.record_system_metric(name, 1, severity="critical")
        time.sleep(0.02)
    while (world.waiting() or unheard(world, measured_at)) and time.time() < began + FAULTS_S + LAST_S:
        time.sleep(0.05)
    return measured_at


def warm_up(world: World) -> None:
    """Faults begin when all services were looked at once: a first start of the functions is another figure."""
    deadline = time.time() + LAST_S
    while len(world.looked_at) < SERVICES and time.time() < deadline:
        time.sleep(0.05)
    for service in world.services.values():
        service.next_fault_at = time.time() + random.uniform(0, 2 * INTERVAL_S)  # noqa: S311


def unheard(world: World, measured_at: dict[str, float]) -> list[str]:
    return [name for name in measured_at if (name, "trigger") not in world.heard]


def report(world: World, store: OperatorStore, measured_at: dict[str, float]) -> None:
    faults = sum(service.faults for service in world.services.values())
    told = [seconds for service in world.services.values() for seconds in service.told_after_s]
    say(
        f"\n{faults} faults of services that are looked at every {INTERVAL_S} s, {faults - len(told)} not told of"
    )
    say(f"fault -> delivered       {percentiles(told)}")
    by_rpc = [
        world.heard[name, "trigger"] - at
        for name, at in measured_at.items()
        if name not in unheard(world, measured_at)
    ]
    say(
        f"by RPC -> delivered      {percentiles(by_rpc)}   {len(by_rpc)} of {len(measured_at)}, "
        "by the next nudge or sweep"
    )
    for line in store.get_alert_latency(3600):
        seconds = line["detected_to_delivered_s"] or {}
        shown = "  ".join(f"{name} {value:6.2f} s" for name, value in seconds.items())
        told_of = f"{line['kind']}: {line['delivered']} of {line['alerts']}, by get_alert_latency"
        say(f"detection -> delivered   {shown}   {told_of}")


def percentiles(seconds: Sequence[float]) -> str:
    if len(seconds) < 2:
        return "not measured"
    cuts = quantiles(seconds, n=100, method="inclusive")
    return "  ".join(f"p{n} {cuts[n - 1]:6.2f} s" for n in (50, 95, 99)) + f"  max {max(seconds):.2f} s"


if __name__ == "__main__":
    main()
