"""All kinds in all formats, with data of every size."""

import os
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.watchkeeper.reports import hostile, samples
from watchkeeper.reports import FORMATS, KINDS, render

FUNCTIONS = Path(__file__).parents[3] / "functions"
BEGINNINGS = {"csv": b"\xef\xbb\xbfsection,", "html": b"<!doctype html>", "json": b"{", "pdf": b"%PDF-1."}
MONTH = {key: samples.sla()[key] for key in ("from", "to")}
MANY = [samples.target(f"target-{n}", n) for n in range(500)]

EXTREMES: dict[str, tuple[str, dict[str, Any]]] = {
    "a month": ("sla", samples.sla()),
    "nothing": ("sla", MONTH),
    "nulls": ("sla", {**dict.fromkeys(samples.sla()), **MONTH}),
    "no targets": ("sla", samples.sla(targets=[], days=[])),
    "500 targets": ("sla", samples.sla(targets=MANY, days=samples.days(MANY, date(2026, 10, 1), 31))),
    "3,700 days": ("sla", samples.sla(days=samples.days(MANY[:6], date(2016, 10, 1), 3700))),
    "hostile names": ("sla", hostile.sla()),
    "an audit": ("compliance", samples.compliance()),
    "an audit of nothing": ("compliance", MONTH),
    "an audit of hostile names": ("compliance", hostile.compliance()),
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", EXTREMES)
def test_every_report_is_made_twice_the_same_small_and_soon(name: str, form: str) -> None:
    kind, data = EXTREMES[name]
    started = time.process_time()
    content = render(kind, data, form)
    assert time.process_time() - started < 10
    assert content.startswith(BEGINNINGS[form])
    assert len(content) < 2_000_000
    assert render(kind, data, form) == content


def test_every_kind_is_tried_above() -> None:
    assert {kind for kind, _ in EXTREMES.values()} == set(KINDS)
    assert set(FORMATS) == set(BEGINNINGS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["csv", "html", "pdf"])
def test_data_without_a_period_are_refused(kind: str, form: str) -> None:
    with pytest.raises(ValueError, match="from"):
        render(kind, {}, form)


def test_no_handler_pays_for_the_pdf_library_when_it_starts() -> None:
    handlers = [file.stem for file in (FUNCTIONS / "handlers").glob("*.py") if file.stem != "__init__"]
    assert "run_checks" in handlers
    imports = "; ".join(f"import handlers.{name}" for name in sorted(handlers))
    script = f"import sys; {imports}; assert not {{'fpdf', 'fontTools'}} & set(sys.modules), 'it does'"
    environment = {**os.environ, "PYTHONPATH": str(FUNCTIONS), "AWS_DEFAULT_REGION": "us-east-1"}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
