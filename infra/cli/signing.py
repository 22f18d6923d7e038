"""Signing a token as the project's API will take it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt

from watchkeeper.errors import SettingsError

SECRET, KEY_FILE = "SUPABASE_JWT_SECRET", "SUPABASE_SIGNING_KEY"
ALGORITHMS = ("ES256", "RS256")

Json = dict[str, Any]


class Signer:
    """Signs with what the settings name: a private key of the project, or its shared secret."""

    def __init__(self, values: Mapping[str, str]) -> None:
        """Refuses settings that cannot sign, so that nothing is registered for a token that cannot be made."""
        file, secret = values.get(KEY_FILE, "").strip(), values.get(SECRET, "").strip()
        self._headers: Json = {}
        self._key: Any = secret
        self._algorithm = "HS256"
        if file:
            jwk = _private_jwk(Path(file))
            self._key, self._algorithm, self._headers = jwk.key, jwk.algorithm_name, {"kid": jwk.key_id}
        elif not secret:
            raise SettingsError(
                KEY_FILE,
                f"is not set, and neither is {SECRET}. The file of the project's private signing key "
                "(`supabase gen signing-key` makes one), or where the project still has one, its JWT secret.",
            )

    def sign(self, claims: Json) -> str:
        """The token."""
        return jwt.encode(claims, self._key, self._algorithm, self._headers)


def _private_jwk(file: Path) -> jwt.PyJWK:
    """The key of a JWK file; of a list, as the Supabase CLI keeps them, the first."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(KEY_FILE, f"{file} cannot be read as a JWK: {error}") from None
    found = found[0] if isinstance(found, list) and found else found
    if not isinstance(found, dict) or not found.get("d") or not found.get("kid"):
        raise SettingsError(KEY_FILE, f"{file} holds no private JWK with its `kid` and `d`")
    try:
        key = jwt.PyJWK(found)
    except jwt.PyJWTError as error:
        raise SettingsError(KEY_FILE, f"{file} holds a key that is none: {error}") from None
    if key.algorithm_name not in ALGORITHMS:
        raise SettingsError(
            KEY_FILE, f"{file}: a key for {key.algorithm_name}, not {' or '.join(ALGORITHMS)}"
        )
    return key
