"""A bucket of a real S3 server: SeaweedFS from PyPI, started once for all tests of a process and ended with it."""

import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from uuid import uuid4

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

ACCESS, SECRET, BUCKET = "packshot-tests", "not-a-secret", "packshot-tests"
PATIENCE_S = 60


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@cache
def environment() -> Mapping[str, str]:
    """The `AWS_*` variables that lead to the server, which runs from now on."""
    folder = Path(tempfile.mkdtemp(prefix="bucket-"))
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": ACCESS, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}), "utf-8")
    ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
    arguments = [f"-{name}.port={port}" for name, port in ports.items()]
    arguments += [f"-{name}.port.grpc={free_port()}" for name in ports]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [Path(sys.executable).with_name("weed"), "server", f"-dir={folder}", "-ip=127.0.0.1", "-volume.max=100",
             "-master.volumeSizeLimitMB=64", "-s3", f"-s3.config={folder / 's3.json'}", "-s3.port.iceberg=0",
             "-s3.port.lance=0", *arguments],
            stdout=log, stderr=log,
        )  # fmt: skip
    atexit.register(_end, server, folder)
    found = {
        "AWS_ACCESS_KEY_ID": ACCESS,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports['s3']}",
    }
    os.environ.update(found)
    _wait_for_a_put(server)
    return found


def _wait_for_a_put(server: "subprocess.Popen[bytes]") -> None:
    store = S3Store(BUCKET, client_options={"allow_http": True}, retry_config={"max_retries": 0})
    end = time.monotonic() + PATIENCE_S
    while True:
        assert server.poll() is None, "the S3 server ended by itself"
        try:
            obstore.put(store, "ready", b"yes")
        except BaseError:
            assert time.monotonic() < end, "the S3 server does not answer"
            time.sleep(0.05)
        else:
            return


def _end(server: "subprocess.Popen[bytes]", folder: Path) -> None:
    server.kill()  # it would take its time, and nobody needs what it keeps
    server.wait()
    shutil.rmtree(folder)


def new() -> str:
    """The address of an empty place in the bucket. A test may have set another way to the server: it is kept."""
    for name, value in environment().items():
        os.environ.setdefault(name, value)
    return f"s3://{BUCKET}/{uuid4().hex}"
