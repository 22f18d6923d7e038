"""What an operator says about a stage: in the environment, or in deploy/STAGE.env, which git ignores."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import quote, urlsplit

from infra.cli.env import parse
from infra.deploy import parameters
from infra.local.paths import ROOT
from infra.local.steps import LocalError

FOLDER = ROOT / "deploy"
STAGE = re.compile(r"[a-z][a-z0-9-]{0,19}")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
BOOLEANS = ("true", "false")
WAYS_IN = ("password", "magic_link", "github", "google")
# Beside the template's parameters.
NAMES = (
    "SUPABASE_URL", "SUPABASE_PROJECT_REF", "SUPABASE_DB_URL", "SUPABASE_DB_PASSWORD", "SUPABASE_SECRET_KEY",
    "SUPABASE_PUBLISHABLE_KEY", "SUPABASE_SIGNING_KEY", "SUPABASE_JWT_SECRET", "ADMIN_EMAIL", "PAGE_SIGN_IN",
    "PAGE_MFA", "PAGE_REALTIME", "AWS_REGION", "AWS_PROFILE", "AWS_ACCOUNT_ID",
)  # fmt: skip


@dataclass(frozen=True)
class Deployment:
    """One stage, as it is to be."""

    stage: str
    supabase_url: str
    database_url: str = field(repr=False)
    secret_key: str = field(repr=False)
    publishable_key: str
    admin_email: str
    sign_in: tuple[str, ...]
    mfa: bool
    realtime: bool
    region: str | None
    profile: str | None
    account_id: str | None
    parameters: Mapping[str, str]

    @property
    def stack(self) -> str:
        """The name of its CloudFormation stack."""
        return f"watchkeeper-{self.stage}"

    @property
    def secret_key_parameter(self) -> str:
        """Where its functions read the secret key."""
        return self.parameters.get("SupabaseSecretKeyParameter") or key_parameter(self.stage)

    @property
    def hosts_page(self) -> bool:
        """Whether it has a page on CloudFront."""
        return self.parameters.get("HostPage", "true") == "true"


def key_parameter(stage: str) -> str:
    """The SSM parameter of a stage's secret key, unless the operator names another."""
    return f"/watchkeeper/{stage}/supabase-secret-key"


def values_of(stage: str, env: Mapping[str, str], folder: Path = FOLDER) -> tuple[dict[str, str], list[str]]:
    """The settings, and what is wrong with their names. The environment goes before the file."""
    if not STAGE.fullmatch(stage):
        raise LocalError(f"STAGE={stage}: a name of up to 20 small letters, digits and dashes, such as prod")
    known = {*NAMES, *map(parameters.setting, parameters.declared())}
    file = folder / f"{stage}.env"
    written = parse(file.read_text()) if file.is_file() else {}
    unknown = [_unknown(name, known, file) for name in written if name not in known]
    taken = {
        name: value for name in known if (value := env.get(name, "").strip() or written.get(name, "").strip())
    }
    return taken, unknown


def _unknown(name: str, known: set[str], file: Path) -> str:
    near = get_close_matches(name, sorted(known), 1)
    return f"{name}: deploy/{file.name} has it, but there is no such setting" + (
        f"; is it {near[0]}?" if near else ""
    )


def read(stage: str, values: Mapping[str, str]) -> tuple[Deployment, list[str]]:
    """The deployment, and everything that is missing or wrong, each with what to do."""
    ref = values.get("SUPABASE_PROJECT_REF", "")
    url = (values.get("SUPABASE_URL") or (f"https://{ref}.supabase.co" if ref else "")).rstrip("/")
    sign_in = tuple(way.strip() for way in values.get("PAGE_SIGN_IN", "password,magic_link").split(","))
    deployment = Deployment(
        stage=stage,
        supabase_url=url,
        database_url=values.get("SUPABASE_DB_URL") or _direct_url(ref or _ref_of(url), values),
        secret_key=values.get("SUPABASE_SECRET_KEY", ""),
        publishable_key=values.get("SUPABASE_PUBLISHABLE_KEY", ""),
        admin_email=values.get("ADMIN_EMAIL", ""),
        sign_in=sign_in,
        mfa=values.get("PAGE_MFA") == "true",
        realtime=values.get("PAGE_REALTIME") == "true",
        region=values.get("AWS_REGION"),
        profile=values.get("AWS_PROFILE"),
        account_id=values.get("AWS_ACCOUNT_ID"),
        parameters=parameters.chosen(values),
    )
    return deployment, [*_missing(deployment), *_unclear(values), *parameters.problems(values)]


def _unclear(values: Mapping[str, str]) -> list[str]:
    names = ("PAGE_MFA", "PAGE_REALTIME")
    return [f"{name}: must be true or false" for name in names if values.get(name, "false") not in BOOLEANS]


def _direct_url(ref: str, values: Mapping[str, str]) -> str:
    password = values.get("SUPABASE_DB_PASSWORD", "")
    if not (ref and password):
        return ""
    return f"postgresql://postgres:{quote(password, safe='')}@db.{ref}.supabase.co:5432/postgres"


def _ref_of(url: str) -> str:
    found = re.fullmatch(r"https://([a-z0-9]+)\.supabase\.co", url)
    return found[1] if found else ""


def _missing(given: Deployment) -> list[str]:
    api = urlsplit(given.supabase_url)
    checks = [
        (
            not given.supabase_url,
            "SUPABASE_URL: is not set; the project's URL (Project Settings > Data API), or SUPABASE_PROJECT_REF",
        ),
        (
            bool(given.supabase_url) and (api.scheme not in ("http", "https") or bool(api.path)),
            "SUPABASE_URL: must be http(s)://host, without a path",
        ),
        (
            not given.database_url,
            "SUPABASE_DB_URL: is not set; Connect > Session pooler shows it, or SUPABASE_DB_PASSWORD (IPv6 only)",
        ),
        (
            bool(given.database_url) and not given.database_url.startswith(("postgres://", "postgresql://")),
            "SUPABASE_DB_URL: must start with postgresql://",
        ),
        (
            ":6543/" in given.database_url,
            "SUPABASE_DB_URL: is the transaction pooler's; migrations want port 5432",
        ),
        *_key_checks(given),
        (
            not EMAIL.fullmatch(given.admin_email),
            "ADMIN_EMAIL: is not set, or no address; whoever it belongs to becomes the first admin",
        ),
        (
            not set(given.sign_in) <= set(WAYS_IN),
            f"PAGE_SIGN_IN: must be a list of {', '.join(WAYS_IN)}, with commas between",
        ),
    ]
    return [what for wrong, what in checks if wrong]


def _key_checks(given: Deployment) -> list[tuple[bool, str]]:
    where = "Project Settings > API Keys"
    return [
        (not given.secret_key, f"SUPABASE_SECRET_KEY: is not set; sb_secret_..., {where}"),
        (
            bool(given.secret_key) and not is_key(given.secret_key, "secret"),
            f"SUPABASE_SECRET_KEY: is no secret key; it starts with sb_secret_, {where}",
        ),
        (not given.publishable_key, f"SUPABASE_PUBLISHABLE_KEY: is not set; sb_publishable_..., {where}"),
        (
            bool(given.publishable_key) and not is_key(given.publishable_key, "publishable"),
            f"SUPABASE_PUBLISHABLE_KEY: is none; it starts with sb_publishable_, {where}; every visitor sees it",
        ),
    ]


def is_key(key: str, kind: str) -> bool:
    """Whether it is one of that kind, or the older JWT that does the same."""
    if key.startswith(f"sb_{kind}_"):
        return True
    try:
        middle = key.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except (IndexError, ValueError):
        return False
    role = {"secret": "service_role", "publishable": "anon"}[kind]
    return isinstance(claims, dict) and claims.get("role") == role
