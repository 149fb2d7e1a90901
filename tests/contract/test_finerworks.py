"""Replays requests as pages show them and as clients of FinerWorks were seen to send them, byte for byte."""

import httpx
import pytest

from packshot.protocols.finerworks.methods import METHODS, OWN
from packshot.services import keys, setup
from packshot.services.core import Core
from packshot.services.setup import Seed
from replays import EXAMPLES, chain, compared, known_of, learn, request_of


@pytest.mark.parametrize("name", EXAMPLES)
async def test_a_request_is_answered_as_its_client_expects(
    client: httpx.AsyncClient, core: Core, seed: Seed, name: str
) -> None:
    del seed
    known = known_of(setup.ACCOUNT, await keys.create(core, setup.ACCOUNT))

    for step in chain(name):
        request = request_of(step, known)
        answer = await client.request(
            request["verb"], request["path"], headers=request["headers"], content=request.get("body", "").encode()
        )
        seen, wanted = compared(step, known, answer.status_code, answer.json())
        assert seen == wanted, step
        learn(known, answer.json())


def test_every_method_has_an_example() -> None:
    assert {name.partition(".")[0] for name in EXAMPLES} == set(METHODS) | set(OWN)
