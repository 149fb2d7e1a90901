"""Clients that upload bombs until they are ended, in a process of their own.

Arguments: port, path and product id of catalog.productImage.add. It says a line once each kind of bomb was refused.
"""

import base64
import itertools
import os
import socket
import sys
import threading
import time

import msgspec

from benchmarks import pictures, uploads
from benchmarks.load import LoadError

PIXEL_CLIENTS, HEADER_CLIENTS = 2, 2
"""How many upload bombs that keep a worker busy, one after the other, and such as never get to one."""

HEADER_PAUSE_S = 0.05
"""Without a pause those would be a flood of requests, which is something else."""


def main() -> None:
    """Upload until the process is ended."""
    # Whoever uploads does so from elsewhere: here they only get the time that nobody else wants.
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    port, path, product_id = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    kinds = [(pictures.bomb_by_pixels(), 0.0)] * PIXEL_CLIENTS + [
        (pictures.bomb_by_header(), HEADER_PAUSE_S)
    ] * HEADER_CLIENTS
    refused = threading.Barrier(len(kinds) + 1)
    for bomb, pause_s in kinds:
        request = _request(path, product_id, bomb)
        threading.Thread(target=_upload, args=(port, request, pause_s, refused), daemon=True).start()
    refused.wait(60)
    sys.stdout.write("all are refused\n")
    sys.stdout.flush()
    sys.stdin.read()


def _request(path: str, product_id: int, bomb: bytes) -> bytes:
    content = {"fields": {"productId": product_id}, "fileContent": ["bomb.png", base64.b64encode(bomb).decode()]}
    body = msgspec.json.encode(content)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _upload(port: int, request: bytes, pause_s: float, refused: threading.Barrier) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        for turn in itertools.count():
            connection.sendall(request)
            answer = uploads.read_answer(connection)
            if not answer.startswith(b"HTTP/1.1 400 "):
                refused.abort()
                raise LoadError(f"a bomb was not refused: {answer.decode(errors='replace')}")
            if not turn:
                refused.wait(60)
            time.sleep(pause_s)


if __name__ == "__main__":
    main()
