"""Codes and tokens: once, for a while, in families; and what happens to those who use them wrongly."""

import asyncio
import hashlib
from base64 import urlsafe_b64encode

import pytest

from build import Clock, make_account, tables_of
from oauth_client import make_application, make_user
from packshot.domain.accounts import Tokens, User
from packshot.domain.errors import AccountStopped, InvalidRequest, NotFound, Unauthenticated
from packshot.services import access, accounts, applications, oauth, upkeep, users
from packshot.services.applications import Registration
from packshot.services.core import DAY_S, Core
from packshot.services.oauth import Challenge
from packshot.services.setup import Seed

pytestmark = pytest.mark.usefixtures("seed")

ADMINISTRATOR = 1
VERIFIER = "verifier-" * 6


@pytest.fixture
async def anna(core: Core) -> User:
    await make_user(core)
    return await users.get(core, "anna")


@pytest.fixture
async def made(core: Core) -> Registration:
    return await make_application(core)


@pytest.fixture
def client(made: Registration) -> tuple[str, str]:
    return made.application.client_id, made.secret


@pytest.fixture
async def tokens(core: Core, made: Registration, client: tuple[str, str], anna: User) -> Tokens:
    code = await oauth.authorize(core, made.application, anna, Challenge())
    return await oauth.exchange(core, client, code)


async def is_good(core: Core, token: str) -> bool:
    core.principals.clear()
    try:
        await access.by_token(core, token)
    except Unauthenticated:
        return False
    return True


async def why(core: Core, token: str) -> str:
    with pytest.raises(Unauthenticated) as refused:
        await access.by_token(core, token)
    return refused.value.why


async def refused(core: Core, client: tuple[str, str], refresh_token: str) -> str:
    with pytest.raises(Unauthenticated) as error:
        await oauth.refresh(core, client, refresh_token)
    return error.value.why


# Codes


async def test_a_code_becomes_tokens_of_that_user_and_application(
    core: Core, tokens: Tokens, anna: User, made: Registration, clock: Clock
) -> None:
    caller = await access.by_token(core, tokens.access_token)

    assert (caller.user_id, caller.role, caller.account_id) == (anna.id, "editor", anna.account_id)
    assert (caller.application_id, caller.scopes) == (made.application.id, frozenset({"catalog", "user"}))
    assert caller.expires_at == tokens.expires_at == (int(clock.now) + 3_600) * 1_000_000


async def test_a_code_lasts_thirty_seconds(
    core: Core, made: Registration, client: tuple[str, str], anna: User, clock: Clock
) -> None:
    good, late = [await oauth.authorize(core, made.application, anna, Challenge()) for _ in range(2)]
    clock.advance(29)
    assert (await oauth.exchange(core, client, good)).access_token
    clock.advance(1)

    with pytest.raises(Unauthenticated, match="grant"):
        await oauth.exchange(core, client, late)


async def test_a_code_that_comes_a_second_time_ends_what_came_of_the_first(
    core: Core, made: Registration, client: tuple[str, str], anna: User
) -> None:
    code = await oauth.authorize(core, made.application, anna, Challenge())
    first = await oauth.exchange(core, client, code)

    with pytest.raises(Unauthenticated, match="grant"):
        await oauth.exchange(core, client, code)

    assert not await is_good(core, first.access_token)
    assert await refused(core, client, first.refresh_token) == "grant"


async def test_of_two_exchanges_at_once_one_gets_tokens(
    core: Core, made: Registration, client: tuple[str, str], anna: User
) -> None:
    code = await oauth.authorize(core, made.application, anna, Challenge())

    results = await asyncio.gather(*(oauth.exchange(core, client, code) for _ in range(2)), return_exceptions=True)

    assert sorted(type(result).__name__ for result in results) == ["Tokens", "Unauthenticated"]


async def test_a_code_is_good_for_the_application_it_was_given_to_only(
    core: Core, made: Registration, client: tuple[str, str], anna: User
) -> None:
    other = await make_application(core)
    code = await oauth.authorize(core, made.application, anna, Challenge())

    with pytest.raises(Unauthenticated, match="grant"):
        await oauth.exchange(core, (other.application.client_id, other.secret), code)

    assert (await oauth.exchange(core, client, code)).access_token


@pytest.mark.parametrize(("name", "secret"), [(None, "wrong"), (None, ""), ("local.x.1", None)])
async def test_an_application_has_to_prove_who_it_is(
    core: Core, client: tuple[str, str], tokens: Tokens, name: str | None, secret: str | None
) -> None:
    forged = (name or client[0], client[1] if secret is None else secret)

    assert await refused(core, forged, tokens.refresh_token) == "client"
    assert (await oauth.refresh(core, client, tokens.refresh_token)).access_token


# PKCE


@pytest.mark.parametrize("method", ["S256", "plain", ""])
async def test_a_challenge_has_to_be_met(
    core: Core, made: Registration, client: tuple[str, str], anna: User, method: str
) -> None:
    digest = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    wanted = oauth.challenge(digest if method == "S256" else VERIFIER, method)
    right, wrong, none = [await oauth.authorize(core, made.application, anna, wanted) for _ in range(3)]

    assert (await oauth.exchange(core, client, right, VERIFIER)).access_token
    for code, verifier in ((wrong, VERIFIER + "x"), (none, "")):
        with pytest.raises(Unauthenticated, match="grant"):
            await oauth.exchange(core, client, code, verifier)
    with pytest.raises(Unauthenticated, match="grant"):  # the wrong guess has used it up
        await oauth.exchange(core, client, wrong, VERIFIER)


@pytest.mark.parametrize(
    ("text", "method"),
    [("short", "S256"), (VERIFIER, "S512"), (VERIFIER + " ", "plain"), ("a" * 129, ""), ("", "S256")],
)
def test_a_challenge_that_nobody_could_meet_is_refused(text: str, method: str) -> None:
    with pytest.raises(InvalidRequest):
        oauth.challenge(text, method)


async def test_a_proof_that_nobody_asked_for_is_refused(
    core: Core, made: Registration, client: tuple[str, str], anna: User
) -> None:
    code = await oauth.authorize(core, made.application, anna, Challenge())

    for verifier in (VERIFIER, ""):  # somebody took the challenge out of the address: the code is theirs
        with pytest.raises(Unauthenticated, match="grant"):
            await oauth.exchange(core, client, code, verifier)


# Refreshing


async def test_a_refresh_gives_new_tokens_and_leaves_the_old_access_token_its_time(
    core: Core, client: tuple[str, str], tokens: Tokens, clock: Clock
) -> None:
    clock.advance(600)

    fresh = await oauth.refresh(core, client, tokens.refresh_token)

    assert {fresh.access_token, fresh.refresh_token}.isdisjoint({tokens.access_token, tokens.refresh_token})
    assert fresh.expires_at == tokens.expires_at + 600 * 1_000_000
    assert await is_good(core, tokens.access_token)
    assert await is_good(core, fresh.access_token)


async def test_the_last_refresh_token_works_again_for_a_minute(
    core: Core, client: tuple[str, str], tokens: Tokens, clock: Clock
) -> None:
    await oauth.refresh(core, client, tokens.refresh_token)
    clock.advance(60)

    again = await oauth.refresh(core, client, tokens.refresh_token)

    assert await is_good(core, again.access_token)
    assert (await oauth.refresh(core, client, again.refresh_token)).access_token


async def test_after_that_minute_its_second_use_ends_the_family(
    core: Core, client: tuple[str, str], tokens: Tokens, clock: Clock
) -> None:
    fresh = await oauth.refresh(core, client, tokens.refresh_token)
    clock.advance(61)

    assert await refused(core, client, tokens.refresh_token) == "grant"

    assert not await is_good(core, fresh.access_token)
    assert not await is_good(core, tokens.access_token)
    assert await refused(core, client, fresh.refresh_token) == "grant"


async def test_once_its_successor_was_used_its_second_use_ends_the_family(
    core: Core, client: tuple[str, str], tokens: Tokens
) -> None:
    second = await oauth.refresh(core, client, tokens.refresh_token)
    third = await oauth.refresh(core, client, second.refresh_token)

    assert await refused(core, client, tokens.refresh_token) == "grant"

    assert not await is_good(core, third.access_token)
    assert await refused(core, client, third.refresh_token) == "grant"


async def test_two_refreshes_at_once_both_get_tokens_and_one_of_them_goes_on(
    core: Core, client: tuple[str, str], tokens: Tokens
) -> None:
    left, right = await asyncio.gather(*(oauth.refresh(core, client, tokens.refresh_token) for _ in range(2)))

    assert left.refresh_token != right.refresh_token
    assert await is_good(core, left.access_token)
    assert await is_good(core, right.access_token)
    onward = await oauth.refresh(core, client, left.refresh_token)
    assert await is_good(core, onward.access_token)
    assert await refused(core, client, right.refresh_token) == "grant"  # two hold this family
    assert not await is_good(core, onward.access_token)


async def test_a_replay_ends_its_own_family_only(
    core: Core, made: Registration, client: tuple[str, str], tokens: Tokens, anna: User, clock: Clock
) -> None:
    other = await oauth.exchange(core, client, await oauth.authorize(core, made.application, anna, Challenge()))
    await oauth.refresh(core, client, tokens.refresh_token)
    clock.advance(61)

    await refused(core, client, tokens.refresh_token)

    assert await is_good(core, other.access_token)


async def test_a_refresh_token_is_good_for_its_own_application_only(
    core: Core, client: tuple[str, str], tokens: Tokens
) -> None:
    other = await make_application(core)

    assert await refused(core, (other.application.client_id, other.secret), tokens.refresh_token) == "grant"
    assert await is_good(core, (await oauth.refresh(core, client, tokens.refresh_token)).access_token)


async def test_a_refresh_token_lasts_180_days(
    core: Core, client: tuple[str, str], tokens: Tokens, clock: Clock
) -> None:
    clock.advance(180 * DAY_S - 1)
    fresh = await oauth.refresh(core, client, tokens.refresh_token)
    clock.advance(180 * DAY_S)

    assert await refused(core, client, fresh.refresh_token) == "grant"


async def test_a_refresh_for_whom_nobody_would_let_in_changes_nothing(
    core: Core, client: tuple[str, str], tokens: Tokens, clock: Clock
) -> None:
    await users.disable(core, "anna")
    assert await refused(core, client, tokens.refresh_token) == "disabled"
    await users.enable(core, "anna")
    await accounts.set_state(core, "main", "blocked")
    with pytest.raises(AccountStopped):
        await oauth.refresh(core, client, tokens.refresh_token)
    await accounts.set_state(core, "main", "normal")
    clock.advance(3_000)

    assert (await oauth.refresh(core, client, tokens.refresh_token)).access_token


# Access tokens


async def test_an_access_token_lasts_an_hour_to_the_second_also_where_it_is_remembered(
    core: Core, tokens: Tokens, clock: Clock
) -> None:
    clock.advance(3_599.9)
    await access.by_token(core, tokens.access_token)
    clock.advance(0.1)

    assert await why(core, tokens.access_token) == "expired"


async def test_a_token_is_no_webhook_code_and_a_code_no_token(core: Core, seed: Seed, tokens: Tokens) -> None:
    await access.by_token(core, tokens.access_token)
    await access.by_webhook(core, seed.user_id, seed.webhook_code)

    assert await why(core, seed.webhook_code) == "unknown_token"
    for user_id in (0, seed.user_id, tokens.user_id):
        with pytest.raises(Unauthenticated, match="wrong"):
            await access.by_webhook(core, user_id, tokens.access_token)


async def test_a_deleted_application_is_refused_within_a_second(
    core: Core, made: Registration, tokens: Tokens, clock: Clock
) -> None:
    await access.by_token(core, tokens.access_token)

    await applications.delete(core, made.application.client_id)

    clock.advance(1)
    assert await why(core, tokens.access_token) == "unknown_token"


@pytest.mark.parametrize(("refusal", "reason"), [("disable", "disabled"), ("exclude", "excluded")])
async def test_a_user_who_may_not_any_more_is_refused_within_a_second(
    core: Core, made: Registration, tokens: Tokens, clock: Clock, refusal: str, reason: str
) -> None:
    await access.by_token(core, tokens.access_token)

    if refusal == "disable":
        await users.disable(core, "ANNA")
    else:
        await applications.set_users(core, made.application.client_id, (ADMINISTRATOR,))

    clock.advance(1)
    assert await why(core, tokens.access_token) == reason


async def test_everybody_may_use_an_application_without_a_list(core: Core, made: Registration, tokens: Tokens) -> None:
    await applications.set_users(core, made.application.client_id, (tokens.user_id,))
    assert await is_good(core, tokens.access_token)

    await applications.set_users(core, made.application.client_id, ())

    assert await is_good(core, tokens.access_token)


# Tokens for events


async def test_tokens_for_events_are_good_and_cannot_be_renewed(
    core: Core, seed: Seed, made: Registration, client: tuple[str, str]
) -> None:
    issued = await oauth.issue_tokens(core, made.application.id, seed.user_id)

    caller = await access.by_token(core, issued.access_token)
    assert (caller.user_id, caller.application_id) == (seed.user_id, made.application.id)
    assert issued.refresh_token == ""
    assert await refused(core, client, issued.refresh_token) == "grant"


async def test_there_are_no_tokens_for_strangers(core: Core, seed: Seed, made: Registration, anna: User) -> None:
    stranger, _ = await make_account(core, "neighbour")

    with pytest.raises(NotFound, match="User"):
        await oauth.issue_tokens(core, made.application.id, stranger.user_id)
    with pytest.raises(NotFound, match="Application"):
        await oauth.issue_tokens(core, made.application.id + 1, seed.user_id)
    await applications.set_users(core, made.application.client_id, (anna.id,))
    with pytest.raises(Unauthenticated, match="excluded"):
        await oauth.issue_tokens(core, made.application.id, seed.user_id)


async def test_an_application_can_be_described_to_its_token_only(
    core: Core, made: Registration, tokens: Tokens
) -> None:
    application, account = await oauth.describe(core, await access.by_token(core, tokens.access_token))

    assert application == made.application
    assert account.member_id == tokens.member_id


# What stays in the database


async def test_an_old_token_is_known_as_expired_as_long_as_it_can_be_renewed(
    core: Core, client: tuple[str, str], tokens: Tokens, clock: Clock
) -> None:
    clock.advance(179 * DAY_S)
    await upkeep.purge(core)

    assert await why(core, tokens.access_token) == "expired"
    assert (await oauth.refresh(core, client, tokens.refresh_token)).access_token


@pytest.mark.usefixtures("seed", "tokens")
async def test_what_has_ended_is_purged_in_batches(
    core: Core, made: Registration, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "BATCH", 2)
    for _ in range(5):
        await oauth.issue_tokens(core, made.application.id, ADMINISTRATOR)
    await users.log_in(core, "anna", "correct horse battery")
    clock.advance(2 * DAY_S)
    kept = await oauth.issue_tokens(core, made.application.id, ADMINISTRATOR)

    assert await upkeep.purge(core) == 5 + 1 + 1  # tokens of events, the code, the login
    assert await is_good(core, kept.access_token)
    clock.advance(200 * DAY_S)
    assert await upkeep.purge(core) == 1 + 1 + 1  # the refresh token, its consent, the last token
    left = await core.db.all("SELECT 1 FROM access_token UNION ALL SELECT 1 FROM consent")
    assert left == []


async def test_no_secret_is_stored_in_the_clear(
    core: Core, made: Registration, client: tuple[str, str], tokens: Tokens, anna: User, seed: Seed
) -> None:
    session = await users.log_in(core, "anna", "correct horse battery")
    code = await oauth.authorize(core, made.application, anna, Challenge())
    fresh = await oauth.refresh(core, client, tokens.refresh_token)
    secrets = [
        made.secret, made.application_token, session, code, "correct horse battery", seed.webhook_code,
        tokens.access_token, tokens.refresh_token, fresh.access_token, fresh.refresh_token,
    ]  # fmt: skip

    stored = repr([await core.db.all(f"SELECT * FROM {table}") for table in await tables_of(core)])

    assert made.application.client_id in stored
    assert [secret for secret in secrets if secret in stored] == []
    assert await applications.application_token(core, made.application.id) == made.application_token
