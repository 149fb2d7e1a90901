"""An application and a person with a browser, as tests of OAuth need them."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from packshot.domain.accounts import Application
from packshot.services import applications, users
from packshot.services.applications import Registration
from packshot.services.core import Core

REDIRECT = "https://app.example/back?from=shop"
PASSWORD = "correct horse battery"


@dataclass
class App:
    """An application's side of the flow, over any client."""

    client: httpx.AsyncClient
    client_id: str
    secret: str
    asked: dict[str, str] = field(default_factory=dict)

    def address(self, **more: str) -> str:
        """Where it sends people."""
        query = {"client_id": self.client_id, "state": "a b&c", **self.asked, **more}
        return str(httpx.URL("/oauth/authorize/", params=query))

    async def token(self, **values: str) -> httpx.Response:
        """What the address of tokens answers to a form."""
        known = {"client_id": self.client_id, "client_secret": self.secret}
        return await self.client.post("/oauth/token/", data={**known, **values})

    async def exchange(self, code: str, **more: str) -> dict[str, Any]:
        answer = await self.token(grant_type="authorization_code", code=code, **more)
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def refresh(self, refresh_token: str) -> httpx.Response:
        return await self.token(grant_type="refresh_token", refresh_token=refresh_token)


@dataclass
class Person:
    """Somebody with a browser."""

    client: httpx.AsyncClient
    login: str = "anna"
    password: str = PASSWORD

    async def press(self, address: str, action: str, **more: str) -> httpx.Response:
        """Load the page and press one of its buttons."""
        page = await self.client.get(address)
        return await self.client.post(address, data={**form_token(page), "action": action, **more})

    async def log_in(self, address: str) -> httpx.Response:
        return await self.press(address, "login", login=self.login, password=self.password)

    async def agree(self, address: str) -> dict[str, str]:
        """Log in, allow, and return what the application is told."""
        assert (await self.log_in(address)).status_code == 303
        answer = await self.press(address, "allow")
        assert answer.status_code == 303, answer.text
        return told(answer)


def told(answer: httpx.Response) -> dict[str, str]:
    """The parameters in the address that a browser is sent on to."""
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def form_token(page: httpx.Response) -> dict[str, str]:
    found = re.search(r'name="form_token" value="([0-9a-f]+)"', page.text)
    assert found, page.text
    return {"form_token": found[1]}


async def make_user(core: Core, login: str = "anna", role: Any = "editor", account: str = "main") -> int:
    """The id of a user who can log in."""
    user_id = await users.add(core, account, login, role)
    await users.set_password(core, login, PASSWORD)
    return user_id


async def make_application(
    core: Core, *, scopes: tuple[str, ...] = ("catalog", "user"), members: tuple[int, ...] = (), account: str = "main"
) -> Registration:
    wanted = Application(0, 0, "", "Price <tags>", REDIRECT, scopes, None, members)
    return await applications.create(core, account, wanted)
