"""A directory of our own that signs tokens as Entra ID does."""

import json
import time
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from dropscore.cloud.api_settings import EntraSettings

SETTINGS = EntraSettings(
    audience="api://dropscore",
    issuer="https://login.example/t/v2.0",
    keys_url="https://login.example/keys",
    tenant_claim="org",
)


@cache
def key(name: str = "one") -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_set(*names: str) -> bytes:
    keys = [json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key(name).public_key())) | {"kid": name} for name in names]
    return json.dumps({"keys": [*keys, {"kty": "EC", "kid": "other"}]}).encode()


def token(*, signed_with: str = "one", kid: str | None = None, algorithm: str = "RS256", **claims: Any) -> str:
    now = int(time.time())
    good = {"iss": SETTINGS.issuer, "aud": SETTINGS.audience, "iat": now, "exp": now + 600, "sub": "somebody"}
    told = {name: value for name, value in (good | claims).items() if value is not None}
    secret: Any = key(signed_with) if algorithm == "RS256" else "x" * 64
    return jwt.encode(told, secret, algorithm=algorithm, headers={"kid": kid or signed_with})
