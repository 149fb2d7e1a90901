"""What a client asks about itself and about us: methods, scopes, features, the time, the user behind the call."""

import re
from typing import Any
from urllib.parse import urlsplit

from packshot.domain.accounts import LOCAL
from packshot.domain.errors import NotFound
from packshot.protocols.bitrix import wire
from packshot.protocols.bitrix.call import Answer, Call
from packshot.protocols.bitrix.errors import Refused
from packshot.services import oauth, setup, users

MAX_CODES = 100
"""How many access codes one call may name; the rest is ignored."""

_VERSION = 1
_FEATURES = frozenset({"rest_offline_extended", "rest_auth_connector"})
_GROUPS = {"AU": "All authorized users", "G2": "All visitors", "CR": "Author"}
_EVERYBODYS = frozenset({"AU", "G2"})
_USER = re.compile(r"U([1-9]\d{0,17})", re.ASCII)

_HIDDEN = {"user": frozenset[str](), "user_basic": {"LAST_LOGIN"}, "user_brief": {"EMAIL", "LAST_LOGIN"}}
"""Fields of user.current that each scope does not open, widest first. Source: page "Users", limited versions."""


async def methods(call: Call) -> Answer:
    """The names of the methods of `scope`, of all with `full`, else of those this credential may call.

    The empty scope is that of the methods everybody may call. Source: page methods.
    """
    known, scope = call.methods.values(), wire.param(call.params, "scope")
    if scope is not None:
        return Answer([method.name for method in known if str(scope) in {method.scope, *method.also}])
    full = _is_set(call, "full")
    return Answer([method.name for method in known if full or method.is_open_to(call.caller.scopes)])


async def method_get(call: Call) -> Answer:
    """Whether a method exists, and whether this credential's scopes open it.

    Name and parameter are understood in lower case only, other than everywhere else. Source: page method.get.
    """
    name = call.params.get("name")
    method = call.methods.get(name) if isinstance(name, str) else None
    available = method is not None and method.is_open_to(call.caller.scopes)
    return Answer({"isExisting": method is not None, "isAvailable": available})


async def scope(call: Call) -> Answer:
    """The scopes of this credential, or with `full` all there are. Source: page scope."""
    return Answer(sorted(setup.SCOPES if _is_set(call, "full") else call.caller.scopes))


async def app_info(call: Call) -> Answer:
    """The application behind the call, for access tokens only.

    It has the keys of the page and, in lower case, those that SDKs expect of an authorisation server: we are both.
    Source: page app.info.

    Raises:
        Refused: the credential is a webhook.
    """
    if call.caller.application_id is None:
        raise Refused("ACCESS_DENIED", "Access denied! Application context required")
    application, account = await oauth.describe(call.core, call.caller)
    installed = {
        "installed": True,
        "version": _VERSION,
        "status": LOCAL,
        "scope": ",".join(application.scopes),
        "domain": urlsplit(call.base_url).hostname,
        "uri": application.handler or application.redirect_uri,
        "client_endpoint": f"{call.base_url}/rest/",
        "member_id": account.member_id,
        "member_type": "portal",
    }
    return Answer(
        {
            "ID": application.id,
            "CODE": application.client_id,
            "VERSION": _VERSION,
            "STATUS": LOCAL,
            "INSTALLED": True,
            "PAYMENT_EXPIRED": "N",
            "DAYS": None,
            "LANGUAGE_ID": "en",
            "LICENSE": "en_selfhosted",
            "LICENSE_TYPE": "selfhosted",
            "LICENSE_FAMILY": "selfhosted",
            "client_id": application.client_id,
            "scope": ",".join(sorted(call.caller.scopes)),
            "expires": wire.write_moment(call.caller.expires_at, call.zone),
            "install": installed,
            "user_id": call.caller.user_id,
        }
    )


async def feature_get(call: Call) -> Answer:
    """Whether a feature is there, as Y or N. Source: page feature.get.

    Raises:
        Refused: `CODE` is absent or empty.
    """
    if not _is_set(call, "CODE"):
        raise Refused("CODE_EMPTY", "CODE can't be empty")
    return Answer({"value": wire.write_flag(str(wire.param(call.params, "CODE")) in _FEATURES)})


async def server_time(call: Call) -> Answer:
    """The time here, in the server's zone. Source: page server.time."""
    return Answer(wire.write_moment(call.core.now(), call.zone))


async def profile(call: Call) -> Answer:
    """A few facts about the user behind the call, for every credential. Source: page profile."""
    user = await users.of_id(call.core, call.caller, call.caller.user_id)
    return Answer(
        {
            "ID": str(user.id),
            "ADMIN": _is_administrator(call),
            "NAME": user.name,
            "LAST_NAME": user.last_name,
            "PERSONAL_GENDER": "",
            "TIME_ZONE": "",
        }
    )


async def user_current(call: Call) -> Answer:
    """The user behind the call, with the fields that the credential's widest scope opens. Source: page user.current."""
    user = await users.of_id(call.core, call.caller, call.caller.user_id)
    hidden = next(fields for scope, fields in _HIDDEN.items() if scope in call.caller.scopes)
    fields = {
        "ID": str(user.id),
        "ACTIVE": True,
        "NAME": user.name,
        "LAST_NAME": user.last_name,
        "EMAIL": user.email,
        "LAST_LOGIN": wire.write_moment(user.last_login_at, call.zone) or "",
        "DATE_REGISTER": wire.write_moment(user.created_at, call.zone),
        "IS_ONLINE": "Y",
        "LAST_ACTIVITY_DATE": (wire.write_moment(call.core.now(), call.zone) or "")[:19].replace("T", " "),
        "PERSONAL_GENDER": "",
        "PERSONAL_BIRTHDAY": "",
        "WORK_POSITION": "",
        "UF_EMPLOYMENT_DATE": "",
        "UF_DEPARTMENT": [],
    }
    return Answer({name: value for name, value in fields.items() if name not in hidden})


async def user_admin(call: Call) -> Answer:
    """Whether the user behind the call is an administrator. Source: page user.admin."""
    return Answer(_is_administrator(call))


async def user_access(call: Call) -> Answer:
    """Whether the user has one of the access codes; an administrator always has. Source: page user.access."""
    own = _EVERYBODYS | {f"U{call.caller.user_id}"}
    return Answer(_is_administrator(call) or not own.isdisjoint(_codes(wire.param(call.params, "ACCESS"))))


async def access_name(call: Call) -> Answer:
    """What access codes stand for; those of nobody here are left out. Source: page access.name.

    `result` is false where no list is given, and an empty list where none of the codes exists.
    """
    codes = wire.param(call.params, "ACCESS")
    if not codes or not isinstance(codes, list | dict):
        return Answer(result=False)
    named = {code: await _access_name(call, code) for code in _codes(codes)}
    return Answer({code: name for code, name in named.items() if name} or [])


async def _access_name(call: Call, code: str) -> dict[str, str] | None:
    if code in _GROUPS:
        return {"provider": "", "name": _GROUPS[code], "provider_id": "other"}
    number = _USER.fullmatch(code)
    if number is None:
        return None
    try:
        user = await users.of_id(call.core, call.caller, int(number[1]))
    except NotFound:
        return None
    return {"provider": "User", "name": f"{user.name} {user.last_name}".strip(), "provider_id": "user"}


def _is_administrator(call: Call) -> bool:
    return call.caller.role == "administrator"


def _codes(value: Any) -> list[str]:
    return [code for code in wire.items(value) if isinstance(code, str)][:MAX_CODES]


def _is_set(call: Call, name: str) -> bool:
    """Whether the parameter counts as true in PHP, where the text "false" does. Source: page scope, parameter full."""
    value = wire.param(call.params, name)
    return bool(value) and value != "0"
