"""Nothing behind our own door is reached through an address from outside, however that is written or resolved."""

import asyncio
import ssl
from ipaddress import ip_address

import httpcore
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from packshot.domain.errors import InvalidValue, Unavailable
from packshot.services import outbound
from packshot.services.outbound import REFUSED, Outbound, OutboundSettings, Resolve, is_public, parse
from packshot.services.pinned import Pinned
from receiver import receiving

STRICT = OutboundSettings()
PRIVATE = OutboundSettings(allow_private=True)

NOT_PUBLIC = (
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.254", "127.0.0.1", "127.255.0.1",
    "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.0.192", "192.0.2.1",
    "192.88.99.1", "192.168.0.1", "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.7",
    "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1",
    "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1",
    "2002:7f00:1::", "2002:a00:1::1", "2002:808:808::1", "2a00:1450:4001:81b:0:5efe:127.0.0.1",
    "2a00:1450:4001:81b:200:5efe:10.0.0.1", "3fff::1", "4000::1", "5f00::1", "fc00::1", "fd12:3456::1", "fe80::1",
    "fe80::1%lo", "2a00:1450::1%1", "fec0::1", "ff02::1", "ff0e::1", "fe80::5efe:127.0.0.1", "no address", "",
)  # fmt: skip
PUBLIC = ("1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "64:ff9b::8.8.8.8")

HOSTILE = (
    "http://127.0.0.1/", "http://localhost/", "http://127.1/", "http://2130706433/", "http://0x7f000001/",
    "http://0177.0.0.1/", "http://0/", "http://[::1]/", "http://[::]/", "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/", "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/", "http://169.254.169.254/latest/",
    "http://10.0.0.1/", "http://192.168.1.1/", "http://100.64.0.1/", "http://172.16.5.5/", "http://0.0.0.0/",
    "http://[fe80::1%25lo]/", "http://[fd00::1]/", "http://1.1.1.1:22/", "https://1.1.1.1:80/", "http://1.1.1.1:443/",
    "http://1.1.1.1:0/", "http://1.1.1.1:99999/", "http://1.1.1.1:-1/", "http://1.1.1.1:8080/",
    "ftp://1.1.1.1/", "file:///etc/passwd", "gopher://1.1.1.1/", "javascript:alert(1)", "//1.1.1.1/", "1.1.1.1", "",
    "http:///", "http://", "http://user@1.1.1.1/", "http://user:word@1.1.1.1/", "http://1.1.1.1@127.0.0.1/",
    "http://1.1.1.1\\@127.0.0.1/", "http://1.1.1.1\r\nHost: x/", "http://1.1.1.1/ x", " http://1.1.1.1/",
    "http://1.1.1.1\t/", "http://1.1.1.1/\x00", "http://[1.1.1.1]/", "http://[::1/", "http://::1/", "http://b\u00fccher/",
    "http://\uff11\uff12\uff17.0.0.1/", "http://1.1.1.1/" + "a" * 2_000, "http://-/%", "http://1.1.1.1%00.example/",
    "http:1.1.1.1/", "http://a b/", "http://*/", "http://$(id)/",
)  # fmt: skip


def always(*addresses: str) -> Resolve:
    async def resolve(_host: str, _port: int) -> list[str]:
        return list(addresses)

    return resolve


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_not_everybody_can_reach_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses())
def test_what_the_standard_library_calls_private_is_never_public(address: object) -> None:
    ip = ip_address(str(address))

    assert not is_public(str(ip)) or ip.is_global


@pytest.mark.parametrize("url", HOSTILE)
async def test_a_hostile_address_is_refused_with_the_one_sentence_when_checked_and_when_used(url: str) -> None:
    client = Outbound(STRICT)

    for use in (client.check(url), client.post(url, {}, b"")):
        with pytest.raises(InvalidValue, match=REFUSED):
            await use

    await client.close()


async def test_one_private_answer_among_public_ones_is_enough_to_refuse() -> None:
    client = Outbound(STRICT, always("8.8.8.8", "10.0.0.1"))

    with pytest.raises(InvalidValue, match=REFUSED):
        await client.post("http://both.example/", {}, b"")


async def test_a_name_that_does_not_resolve_is_refused_in_the_same_words() -> None:
    async def fail(_host: str, _port: int) -> list[str]:
        raise OSError

    for resolve in (fail, always()):
        with pytest.raises(InvalidValue, match=REFUSED):
            await Outbound(STRICT, resolve).check("http://nobody.example/")


async def test_a_name_that_turns_private_after_the_check_is_refused_when_used() -> None:
    answers = iter([["8.8.8.8"], ["127.0.0.1"]])

    async def rebind(_host: str, _port: int) -> list[str]:
        return next(answers)

    async with receiving() as receiver:
        client = Outbound(STRICT, rebind)
        await client.check("http://rebound.example/")

        with pytest.raises(InvalidValue, match=REFUSED):
            await client.post("http://rebound.example/", {}, b"")

        assert receiver.letters == []
    await client.close()


async def test_a_name_is_resolved_once_for_a_connection_and_that_answer_is_used() -> None:
    asked = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["127.0.0.1"] if len(asked) == 1 else ["192.0.2.1"]

    async with receiving() as receiver:
        port = int(receiver.url.rpartition(":")[2].partition("/")[0])
        client = Outbound(PRIVATE, resolve)

        status = await client.post(f"http://shop.example:{port}/path?x=1#part", {"X-One": "1"}, b"body")

        await client.close()
    (letter,) = receiver.letters
    assert (status, asked, letter.target, letter.body) == (200, [("shop.example", port)], "/path?x=1", b"body")
    assert letter.headers["host"] == f"shop.example:{port}"
    assert letter.headers["x-one"] == "1"


async def test_the_other_end_is_looked_at_once_more() -> None:
    def check(address: str) -> None:
        raise InvalidValue("address", f"not {address}")

    async with receiving() as receiver:
        port = int(receiver.url.rpartition(":")[2].partition("/")[0])

        with pytest.raises(InvalidValue, match=r"not 127\.0\.0\.1"):
            await Pinned(always("127.0.0.1"), check).connect_tcp("public.example", port)


async def test_the_next_address_is_tried_when_one_does_not_take_the_connection() -> None:
    async with receiving() as receiver:
        port = int(receiver.url.rpartition(":")[2].partition("/")[0])
        pinned = Pinned(always("::1", "127.0.0.1"), lambda _: None)

        stream = await pinned.connect_tcp("both.example", port)

        assert stream.get_extra_info("server_addr") == ("127.0.0.1", port)
        await stream.aclose()


async def test_the_certificate_is_that_of_the_name_and_not_of_the_address(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    names = []
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hook.example").configure_cert(server)
    server.sni_callback = lambda _socket, name, _context: names.append(name)
    async with receiving(server) as receiver:
        port = receiver.url.rpartition(":")[2].partition("/")[0]
        client = Outbound(PRIVATE, always("127.0.0.1"), trusting)

        good = await client.post(f"https://hook.example:{port}/", {}, b"")
        with pytest.raises(Unavailable):
            await client.post(f"https://other.example:{port}/", {}, b"")

        await client.close()
    assert (good, names) == (200, ["hook.example", "other.example"])


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with receiving() as receiver:
        client = Outbound(PRIVATE)

        assert await client.post(receiver.url, {}, b"") == 200

        await client.close()


BAD_ANSWERS = {
    "nothing": b"",
    "no HTTP": b"hello\r\n\r\n",
    "a lie about the length": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab",
    "a bad status": b"HTTP/1.1 abc\r\n\r\n",
    "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000,
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
async def test_every_failure_is_told_in_the_same_words(name: str) -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(BAD_ANSWERS[name])
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = Outbound(PRIVATE)

    with pytest.raises(Unavailable, match=r"^The address is not available$"):
        await client.post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", {}, b"x")

    await client.close()
    server.close()
    await server.wait_closed()


async def test_a_closed_port_and_one_that_never_answers_fail_in_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "TOTAL_S", 0.1)
    async with receiving() as receiver:
        receiver.answer = lambda _: None
        closed = asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        server = await closed
        port = server.sockets[0].getsockname()[1]
        server.close()
        client = Outbound(PRIVATE)

        for url in (receiver.url, f"http://127.0.0.1:{port}/"):
            with pytest.raises(Unavailable, match=r"^The address is not available$"):
                await client.post(url, {}, b"")

        await client.close()


async def test_of_an_answer_without_end_only_the_beginning_is_read() -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65_536)
                await writer.drain()
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = Outbound(PRIVATE)

    assert await client.post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", {}, b"") == 200

    await client.close()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    "flood", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]
)
async def test_a_flood_that_is_no_answer_is_cut_off_early(flood: bytes) -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(flood)
        try:
            while True:
                writer.write((flood if b"100" in flood else b"1;" + b"x" * 1_000 + b"\r\na\r\n") * 100)
                await writer.drain()
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = Outbound(PRIVATE)

    with pytest.raises(Unavailable) as failed:
        await client.post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", {}, b"")

    await client.close()
    server.close()
    await server.wait_closed()
    assert str(failed.value.__cause__) == "the answer is too long"


async def test_a_name_server_that_never_answers_is_waited_for_no_longer_than_a_receiver(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(_host: str, _port: int) -> list[str]:
        await asyncio.sleep(3_600)
        return []

    monkeypatch.setattr(outbound, "TOTAL_S", 0.05)

    with pytest.raises(InvalidValue, match=REFUSED):
        await Outbound(STRICT, never).check("http://nobody.example/")


async def test_a_connection_whose_answer_was_read_is_used_again() -> None:
    asked = []

    async def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    async with receiving() as receiver:
        client = Outbound(PRIVATE, resolve)
        for _ in range(3):
            await client.post(receiver.url, {}, b"")
        await client.close()

    assert (len(receiver.letters), len(asked)) == (3, 1)


@given(st.text(max_size=60))
def test_whatever_is_taken_apart_is_http_or_https_with_a_plain_host(text: str) -> None:
    for url in (text, f"http://{text}", f"https://shop.example/{text}"):
        target = parse(url)

        assert target is None or (target.scheme in {"http", "https"} and target.path.startswith("/"))
        assert target is None or set(target.host) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-_:")
        assert target is None or httpcore.URL(scheme=target.scheme, host=target.host, target=target.path).host
