"""A file is fetched from where everybody can reach it, whole or not at all, and nothing else is ever connected to."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator
from random import Random

import pytest
import trustme

from listener import Listener, Serve, listening, saying
from packshot.domain.errors import ImageTooLarge, InvalidValue, LimitReached, PackshotError, Unavailable
from packshot.services import outbound
from packshot.services.outbound import REFUSED, Outbound, OutboundSettings
from receiver import eventually

STRICT = OutboundSettings()
PRIVATE = OutboundSettings(allow_private=True)
LIMIT_BYTES = 100_000
FAILED = r"^The address is not available$"

FRIEND = "127.9.9.9"
"""An address of this machine that stands for one that everybody can reach."""

pytestmark = pytest.mark.allow_hosts(["127.0.0.1", "::1", FRIEND])

HOSTILE = (
    # this machine
    "http://127.0.0.1/", "http://127.0.0.1:80/", "http://127.000.000.001/", "http://127.0.0.1./", "http://127.1/",
    "http://127.0.1/", "http://2130706433/", "http://017700000001/", "http://0x7f000001/", "http://0x7F.0.0.1/",
    "http://0x7f.1/", "http://0177.0.0.1/", "http://0177.0.0.01/", "http://00000177.0.0.1/", "http://0x0000007f.0.0.1/",
    "http://127.0x0.0.1/", "http://127.0.0.1/../", "http://0/", "http://0.0.0.0/", "http://00.00.00.00/", "http://0x0/",
    "http://[::1]/", "http://[::]/", "http://[0:0:0:0:0:0:0:1]/", "http://[0000::1]/", "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/", "http://[0:0:0:0:0:ffff:127.0.0.1]/", "http://[::127.0.0.1]/", "http://[::7f00:1]/",
    "http://[::ffff:0:127.0.0.1]/", "http://[64:ff9b::127.0.0.1]/", "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b:1::7f00:1]/", "http://[2002:7f00:1::]/", "http://[2001:0:7f00:1::]/",
    "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/", "http://[2a00:1450::5efe:7f00:1]/",
    "http://[2a00:1450::200:5efe:127.0.0.1]/", "http://localhost/", "http://LOCALHOST/", "http://localhost./",
    "http://localhost.localdomain/", "http://127.0.0.1.nip.example/", "http://www.evil.example/",
    # its network, and what clouds put there
    "http://10.0.0.1/", "http://172.16.0.1/", "http://192.168.0.1/", "http://100.64.0.1/", "http://198.18.0.1/",
    "http://[fd00::1]/", "http://[fe80::1]/", "http://[fe80::1%25lo]/", "http://[::1%25lo]/", "http://[fec0::1]/",
    "http://169.254.169.254/latest/meta-data/", "http://169.254.170.2/v2/credentials", "http://2852039166/",
    "http://0xa9fea9fe/", "http://0251.0376.0251.0376/", "http://[::ffff:a9fe:a9fe]/", "http://[fd00:ec2::254]/",
    "http://metadata.google.internal/", "http://100.100.100.200/", "http://192.0.0.192/", "http://224.0.0.1/",
    "http://255.255.255.255/",
    # other ports
    "http://127.9.9.9:22/", "http://127.9.9.9:0/", "http://127.9.9.9:65536/", "http://127.9.9.9:-1/",
    "http://127.9.9.9:+80/", "http://127.9.9.9:8 0/", "http://127.9.9.9:\u0668\u0660/", "https://127.9.9.9:25/",
    # other schemes
    "ftp://127.0.0.1/", "file:///etc/passwd", "file://127.0.0.1/etc/passwd", "gopher://127.0.0.1/_x",
    "dict://127.0.0.1/", "ldap://127.0.0.1/", "tftp://127.0.0.1/", "jar:http://127.0.0.1!/", "data:image/png;base64,AA",
    "javascript:alert(1)", "http+unix://%2Frun%2Fdocker.sock/", "unix:/run/docker.sock", "view-source:http://127.0.0.1/",
    "h\u0442tp://127.9.9.9/", "\u210dttp://127.9.9.9/",
    # what one reader takes for the host and another one does not
    "http://127.9.9.9@127.0.0.1/", "http://127.0.0.1@127.9.9.9/", "http://user:word@127.9.9.9/", "http://@127.9.9.9/",
    "http://127.9.9.9:80@127.0.0.1/", "http://127.9.9.9%40127.0.0.1/", "http://127.9.9.9\\@127.0.0.1/",
    "http://127.9.9.9\\.evil.example/", "http:\\\\127.0.0.1\\", "http:/\\127.0.0.1/", "http://127.0.0.1\\.friend/",
    "http://127.0.0.1%00.friend.example/", "http://127.0.0.1\0.friend.example/", "http://127.0.0.1\t/",
    "http://127.0.0.1\r\nX: y/", "http://127.9.9.9\r\nHost: 127.0.0.1/", " http://127.0.0.1/", "http:// 127.0.0.1/",
    "http://127.9.9.9 127.0.0.1/", "http://127.0.0.1#@127.9.9.9/", "http://127.0.0.1?@127.9.9.9/",
    "http://127.0.0.1;127.9.9.9/", "http://127.9.9.9,127.0.0.1/", "http://[127.0.0.1]/", "http://[::1]@127.9.9.9/",
    "http://[::1].friend.example/", "http://[::1", "http://::1/", "http://[v1.127.0.0.1]/", "http://127.0.0.1%2f/",
    "http:///127.0.0.1/", "http:127.0.0.1/", "///127.0.0.1/", "//127.0.0.1/", "127.0.0.1", "http://", "",
    # letters and digits that look like others
    "http://127\u30020\u30020\u30021/", "http://127\uff0e0\uff0e0\uff0e1/", "http://127\uff610\uff610\uff611/",
    "http://\uff11\uff12\uff17.0.0.1/", "http://\u2460\u2461\u2466.0.0.1/", "http://\u0661\u0662\u0667.0.0.1/",
    "http://loc\u00adalhost/", "http://\u24db\u24de\u24d2al\u24d7ost/", "http://localho\u017ft/",
    "http://127.0.0.1\u2100.friend.example/", "http://127.9.9.9\uff0f@127.0.0.1/", "http://\ud800/",
    "http://127.0.0.1\u00a0/",
)  # fmt: skip


async def look_up(host: str, port: int) -> list[str]:
    """As the system reads numbers; every name is one of a server that wants us to look at ourselves."""
    if host.startswith("friend."):
        return [FRIEND]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    except socket.gaierror:
        return ["127.0.0.1"]
    return [str(entry[4][0]) for entry in found]


@pytest.fixture
async def canary(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listener]:
    """What listens on this machine, on the port that is the usual one in these tests."""
    async with listening(saying(b"HTTP/1.1 200 OK\r\n\r\nsecret")) as place:
        monkeypatch.setattr(outbound, "_PORTS", {"http": place.port, "https": place.port})
        public = outbound.is_public
        monkeypatch.setattr(outbound, "is_public", lambda address: address == FRIEND or public(address))
        yield place


async def outcome(client: Outbound, url: str) -> bytearray | PackshotError:
    try:
        return await client.fetch(url, LIMIT_BYTES)
    except PackshotError as error:
        return error


def refused(found: bytearray | PackshotError) -> bool:
    return isinstance(found, InvalidValue) and str(found) == REFUSED


async def test_no_hostile_address_is_ever_connected_to(canary: Listener) -> None:
    clients = [Outbound(STRICT, look_up, pad_s=0) for _ in HOSTILE]

    found = await asyncio.gather(*(outcome(client, url) for client, url in zip(clients, HOSTILE, strict=True)))

    assert [url for url, what in zip(HOSTILE, found, strict=True) if not refused(what)] == []
    assert canary.callers == 0


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://127.1/", "http://0x7f.1/", "http://www.evil.example/"])
async def test_the_canary_would_notice(url: str, canary: Listener) -> None:
    assert await Outbound(PRIVATE, look_up).fetch(url, LIMIT_BYTES) == b"secret"

    assert canary.callers == 1


async def test_no_redirect_leads_to_a_hostile_address(canary: Listener) -> None:
    async def send_on(path: str, writer: asyncio.StreamWriter) -> None:
        number = path.strip("/")
        elsewhere = HOSTILE[int(number)].encode("utf-8", "surrogatepass") if number.isdecimal() else b""
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: %s\r\n\r\n" % elsewhere)

    async with listening(send_on, FRIEND, canary.port) as friend:
        client = Outbound(STRICT, look_up, pad_s=0)
        found = [await outcome(client, f"http://friend.example/{number}") for number in range(len(HOSTILE))]

    assert friend.callers >= len(HOSTILE)
    assert canary.callers == 0
    for url, what in zip(HOSTILE, found, strict=True):
        assert isinstance(what, InvalidValue | Unavailable), url  # what is no address may name a file beside the other
        assert refused(what) or not re.fullmatch(r"http://[!-.0-~][!-~]*", url), url


async def test_a_name_that_means_something_else_each_time_never_leads_to_us(canary: Listener) -> None:
    random = Random(4)

    async def rebind(_host: str, _port: int) -> list[str]:
        return random.choice([[FRIEND], [FRIEND], ["127.0.0.1"], [FRIEND, "127.0.0.1"], ["127.0.0.1", FRIEND], ["::1"]])

    async def send_on(_path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://rebound.example/\r\n\r\n")

    async with listening(send_on, FRIEND, canary.port) as friend:
        client = Outbound(STRICT, rebind, pad_s=0)
        found = [await outcome(client, "http://rebound.example/") for _ in range(1_000)]

    assert canary.callers == 0
    assert friend.callers > 500
    assert {type(what) for what in found} == {InvalidValue, Unavailable}


HEAD = b"HTTP/1.1 200 OK\r\n"
LONG = b"Content-Length: 6\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

GOOD: dict[str, tuple[bytes, ...]] = {
    "its length told": (HEAD, LONG, b"abcdef"),
    "up to the end": (HEAD, b"\r\n", b"abcdef"),
    "as HTTP/1.0 has it": (b"HTTP/1.0 200 OK\r\n\r\n", b"abcdef"),
    "in chunks": (CHUNKED, b"2\r\nab\r\n4;x=y\r\ncdef\r\n0\r\nX: y\r\n\r\n"),
    "in chunks, a length told, too": (
        HEAD,
        b"Content-Length: 99\r\n",
        CHUNKED[len(HEAD) :],
        b"6\r\nabcdef\r\n0\r\n\r\n",
    ),
    "more of it than its length": (HEAD, LONG, b"abcdefghi"),
    "its plainness told": (HEAD, b"Content-Encoding: Identity\r\n", LONG, b"abcdef"),
    "after an interim answer": (b"HTTP/1.1 103 Early Hints\r\n\r\n", HEAD, LONG, b"abcdef"),
}
BAD: dict[str, tuple[bytes, ...]] = {
    "nothing": (),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n",),
    "half a head": (HEAD,),
    "a head without end": (HEAD + b"X: " + b"a" * 200_000,),
    "a status that is none": (b"HTTP/1.1 abc\r\n\r\n",),
    "less than its length": (HEAD, LONG, b"abcde"),
    "a length that is none": (HEAD, b"Content-Length: 6x\r\n\r\n", b"abcdef"),
    "a negative length": (HEAD, b"Content-Length: -6\r\n\r\n", b"abcdef"),
    "two lengths": (HEAD, b"Content-Length: 3\r\n", LONG, b"abcdef"),
    "half a chunk": (CHUNKED, b"6\r\nabc"),
    "no last chunk": (CHUNKED, b"6\r\nabcdef\r\n"),
    "a chunk of no size": (CHUNKED, b"x\r\nabcdef\r\n0\r\n\r\n"),
    "a chunk without end": (CHUNKED, b"6;", b"x" * 200_000),
    "only tiny chunks": (CHUNKED, b"1\r\nx\r\n" * 90_000, b"0\r\n\r\n"),
    "interim answers only": (b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,),
    "an upgrade": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", b"abcdef"),
    "a part": (b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-5/9\r\n", LONG, b"abcdef"),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n",),
    "nothing new": (b"HTTP/1.1 304 Not Modified\r\n\r\n",),
    "not found": (b"HTTP/1.1 404 Not Found\r\n", LONG, b"abcdef"),
    "a login": (b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n", LONG, b"abcdef"),
    "trouble": (b"HTTP/1.1 503 Service Unavailable\r\n", LONG, b"abcdef"),
    "gzip": (HEAD, b"Content-Encoding: gzip\r\n", LONG, b"abcdef"),
    "gzip of its own": (HEAD, b"Transfer-Encoding: gzip, chunked\r\n\r\n", b"6\r\nabcdef\r\n0\r\n\r\n"),
    "brotli": (HEAD, b"CONTENT-ENCODING: br\r\n", LONG, b"abcdef"),
    "gzip twice": (HEAD, b"Content-Encoding: identity, gzip\r\n", LONG, b"abcdef"),
    "a redirect to nowhere": (b"HTTP/1.1 302 Found\r\n\r\n",),
    "a redirect to itself": (b"HTTP/1.1 302 Found\r\nLocation: \r\n\r\n",),
    "a redirect without end": (b"HTTP/1.1 307 Again\r\nLocation: /picture.png?more\r\n\r\n",),
}
LARGE: dict[str, tuple[bytes, ...]] = {
    "a length over the limit": (HEAD, b"Content-Length: 100001\r\n\r\n"),
    "a length over all limits": (HEAD, b"Content-Length: 18446744073709551616\r\n\r\n"),
    "one byte too many": (HEAD, b"\r\n", b"x" * (LIMIT_BYTES + 1)),
    "too much in chunks": (CHUNKED, b"9\r\n" + b"x" * 9 + b"\r\n", b"fffff\r\n", b"x" * 0xFFFFF),
}


@pytest.mark.parametrize("name", GOOD)
async def test_a_file_comes_whole_however_it_is_sent(name: str) -> None:
    async with listening(saying(*GOOD[name])) as place:
        assert await Outbound(PRIVATE).fetch(place.url, LIMIT_BYTES) == b"abcdef"


@pytest.mark.parametrize("name", BAD)
async def test_what_is_no_whole_plain_file_fails_in_the_one_sentence(name: str) -> None:
    async with listening(saying(*BAD[name])) as place:
        with pytest.raises(Unavailable, match=FAILED):
            await Outbound(PRIVATE, pad_s=0).fetch(place.url, LIMIT_BYTES)


@pytest.mark.parametrize("name", LARGE)
async def test_a_file_over_the_limit_is_left(name: str) -> None:
    async with listening(saying(*LARGE[name])) as place:
        with pytest.raises(ImageTooLarge, match=rf"^The image has \d+ bytes, the limit is {LIMIT_BYTES}$"):
            await Outbound(PRIVATE).fetch(place.url, LIMIT_BYTES)


async def test_a_file_of_just_the_limit_is_taken() -> None:
    file = Random(4).randbytes(LIMIT_BYTES)
    async with listening(saying(HEAD, b"\r\n", file)) as place:
        assert await Outbound(PRIVATE).fetch(place.url, LIMIT_BYTES) == file


async def test_a_file_without_end_is_read_no_further_than_the_limit() -> None:
    said = 0

    async def serve(_path: str, writer: asyncio.StreamWriter) -> None:
        nonlocal said
        writer.write(HEAD + b"\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()
            said += 65_536

    async with listening(serve) as place:
        with pytest.raises(ImageTooLarge):
            await Outbound(PRIVATE).fetch(place.url, LIMIT_BYTES)

    assert said < 50 * 1024 * 1024  # what the system holds between two ends


async def test_a_large_file_may_come_in_many_chunks() -> None:
    file = Random(4).randbytes(3 * 1024 * 1024)
    pieces = [file[at : at + 128] for at in range(0, len(file), 128)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    async with listening(saying(CHUNKED, chunks, b"0\r\n\r\n")) as place:
        assert await Outbound(PRIVATE).fetch(place.url, len(file)) == file


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_three_redirects_are_followed_and_addresses_written_out(status: int) -> None:
    async def send_on(_path: str, writer: asyncio.StreamWriter) -> None:
        to = {1: b"?1", 2: b"//127.0.0.1:%d/a/b" % place.port, 3: b"../the b\xc3\xa4r"}.get(len(place.requests))
        writer.write(b"HTTP/1.1 %d On\r\nLocation: %s\r\n\r\n" % (status, to) if to else HEAD + LONG + b"abcdef")

    async with listening(send_on) as place:
        assert await Outbound(PRIVATE).fetch(f"{place.url}?b\u00e4r 0", LIMIT_BYTES) == b"abcdef"

    targets = [request.split()[1] for request in place.requests]
    assert targets == ["/picture.png?b%C3%A4r%200", "/picture.png?1", "/a/b", "/the%20b%C3%A4r"]


async def test_a_fourth_redirect_is_not_followed() -> None:
    async with listening(saying(b"HTTP/1.1 302 On\r\nLocation: /\r\n\r\n")) as place:
        with pytest.raises(Unavailable, match=FAILED):
            await Outbound(PRIVATE, pad_s=0).fetch(place.url, LIMIT_BYTES)

    assert len(place.requests) == 4


async def test_nothing_is_sent_along_but_what_the_file_needs() -> None:
    async def send_on(_path: str, writer: asyncio.StreamWriter) -> None:
        found = b"HTTP/1.1 302 On\r\nSet-Cookie: a=b\r\nLocation: /to\r\n\r\n"
        writer.write(HEAD + LONG + b"abcdef" if len(place.requests) > 1 else found)

    async with listening(send_on) as place:
        await Outbound(PRIVATE).fetch(f"{place.url}#secret", LIMIT_BYTES)

    more = "User-Agent: Packshot\r\nAccept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
    assert place.requests == [
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{place.port}\r\n{more}" for path in ("/picture.png", "/to")
    ]


async def test_a_redirect_may_lead_to_https_but_never_back(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("safe.example").configure_cert(server)
    safe_answers = [HEAD + LONG + b"abcdef", b"HTTP/1.1 302 On\r\nLocation: %s\r\n\r\n"]

    async def answer(_path: str, writer: asyncio.StreamWriter) -> None:
        said = safe_answers.pop(0)
        writer.write(said % plain.url.encode() if b"%s" in said else said)

    async def send_on(_path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 302 On\r\nLocation: https://safe.example:%d/\r\n\r\n" % safe.port)

    async with listening(answer, tls=server) as safe, listening(send_on) as plain:
        client = Outbound(PRIVATE, look_up, trusting, pad_s=0)

        there = await client.fetch(plain.url, LIMIT_BYTES)
        with pytest.raises(Unavailable, match=FAILED):
            await client.fetch(f"https://safe.example:{safe.port}/", LIMIT_BYTES)
        with pytest.raises(Unavailable, match=FAILED):
            await client.fetch(f"https://other.example:{safe.port}/", LIMIT_BYTES)

    assert there == b"abcdef"
    assert len(plain.requests) == 1


async def silent(_path: str, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3_600)


async def dribbling(_path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 9999\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("serve", [silent, dribbling])
async def test_a_slow_file_fails_however_often_something_comes(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "TOTAL_S", 0.1)
    async with listening(serve) as place:
        with pytest.raises(Unavailable, match=FAILED):
            await Outbound(PRIVATE, pad_s=0).fetch(place.url, LIMIT_BYTES)


async def test_words_and_time_do_not_tell_why_a_file_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    async def closed_port() -> str:
        async with listening(silent) as place:
            return place.url

    monkeypatch.setattr(outbound, "TOTAL_S", 0.1)
    async with listening(silent) as silence, listening(saying(b"HTTP/1.1 404 No\r\n\r\n")) as nothing:
        took: list[float] = []
        for url in (await closed_port(), silence.url, nothing.url):
            began = asyncio.get_running_loop().time()
            with pytest.raises(Unavailable, match=FAILED):
                await Outbound(PRIVATE, pad_s=0.2).fetch(url, LIMIT_BYTES)
            took.append(asyncio.get_running_loop().time() - began)
        for resolve in (look_up, unknown):
            began = asyncio.get_running_loop().time()
            with pytest.raises(InvalidValue, match=REFUSED):
                await Outbound(STRICT, resolve, pad_s=0.2).fetch("http://name.example/", LIMIT_BYTES)
            took.append(asyncio.get_running_loop().time() - began)

    assert min(took) >= 0.19  # a clock's grain below what was asked for


async def unknown(_host: str, _port: int) -> list[str]:
    raise socket.gaierror


async def test_two_files_are_fetched_at_once_and_a_failure_keeps_nobody_waiting() -> None:
    async def serve(_path: str, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.01)
        writer.write(b"HTTP/1.1 404 No\r\n\r\n")

    async with listening(serve) as place:
        client = Outbound(PRIVATE, pad_s=0.5)
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(outcome(client, place.url) for _ in range(20)))
        took_s = asyncio.get_running_loop().time() - began

    assert (place.callers, place.most) == (20, 2)
    assert took_s < 20 / 2 * 0.5  # had each kept its turn until it was told


async def test_whoever_waits_for_a_turn_too_long_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "WAIT_S", 0.02)

    async def both_came() -> bool:
        return place.callers == 2

    async with listening(silent) as place:
        client = Outbound(PRIVATE, pad_s=0)
        busy = [asyncio.create_task(client.fetch(place.url, LIMIT_BYTES)) for _ in range(2)]
        await eventually(both_came)

        with pytest.raises(LimitReached, match=r"^Too many files are being fetched$") as late:
            await client.fetch(place.url, LIMIT_BYTES)

        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
    assert late.value.retry_after_s > 0
    async with listening(saying(HEAD, LONG, b"abcdef")) as place:
        assert await client.fetch(place.url, LIMIT_BYTES) == b"abcdef"


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with listening(saying(HEAD, LONG, b"abcdef")) as place:
        assert await Outbound(PRIVATE).fetch(place.url, LIMIT_BYTES) == b"abcdef"
