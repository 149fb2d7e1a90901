"""Who is calling, and what they may do."""

from typing import Literal

import msgspec

from packshot.domain.errors import Forbidden

Role = Literal["administrator", "editor", "viewer", "none"]
"""What a user may do: everything, change products and images, look at them, or nothing with the catalog."""

Right = Literal["catalog:read", "product:read", "product:write", "image:read", "image:write"]
"""What a method asks of the user behind its caller: to look at catalogs with their sections and properties, or
to look at or change products or their images."""


class Principal(msgspec.Struct, frozen=True):
    """The caller of one request, as the credential says.

    `credential_id` names the credential in download links, which die with it. `scopes` are those the
    credential was given; rights come from `role`. An access token has its `application_id` and ends at
    `expires_at`, in Unix microseconds; for an inbound webhook both are None.
    """

    account_id: int
    user_id: int
    role: Role
    scopes: frozenset[str]
    credential_id: int
    application_id: int | None = None
    expires_at: int | None = None


def require_scope(caller: Principal, scope: str) -> None:
    """Refuse a credential that was not given *scope*; the empty scope is everybody's. Raises: Forbidden."""
    if scope and scope not in caller.scopes:
        raise Forbidden(scope)


def require_right(caller: Principal, right: Right) -> None:
    """Refuse a user whose role does not give *right*. Raises: Forbidden."""
    if caller.role not in {"administrator", "editor"} and (caller.role == "none" or right.endswith(":write")):
        raise Forbidden(right)
