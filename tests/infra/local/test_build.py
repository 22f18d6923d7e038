import os
import shutil
import subprocess
import sys
from pathlib import Path

import fpdf

from infra.local.build import UNUSED, slim
from infra.local.paths import FUNCTIONS, ROOT

LIBRARIES = Path(fpdf.__file__).parents[1]


def test_what_is_left_out_of_the_zip_is_not_missed(tmp_path: Path) -> None:
    """A report is made as PDF by what is left of its library."""
    package = tmp_path / "Function"
    for name in ("fpdf", "fontTools", "PIL"):
        shutil.copytree(LIBRARIES / name, package / name)
    before = sum(file.stat().st_size for file in package.rglob("*") if file.is_file())
    slim(tmp_path)
    after = sum(file.stat().st_size for file in package.rglob("*") if file.is_file())
    assert after < before / 2
    assert not [path for pattern in UNUSED for path in package.glob(pattern)]

    script = (
        "import sys; sys.modules['PIL'] = None; from tests.watchkeeper.reports import samples;"
        "from watchkeeper.reports import render; assert render('sla', samples.sla(), 'pdf');"
        "import fontTools.ttLib; print(fontTools.__file__)"
    )
    path = os.pathsep.join(str(folder) for folder in (package, FUNCTIONS, ROOT))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={**os.environ, "PYTHONPATH": path},
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(done.stdout.strip()).is_relative_to(package)
