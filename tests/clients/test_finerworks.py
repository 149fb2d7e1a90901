"""Clients of FinerWorks: what they were seen to send, by requests and by Node's axios, and read as they read it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
import requests

from packshot.imaging.probe import probe
from packshot.services.keys import Keys
from pictures import jpeg
from replays import BY_LIBRARY, EXAMPLES, chain, compared, known_of, learn, request_of
from serving import Server

NewPair = Callable[..., Keys]
Script = Callable[..., Any]
ADDRESS = "http://img.example/h/cat.jpg"
IMAGE = {"title": "Cat", "file_name": "cat.jpg", "private_hires_uri": ADDRESS, "pix_w": 30, "pix_h": 20}


def send(server: Server, request: dict[str, Any]) -> requests.Response:
    headers = {key: value for key, value in request["headers"].items() if key not in BY_LIBRARY}
    return requests.request(
        request["verb"], server.base_url + request["path"], headers=headers, data=request.get("body"), timeout=20
    )


def prepared(server: Server, sender: str, name: str) -> dict[str, str]:
    """What is known to a sender once everything that has to come before the example has been sent."""
    account = f"{sender} {name}"
    known = known_of(account, server.facts["pairs"][account])
    for step in chain(name)[:-1]:
        learn(known, send(server, request_of(step, known)).json())
    return known


class Finerworks:
    """Calls as the Python client makes them: always by POST, and 200 and 400 are both answers."""

    def __init__(self, server: Server, pair: Keys) -> None:
        self.base_url = f"{server.base_url}/v3"
        self.headers = {
            "web_api_key": pair.web_api_key, "app_key": pair.app_key, "Content-Type": "application/json",
        }  # fmt: skip

    def ask(self, name: str, body: Any = None) -> Any:
        answer = requests.request("POST", f"{self.base_url}/{name}", headers=self.headers, data=json.dumps(body))
        if answer.status_code not in {200, 400}:
            raise ConnectionError(answer.status_code)
        return answer.json()


# Replays


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_a_client_sends_is_answered_to_requests(print_shop: Server, name: str) -> None:
    known = prepared(print_shop, "requests", name)

    answer = send(print_shop, request_of(name, known))

    seen, wanted = compared(name, known, answer.status_code, answer.json())
    assert seen == wanted


@pytest.fixture(scope="module")
def by_axios(print_shop: Server, run_script: Script) -> dict[str, Any]:
    """For each example what its sender knows, and the answer that axios gave."""
    known = {name: prepared(print_shop, "axios", name) for name in EXAMPLES}
    asked = [request_of(name, known[name]) for name in EXAMPLES]
    for request in asked:
        request["headers"] = {key: value for key, value in request["headers"].items() if key not in BY_LIBRARY}
    answers = run_script("replay", {"base_url": print_shop.base_url, "requests": asked})
    return {name: (known[name], answer) for name, answer in zip(EXAMPLES, answers, strict=True)}


@pytest.mark.needs("node")
@pytest.mark.needs("npm")
@pytest.mark.parametrize("name", EXAMPLES)
def test_what_a_client_sends_is_answered_to_axios(by_axios: dict[str, Any], name: str) -> None:
    known, answer = by_axios[name]

    seen, wanted = compared(name, known, answer["status"], answer["data"])
    assert json.loads(seen) == json.loads(wanted), "but for 0.0, which is 0 to JavaScript"


# The Python client


def test_the_python_client_logs_in_and_finds_images(print_shop: Server, new_pair: NewPair) -> None:
    pair = new_pair("python")
    shop = Finerworks(print_shop, pair)
    shop.ask("add_images", {"images": [IMAGE, IMAGE | {"title": "Dog", "file_name": "dog.jpg"}], "library": None})

    login = shop.ask("test_my_credentials")
    found = [shop.ask("list_images", {"search_filter": words})["images"] for words in ("CAT", "", "nothing")]

    assert login["status"]["success"] is True
    assert login["user_account"]["business_info"]["company_name"] == "python"
    assert [[image["title"] for image in images] for images in found] == [["Cat"], ["Dog", "Cat"], []]


def test_the_python_client_reads_a_refusal(print_shop: Server, new_pair: NewPair) -> None:
    pair = new_pair("python-refused")
    shop = Finerworks(print_shop, Keys(pair.web_api_key, pair.web_api_key, pair.account_key))

    refused = shop.ask("list_images", {"search_filter": ""})

    assert refused["ModelState"] == {
        "ApiC.Models.authorization_credentials": ["Missing or unauthorized api credentials"]
    }
    assert refused["status"]["success"] is False


# FinerWorks' own programs


def run_as(pair: Keys, server: Server, run_script: Script, script: str, **more: Any) -> Any:
    return run_script(script, {"base_url": server.base_url, **msgspec.structs.asdict(pair), **more})


@pytest.mark.needs("node")
@pytest.mark.needs("npm")
def test_the_file_manager_uploads_scrolls_picks_and_deletes(
    print_shop: Server, new_pair: NewPair, run_script: Script
) -> None:
    done = run_as(new_pair("manager"), print_shop, run_script, "manager")

    guids = done["guids"]
    assert len(set(guids)) == done["before"]["count"] == 30
    assert [image["guid"] for image in done["before"]["shown"]] == guids[::-1]
    assert done["before"]["shown"][-4]["title"] == "Dunes at dawn"
    assert done["picked"] == guids[5:8]
    assert done["deleted"] == {"status": {"success": True, "status_code": 200, "message": "", "debug": None}}
    assert [image["guid"] for image in done["after"]["shown"]] == [
        guid for guid in guids[::-1] if guid not in guids[3:6]
    ]
    assert (done["after"]["count"], done["empty"]) == (27, [])
    assert isinstance(done["event"], int)
    assert done["user"]["business_info"]["company_name"] == "manager"


@pytest.mark.needs("node")
@pytest.mark.needs("npm")
def test_the_file_manager_is_told_what_was_wrong_and_can_log_it(
    print_shop: Server, new_pair: NewPair, run_script: Script
) -> None:
    refusals = run_as(new_pair("careless"), print_shop, run_script, "manager")["refusals"]

    assert [refusal["status"] for refusal in refusals] == [400, 400, 404, 400]
    assert all(isinstance(refusal["event"], int) for refusal in refusals)
    for refusal in refusals:
        assert refusal["data"]["Message"]
        assert refusal["data"]["status"]["success"] is False
    assert list(refusals[0]["data"]["ModelState"]) == ["request.guids"]
    assert list(refusals[1]["data"]["ModelState"]) == ["request.library.name"]


@pytest.mark.needs("node")
@pytest.mark.needs("npm")
def test_the_connector_ties_products_to_a_shop_and_unties_them(
    print_shop: Server, new_pair: NewPair, run_script: Script
) -> None:
    pair = new_pair("connector", "--privileged")
    shop = Finerworks(print_shop, pair)
    (guid,) = [image["guid"] for image in shop.ask("add_images", {"images": [IMAGE]})["images"]]
    product = {"product_sku": "5M41M9S8X10", "product_qty": 1, "product_image": {"library_file": {"guid": guid}}}
    skus = [shop.ask("submit_product", {"product": product, "mode": "store"})["products"][0]["sku"] for _ in range(2)]

    done = run_as(pair, print_shop, run_script, "connector")

    assert done["sku"] == done["tied"][0] == skus[1]
    assert len(done["tied"]) == 1
    assert (done["during"], done["after"]) == (4711, 0)
    assert done["disconnected"]["status"]["success"] is True
    assert done["deleted"]["status"]["success"] is True
    assert (done["count"], done["per_page"], len(done["prices"])) == (2, 50, 2)
    assert done["left"] == [skus[0]]
    assert done["images"] == [guid]
    assert done["company"] == "connector"
    assert done["user"] == pair.account_key


# Files, which FinerWorks' own protocol cannot take


def test_requests_uploads_files_that_the_library_shows(print_shop: Server, new_pair: NewPair) -> None:
    pair, picture, guid = new_pair("uploads"), jpeg(640, 480), str(uuid4())
    place, names = f"{print_shop.base_url}/packshot/v3", {"web_api_key": pair.web_api_key, "app_key": pair.app_key}

    by_form = requests.post(
        f"{place}/upload", headers=names, data={"title": "Dunes"}, files={"file": ("dunes.jpg", picture)}, timeout=20
    )
    by_put = requests.put(
        f"{place}/images/{guid}", headers=names, params={"file_name": "rain.jpg"}, data=picture, timeout=20
    )

    listed = Finerworks(print_shop, pair).ask("list_images", {"library": None})["images"]
    assert listed == [*by_put.json()["images"], *by_form.json()["images"]]
    assert [(image["title"], image["file_name"], image["pix_w"]) for image in listed] == [
        ("rain.jpg", "rain.jpg", 640), ("Dunes", "dunes.jpg", 640),
    ]  # fmt: skip
    assert listed[0]["guid"] == guid
    for image in listed:
        fetched = [
            requests.get(image[kind], params={"t": 1}, timeout=20).content
            for kind in ("public_thumbnail_uri", "public_preview_uri", "private_hires_uri")
        ]
        assert [probe(data).width_px for data in fetched] == [200, 640, 640]
        assert fetched[2] == picture


@pytest.mark.needs("node")
@pytest.mark.needs("npm")
def test_axios_uploads_files_that_need_no_keys_to_be_looked_at(
    print_shop: Server, new_pair: NewPair, run_script: Script, tmp_path: Path
) -> None:
    (tmp_path / "dune.jpg").write_bytes(jpeg(64, 48))
    guid = str(uuid4())

    done = run_as(new_pair("dune"), print_shop, run_script, "upload", picture=str(tmp_path / "dune.jpg"), guid=guid)

    assert [sizes[2] for sizes in done["sizes"]] == [done["size"]] * 2
    assert done["types"] == [["image/jpeg"] * 3] * 2
    assert [(image["title"], image["file_name"]) for image in done["images"]] == [
        ("Düne", "düne.jpg"), ("dune.jpg", "dune.jpg"),
    ]  # fmt: skip
    assert done["images"][1]["guid"] == guid


# What HTTP leaves open


@pytest.mark.needs("node")
@pytest.mark.needs("npm")
def test_nodes_own_delete_says_what_is_missing_and_works_with_a_length(
    print_shop: Server, new_pair: NewPair, run_script: Script
) -> None:
    pair = new_pair("unframed")
    guid = Finerworks(print_shop, pair).ask("add_images", {"images": [IMAGE]})["images"][0]["guid"]

    unframed, framed = run_as(pair, print_shop, run_script, "unframed", guids=[guid])

    assert unframed["status"] == 400
    assert "Content-Length" in unframed["data"]["status"]["message"]
    assert framed == {
        "status": 200,
        "data": {"status": {"success": True, "status_code": 200, "message": "", "debug": None}},
    }


def test_a_privileged_pair_works_for_the_account_its_call_names(print_shop: Server, new_pair: NewPair) -> None:
    theirs, ours = new_pair("theirs"), new_pair("platform", "--privileged")
    shop = Finerworks(print_shop, ours)

    shop.ask("add_images", {"images": [IMAGE], "library": {"name": "inventory", "account_key": theirs.account_key}})

    own, named = (shop.ask("list_images", {"library": {"account_key": key}}) for key in ("", theirs.account_key))
    assert (own["count"], named["count"]) == (0, 1)
    assert Finerworks(print_shop, theirs).ask("list_images")["images"] == named["images"]


@pytest.mark.parametrize("path", ["/v3/list_images", "/V3/List_Images", "/v3/list_images/", "//V3//LIST_IMAGES//"])
def test_a_page_asks_first_and_then_calls(print_shop: Server, new_pair: NewPair, path: str) -> None:
    pair = new_pair("page")
    page = {"Origin": "https://page.example"}
    asking = page | {
        "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "app_key,content-type,web_api_key",
    }  # fmt: skip
    names = {"web_api_key": pair.web_api_key, "app_key": pair.app_key}

    asked = requests.options(print_shop.base_url + path, headers=asking, timeout=20)
    answers = [
        requests.post(print_shop.base_url + path, headers=page | sent, json={"per_page": 1}, timeout=20)
        for sent in (names, {})
    ]

    assert asked.status_code == 200
    assert asked.headers["access-control-allow-headers"].lower().split(",") == [
        "app_key",
        "content-type",
        "web_api_key",
    ]
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert [answer.status_code for answer in answers] == [200, 400]
    for answer in (asked, *answers):
        assert answer.headers["access-control-allow-origin"] == "https://page.example"


def test_keys_may_be_headers_and_in_the_query_at_once(print_shop: Server, new_pair: NewPair) -> None:
    pair = new_pair("both")
    names = {"web_api_key": pair.web_api_key, "app_key": pair.app_key}

    answer = requests.get(f"{print_shop.base_url}/v3/get_company_info", params=names, headers=names, timeout=20)

    assert answer.json()["company_info"]["name"] == "both"
