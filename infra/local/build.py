"""Builds the one zip of all functions: the locked libraries, trimmed to what runs, and compiled.

`make package` builds it for AWS into dist/, `make up` for this machine; but for the platform of its libraries, both
are the same.
"""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from infra.local.commands import run
from infra.local.paths import FUNCTIONS, PYTHON, ROOT, SAM_ENV, STATE, TEMPLATE, UV_ENV
from infra.local.stamps import fingerprint
from infra.local.steps import LocalError, complain, say

SAM = SAM_ENV / "bin" / "sam"
BUILDS = STATE / "builds"
ZIP = "functions.zip"
PACKAGE = ROOT / "dist" / ZIP
KEPT_BUILDS = 3
# Amazon Linux 2023 has glibc 2.34.
PLATFORMS = {"arm64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}
OURS = ("handlers", "watchkeeper")
# What the libraries bring and no function runs. A test makes each of them work without it.
UNUSED = (
    # Of supabase the functions use postgrest only: no realtime, no storage, no sign-in.
    "supabase", "supabase_auth", "supabase_functions", "realtime", "storage3", "websockets", "jwt",
    # HTTP/2: one request at a time has no use for it.
    "h2", "hpack", "hyperframe",
    # Of PDFs: photographs, and what signs and encrypts them.
    "PIL", "pillow.libs", "cryptography", "cffi", "_cffi_backend*", "pycparser",
    # The PDF library subsets fonts. fontTools' compiled parts are there in Python, too.
    "fontTools/**/*.so", "fontTools/ufoLib", "fontTools/cu2qu", "fontTools/qu2cu", "fontTools/merge",
    "fontTools/mtiLib", "fontTools/voltLib", "fontTools/t1Lib", "fontTools/help",
    # The Logger and the metrics of Powertools, nothing else.
    "aws_lambda_powertools/event_handler",
    *(f"aws_lambda_powertools/utilities/{name}" for name in (
        "auth_alpha", "batch", "circuit_breaker", "data_classes", "data_masking", "feature_flags", "idempotency",
        "kafka", "metadata", "parameters", "parser", "streaming", "validation",
    )),
    # Models of the version before.
    "pydantic/v1",
    # The runtime has them, with boto3.
    "jmespath", "urllib3",
    # What Sentry's library would listen to by itself: all but dedupe, which it does not start without.
    "sentry_sdk/integrations/[a-ce-z]*", "sentry_sdk/integrations/d[a-df-z]*",
    # Commands, and what pip, compilers and type checkers read.
    "bin", "share", "*.dist-info", "**/*.c", "**/*.h", "**/*.pyx", "**/*.pxd", "**/*.pyi", "**/py.typed",
    "*/tests",
)  # fmt: skip
SAM_SETTINGS = {"SAM_CLI_TELEMETRY": "0", "SAM_CLI_POLL_DELAY": "0.3", "AWS_DEFAULT_REGION": "us-east-1"}


def main(arch: str) -> int:
    """`make package`."""
    try:
        if arch not in PLATFORMS:
            raise LocalError(f"ARCH={arch}: must be {' or '.join(PLATFORMS)}")
        PACKAGE.parent.mkdir(exist_ok=True)
        shutil.copyfile(build(arch) / ZIP, PACKAGE)
    except LocalError as error:
        complain(f"make package: {error}")
        return 1
    say(f"{PACKAGE.relative_to(ROOT)}  {PACKAGE.stat().st_size / 1e6:.1f} MB for {runtime()} on {arch}")
    return 0


def runtime() -> str:
    """The Lambda runtime that this environment's interpreter stands for: modules are compiled for its minor."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def build(arch: str = "") -> Path:
    """The folder of zip and template, of an architecture of Lambda or for this machine.

    Builds only what was not built from the same sources before.
    """
    folder = BUILDS / fingerprint([arch, sys.version, TEMPLATE, Path(__file__), *_sources()])[:16]
    if not folder.is_dir():
        draft = BUILDS / f"draft-{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        package(draft / ZIP, PLATFORMS.get(arch))
        template = TEMPLATE.read_text().replace(f"CodeUri: dist/{ZIP}", f"CodeUri: {ZIP}")
        (draft / TEMPLATE.name).write_text(template)
        try:
            draft.rename(folder)
        except OSError:  # another process has just built the same
            shutil.rmtree(draft)
        _remove_old()
    folder.touch()
    return folder


def package(file: Path, platform: str | None = None) -> None:
    """Writes the zip. The same sources make the same bytes, so that nothing is deployed that did not change."""
    folder = file.with_suffix(".draft")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        gather(folder, platform)
        _compile(folder)
        _zip(folder, file)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def gather(folder: Path, platform: str | None = None) -> None:
    """The modules that the zip will hold; without a platform, what runs on this machine."""
    _install(folder, platform)
    for name in OURS:
        shutil.copytree(FUNCTIONS / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [path for pattern in UNUSED for path in folder.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _sources() -> Iterator[str | Path]:
    for file in sorted(FUNCTIONS.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield str(file.relative_to(FUNCTIONS))
            yield file


def _install(folder: Path, platform: str | None) -> None:
    """What the lock says, each file known by its hash. Wheels only: nothing is built, so nothing is run."""
    command: list[str | Path] = [
        _uv(), "pip", "install", "--quiet", "--python", PYTHON, "--target", folder, "--no-deps",
        "--require-hashes", "--only-binary", ":all:", "-r", FUNCTIONS / "requirements.txt",
    ]  # fmt: skip
    run("uv pip install", [*command, *(["--python-platform", platform] if platform else [])])


def _uv() -> str:
    """Ours, or where that could not be installed the machine's."""
    return shutil.which("uv", path=UV_ENV / "bin") or "uv"


def _compile(folder: Path) -> None:
    """A zip without compiled modules pays for compiling at each cold start: 1.0 s instead of 0.4 s."""
    command: list[str | Path] = [PYTHON, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    run("compileall", [*command, "-s", folder, "-p", "/var/task", folder])


def _zip(folder: Path, file: Path) -> None:
    draft = file.with_suffix(".new")
    with zipfile.ZipFile(draft, "w") as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(str(path.relative_to(folder)))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=9)
    draft.replace(file)


def _remove_old() -> None:
    builds = sorted(
        (path for path in BUILDS.iterdir() if path.is_dir()),
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    for folder in builds[KEPT_BUILDS:]:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
