"""Who is calling, and what they may do."""

from typing import Literal

import msgspec

from packshot.domain.errors import Forbidden

Role = Literal["administrator", "editor", "viewer"]
"""What a user may do with the catalog: everything, change products and images, or look."""


class Principal(msgspec.Struct, frozen=True):
    """The caller of one request, as the credential says.

    `credential_id` names the credential in download links, which die with it. `scopes` are those the
    credential was given; rights come from `role`.
    """

    account_id: int
    user_id: int
    role: Role
    scopes: frozenset[str]
    credential_id: int


def require_scope(caller: Principal, scope: str) -> None:
    """Refuse a credential that was not given *scope*; the empty scope is everybody's. Raises: Forbidden."""
    if scope and scope not in caller.scopes:
        raise Forbidden(scope)


def require_write(caller: Principal) -> None:
    """Refuse a user who may only look at the catalog. Raises: Forbidden."""
    if caller.role == "viewer":
        raise Forbidden("catalog:write")
