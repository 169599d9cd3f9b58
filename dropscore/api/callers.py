"""Who calls: their name, what they may do, and whose runs they may see."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request

from dropscore.api.operations import Access, Operation
from dropscore.cloud.api_settings import EntraSettings
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.request import TENANT

ROLES = {access.name.lower(): access for access in Access if access is not Access.OPEN}
"""App roles of a token, each with all that those before it may."""
HANDED_ON_BY_APP_SERVICE = "x-ms-token-aad-id-token"
"""Where App Service hands on the token of somebody who has logged in on the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody who calls. `tenant` is the only one whose runs they see; None: all runs."""

    name: str
    access: Access
    tenant: str | None = None


class Callers(Protocol):
    """Knows callers by what they send."""

    def caller(self, headers: Mapping[str, str]) -> Caller:
        """Who sends these headers (names in lower case). Raises `FailedError` (E-AUTH-REQUIRED, E-AUTH-INVALID). May
        ask another service; call it on a thread.
        """

    @property
    def tenants(self) -> bool:
        """Whether callers belong to tenants."""

    @property
    def scheme(self) -> str:
        """How callers show who they are: `key` or `entra` (see `openapi.SCHEMES`)."""


class HostKeys:
    """Whoever the Functions host lets through by its key may do everything: the host does not say which key it was."""

    tenants = False
    scheme = "key"

    def caller(self, headers: Mapping[str, str]) -> Caller:  # noqa: ARG002 - the host has looked at them
        """Everybody is the holder of a key."""
        return Caller(name="key", access=Access.OPERATOR)


class TokenHolders:
    """Callers that show a token of Entra ID: its roles say what they may do, a claim says whose runs they may see."""

    scheme = "entra"

    def __init__(self, claims: Callable[[str], Mapping[str, Any]], *, tenant_claim: str | None) -> None:
        """`claims` reads a token (see `dropscore.cloud.entra`)."""
        self._claims = claims
        self._tenant_claim = tenant_claim

    @property
    def tenants(self) -> bool:
        """Whether callers belong to tenants."""
        return self._tenant_claim is not None

    def caller(self, headers: Mapping[str, str]) -> Caller:
        """Who holds the token."""
        claims = self._claims(_token(headers))
        roles = claims.get("roles")
        granted = [ROLES[role] for role in roles if role in ROLES] if isinstance(roles, list) else []
        name = claims.get("preferred_username") or claims.get("appid") or claims.get("azp") or claims.get("sub") or ""
        return Caller(name=str(name), access=max(granted, default=Access.OPEN), tenant=self._tenant(claims))

    def _tenant(self, claims: Mapping[str, Any]) -> str | None:
        if self._tenant_claim is None:
            return None
        tenant = claims.get(self._tenant_claim)
        if not isinstance(tenant, str) or re.fullmatch(TENANT, tenant.lower()) is None:
            message = f"The token's claim {self._tenant_claim!r} names no tenant: 1 to 64 letters, digits and hyphens."
            raise FailedError.of(Code.AUTH_FORBIDDEN, message)
        return tenant.lower()


def callers_for(settings: EntraSettings | None) -> Callers:
    """Callers that show tokens; without settings, whoever has a key of the Functions host."""
    if settings is None:
        return HostKeys()
    from dropscore.cloud.entra import EntraTokens

    return TokenHolders(EntraTokens(settings).claims, tenant_claim=settings.tenant_claim)


NOBODY = Caller(name="", access=Access.OPEN)


def caller_of(request: Request) -> Caller:
    """Who makes this request; `NOBODY` where that is not asked."""
    caller: Caller = getattr(request.state, "caller", NOBODY)
    return caller


def require(caller: Caller, operation: Operation) -> None:
    """Raise `FailedError` (E-AUTH-FORBIDDEN) unless a caller may ask for an operation."""
    if caller.access < operation.access:
        needed, has = operation.access.name.lower(), caller.access.name.lower()
        has = "no role" if caller.access is Access.OPEN else repr(has)
        raise FailedError.of(Code.AUTH_FORBIDDEN, f"This asks for the role {needed!r}; the caller has {has}.")
    if operation.of_all_tenants and caller.tenant is not None:
        raise FailedError.of(Code.AUTH_FORBIDDEN, "This concerns all tenants, and the caller belongs to one.")


def allows(caller: Caller, operation: Operation) -> bool:
    """Whether a caller may ask for an operation."""
    try:
        require(caller, operation)
    except FailedError:
        return False
    return True


def _token(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    if handed_on := headers.get(HANDED_ON_BY_APP_SERVICE, "").strip():
        return handed_on
    raise FailedError.of(Code.AUTH_REQUIRED, "The request has no token.", field="Authorization")
