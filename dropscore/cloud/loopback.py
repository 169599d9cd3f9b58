"""Bearer tokens over plain http, for the Container Instances emulator on this machine and nothing else.

Resource Manager's client knows no keys, only tokens, and refuses to send them over http. To an emulator on
loopback there is nothing to protect: it gets a constant token, and the client's check is switched off for it.
"""

import time
from typing import Any

from azure.core.credentials import AccessToken, AccessTokenInfo
from azure.core.pipeline import PipelineRequest
from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy

from dropscore.cloud.endpoints import is_plain_loopback

_TOKEN = "loopback"  # noqa: S105 - says nothing, opens nothing
_LIFETIME_S = 86_400


class LoopbackCredential:
    """A constant token, worth nothing outside this machine."""

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        return AccessToken(_TOKEN, int(time.time()) + _LIFETIME_S)

    def get_token_info(self, *_scopes: str, options: Any = None) -> AccessTokenInfo:  # noqa: ARG002 - Azure's signature
        return AccessTokenInfo(_TOKEN, int(time.time()) + _LIFETIME_S)


class LoopbackTokenPolicy(ARMChallengeAuthenticationPolicy):
    """Sends the token although the address is plain http. Raises ValueError for one that leaves this machine."""

    def on_request(self, request: PipelineRequest[Any]) -> None:
        if not is_plain_loopback(request.http_request.url):
            raise ValueError(f"{request.http_request.url} is not plain http to this machine")
        request.context.options["enforce_https"] = False
        super().on_request(request)
