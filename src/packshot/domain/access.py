"""Who is calling, and what they may do."""

from typing import Literal

import msgspec

from packshot.domain.errors import AccountStopped, Forbidden, Unauthenticated

Role = Literal["administrator", "editor", "viewer", "none"]
"""What a user may do: everything, change products and images, look at them, or nothing with the catalog."""

AccountState = Literal["normal", "blocked", "no_plan", "closed"]
"""Whether an account may be called: yes; not for now; not without a plan; never again."""

Mode = Literal["live", "test"]
"""Of a pair of keys: whether it is used in earnest. Test keys do the same, and logs tell them apart."""

Right = Literal[
    "catalog:read", "section:read", "property:read", "product:read", "product:write", "image:read", "image:write"
]
"""What a method asks of the user behind its caller: to look at catalogs, sections or properties, or to look at or
change products or their images."""


class Principal(msgspec.Struct, frozen=True):
    """The caller of one request, as the credential says.

    `credential_id` names the credential in download links, which die with it. `scopes` are those the
    credential was given; rights come from `role`. An access token has its `application_id` and ends at
    `expires_at`, in Unix microseconds; for an inbound webhook both are None. A pair of keys speaks for its account
    and nobody in it, and no link dies with it: `user_id` and `credential_id` are 0. It has a `pair_id` and a `mode`,
    and acts for other accounts as well if it is `privileged`. What nobody asked for is done by the `server` itself.
    """

    account_id: int
    user_id: int
    role: Role
    scopes: frozenset[str]
    credential_id: int
    application_id: int | None = None
    expires_at: int | None = None
    privileged: bool = False
    mode: Mode = "live"
    pair_id: int = 0
    server: bool = False


def server_for(account_id: int) -> Principal:
    """The server itself, as it sees to an account."""
    return Principal(account_id, 0, "administrator", frozenset(), 0, server=True)


class Credential(msgspec.Struct, frozen=True):
    """A credential that is good in itself: whom it speaks for, and what stands against that.

    `disabled`: the user was shut out. `excluded`: they are not among the users of the application.
    """

    principal: Principal
    state: AccountState
    disabled: bool
    excluded: bool = False


def admit(credential: Credential) -> Principal:
    """Whom the credential speaks for, if nothing stands against it. Raises: AccountStopped, Unauthenticated."""
    if credential.state != "normal":
        raise AccountStopped(credential.state)
    if credential.disabled:
        raise Unauthenticated("disabled")
    if credential.excluded:
        raise Unauthenticated("excluded")
    return credential.principal


def require_right(caller: Principal, right: Right) -> None:
    """Refuse a user whose role does not give *right*. Raises: Forbidden."""
    if caller.role not in {"administrator", "editor"} and (caller.role == "none" or right.endswith(":write")):
        raise Forbidden(right)
