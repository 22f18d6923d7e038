"""A token is signed by the key that the settings name, and a setting that cannot sign is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from infra.cli.signing import Signer
from watchkeeper.errors import SettingsError

CLAIMS = {"role": "watchkeeper_ingest", "jti": "x"}
Jwk = dict[str, Any]


@pytest.fixture(scope="module", params=["ES256", "RS256"])
def key(request: pytest.FixtureRequest, supabase_cli: Callable[..., str]) -> Jwk:
    """Of both kinds that a project may have, the usual one as the official CLI makes it."""
    made: Jwk
    if request.param == "ES256":
        # Behind the key it says what to do with it.
        printed = supabase_cli("gen", "signing-key", "--algorithm", "ES256")
        made = json.JSONDecoder().raw_decode(printed)[0]
    else:
        made = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048), as_dict=True)
        made |= {"kid": "1", "alg": "RS256"}
    return made


@pytest.mark.parametrize("listed", [False, True])
def test_a_private_key_signs_with_its_id_and_goes_before_the_secret(
    key: Jwk, tmp_path: Path, *, listed: bool
) -> None:
    (tmp_path / "key.json").write_text(json.dumps([key] if listed else key))
    values = {"SUPABASE_SIGNING_KEY": str(tmp_path / "key.json"), "SUPABASE_JWT_SECRET": "s" * 32}
    token = Signer(values).sign(CLAIMS)
    assert jwt.get_unverified_header(token) == {"typ": "JWT", "alg": key["alg"], "kid": key["kid"]}
    public = {name: value for name, value in key.items() if name in ("kty", "crv", "x", "y", "n", "e")}
    assert jwt.decode(token, jwt.PyJWK(public, key["alg"]), [key["alg"]]) == CLAIMS


def test_the_secret_signs_where_there_is_no_key() -> None:
    token = Signer({"SUPABASE_JWT_SECRET": "s" * 32, "SUPABASE_SIGNING_KEY": " "}).sign(CLAIMS)
    assert jwt.decode(token, "s" * 32, ["HS256"]) == CLAIMS


def test_no_key_at_all_names_both_settings() -> None:
    with pytest.raises(SettingsError, match=r"SUPABASE_SIGNING_KEY: is not set, and neither is"):
        Signer({})


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read as a JWK"),
        ("-----BEGIN PRIVATE KEY-----", "cannot be read as a JWK"),
        ("[]", "holds no private JWK"),
        ('"x"', "holds no private JWK"),
        ('{"kty": "EC", "crv": "P-256", "kid": "1", "x": "AA", "y": "AA"}', "holds no private JWK"),
        ('{"kty": "EC", "crv": "P-256", "d": "AA", "x": "AA", "y": "AA"}', "holds no private JWK"),
        ('{"kty": "EC", "crv": "P-256", "kid": "1", "d": "AA", "x": "AA", "y": "AA"}', "a key that is none"),
        ('{"kty": "none", "kid": "1", "d": "AA"}', "a key that is none"),
    ],
)
def test_a_file_that_cannot_sign_says_why(tmp_path: Path, content: str | None, problem: str) -> None:
    file = tmp_path / "key.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match=rf"^SUPABASE_SIGNING_KEY: .*key.json.*{problem}"):
        Signer({"SUPABASE_SIGNING_KEY": str(file)})
