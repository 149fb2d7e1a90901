"""Who is calling, and what they want to be written down."""

from typing import Any

import structlog

from packshot.domain.access import Principal
from packshot.domain.accounts import Account, User
from packshot.protocols.finerworks.call import Answer, Call
from packshot.services import keys

DETAILS_CHARACTERS = 16 * 1024
_SHOWN_CHARACTERS = 200

_ADDRESS = (
    "first_name", "last_name", "company_name", "address_1", "address_2", "address_3", "city", "state_code", "province",
    "zip_postal_code", "country_code", "phone", "email", "address_order_po",
)  # fmt: skip

_log = structlog.get_logger("packshot.finerworks")


async def get_user(call: Call) -> Answer:
    """test_my_credentials and get_user: the account, with the person who administers it.

    Of what FinerWorks keeps about billing and orders there is nothing here. Source: page GET-v3-test_my_credentials.
    """
    account, person = await keys.profile(call.core, call.caller)
    return Answer({"user_account": _user_account(call.caller, account, person)})


async def get_company_info(call: Call) -> Answer:
    """get_company_info: the account's name and address. No page shows the answer: this form is ours."""
    account, person = await keys.profile(call.core, call.caller)
    info = {"name": account.name, "address": _address(account, person), "app_details": _app(call.caller)}
    return Answer({"company_info": info})


async def add_event(call: Call) -> Answer:
    """add_event: writes into our log what a client tells, whatever it is; `details` up to 16 KiB of it.

    No page has this method. FinerWorks' own backend calls it after everything it does and ends when it is refused.
    """
    event_id = int(call.core.clock() * 1_000_000)
    params = call.params
    _log.info(
        "client event",
        id=event_id,
        account_id=call.caller.account_id,
        type=str(params.get("type"))[:_SHOWN_CHARACTERS],
        name=str(params.get("name"))[:_SHOWN_CHARACTERS],
        details=str(params.get("details"))[:DETAILS_CHARACTERS],
    )
    return Answer({"event_log": {"id": event_id}})


def _user_account(caller: Principal, account: Account, person: User | None) -> dict[str, Any]:
    return {
        "account_id": account.id,
        "account_key": account.account_key if caller.privileged else None,
        "account_username": (person and person.login) or account.name,
        "account_email": person and person.email,
        "account_title": None,
        "account_firstname": person and person.name,
        "account_lastname": person and person.last_name,
        "billing_info": None,
        "business_info": _address(account, person),
        "logo_url": None,
        "payment_profile_id": None,
        "shipping_preferences": [],
        "user_account_credits": 0.0,
        "enable_invoice_payment": False,
        "user_profile_complete": True,
        "app_details": _app(caller),
        "connections": [],
    }


def _address(account: Account, person: User | None) -> dict[str, Any]:
    known = {"company_name": account.name}
    if person:
        known |= {"first_name": person.name, "last_name": person.last_name, "email": person.email}
    return {field: known.get(field) or None for field in _ADDRESS}


def _app(caller: Principal) -> dict[str, Any]:
    return {"app_live_mode": caller.mode == "live"}
