"""A DELETE as Node's http module sends it: the body right behind the headers, and no Content-Length."""

from pathlib import Path

from serving import dial, serving

BODY = '{"guids":["2d273599-962a-498c-be07-cec9e80bacf2"]}'


def test_it_is_told_so_in_the_words_of_the_protocol_and_then_the_connection_ends(tmp_path: Path) -> None:
    answers = []
    with serving(tmp_path / "data") as server:
        keys = "".join(f"{name}: {server.facts[name]}\r\n" for name in ("web_api_key", "app_key"))
        for headers in (keys, "", f"{keys}Content-Length: {len(BODY)}\r\nConnection: close\r\n"):
            with dial(server) as connection:
                connection.sendall(
                    f"DELETE /v3/delete_images HTTP/1.1\r\nHost: shop.test\r\n{headers}\r\n{BODY}".encode()
                )
                answers.append(b"".join(iter(lambda: connection.recv(65_536), b"")).decode())

    unframed, unknown, framed = answers
    assert unframed.startswith("HTTP/1.1 400 ")
    assert "No request body arrived" in unframed
    assert unframed.count("HTTP/1.1") == 1
    assert "Missing or unauthorized api credentials" in unknown
    assert unknown.count("HTTP/1.1") == 1
    assert "2d273599-962a-498c-be07-cec9e80bacf2" in framed
    assert framed.startswith("HTTP/1.1 200 ")


def test_other_requests_with_something_behind_them_are_refused_as_ever(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server, dial(server) as connection:
        connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: shop.test\r\n\r\n{BODY}".encode())
        answer = b"".join(iter(lambda: connection.recv(65_536), b"")).decode()

    assert "Invalid HTTP request received." in answer
