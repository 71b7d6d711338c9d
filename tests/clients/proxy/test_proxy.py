"""The trading server, and a REST API with topics beside it, through nginx.

Knows the wire; must not know how the servers work.
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "python"))

import test_trading  # noqa: E402
from websockets.exceptions import InvalidStatus  # noqa: E402
from websockets.sync.client import connect  # noqa: E402

PATIENCE = test_trading.PATIENCE


class TheTradingServerBehindNginx(test_trading.TheTradingServer):
    """All that is asked of the server alone, and what a proxy might keep to itself."""

    @classmethod
    def start(cls):
        server = test_trading.Server()
        server.address = nginx(cls, server.address)
        return server

    def test_a_ping_of_the_protocol_is_answered(self):
        with self.server.client() as client:
            self.assertTrue(client.socket.ping(b"are you there").wait(PATIENCE))

    def test_the_code_of_a_clients_close_reaches_the_server_and_comes_back(self):
        with self.server.client() as client:
            client.socket.close(4001, "enough")
            self.assertEqual(client.socket.protocol.close_rcvd.code, 4001)

    def test_a_page_of_the_same_host_is_let_in_and_another_is_not(self):
        url = f"ws://{self.server.address}/ws"
        with connect(url, origin=f"http://{self.server.address}", proxy=None):
            pass
        with self.assertRaises(InvalidStatus) as refused:
            connect(url, origin="http://elsewhere.example", proxy=None)
        self.assertEqual(refused.exception.response.status_code, 403)

    def test_the_document_and_health_are_served(self):
        self.assertEqual(json.loads(fetch(self.server.address, "/asyncapi.json"))["asyncapi"], "3.0.0")
        self.assertEqual(fetch(self.server.address, "/healthz"), b"ok\n")


class TheRestApiBehindNginx(unittest.TestCase):
    def setUp(self):
        program = os.environ.get("REST_SERVER")
        if not program:
            sys.exit("REST_SERVER is not set: run `cargo build -p fastws-tokio --example rest` "
                     "and set it to target/debug/examples/rest")
        process = subprocess.Popen([program, "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(end, process)
        found = re.fullmatch(r"read http://(.*)/docs", process.stdout.readline().strip())
        self.address = nginx(self, found[1])

    def test_one_cookie_opens_both_and_what_is_posted_reaches_who_listens(self):
        url = f"ws://{self.address}/ws"
        with self.assertRaises(InvalidStatus) as refused:
            connect(url, proxy=None)
        self.assertEqual(refused.exception.response.status_code, 401)
        cookie = self.post("/api/v1/login", {"name": "ann"}).headers["Set-Cookie"].split(";")[0]
        with connect(url, additional_headers={"Cookie": cookie}, proxy=None) as opened:
            client = test_trading.Client(opened)
            client.say("whoami", None)
            self.assertEqual(client.hear()["payload"], "ann")
            client.say("alerts.subscribe", None)
            self.assertEqual(client.hear()["payload"]["status"], "ok")
            told = self.post("/api/v1/alerts", {"symbol": "AAPL", "message": "it moves"}, cookie)
            self.assertEqual(json.load(told), 1)
            heard = client.hear()["payload"]
            self.assertEqual(heard, {"symbol": "AAPL", "message": "it moves", "by": "ann"})
            self.assertTrue(opened.ping().wait(PATIENCE))
            client.say("no.such.operation", {})
            self.assertEqual(client.closed(), (1003, "No matching type"))

    def post(self, path, body, cookie=""):
        headers = {"Content-Type": "application/json", "Cookie": cookie}
        return OPENER.open(
            urllib.request.Request(f"http://{self.address}{path}", json.dumps(body).encode(), headers),
            timeout=PATIENCE)


OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(address, path):
    with OPENER.open(f"http://{address}{path}", timeout=PATIENCE) as answer:
        return answer.read()


def nginx(case, upstream):
    """The address of a process in front of `upstream`, which ends with the case."""
    clean = case.addClassCleanup if isinstance(case, type) else case.addCleanup
    folder = tempfile.TemporaryDirectory()
    clean(folder.cleanup)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = (HERE / "nginx.conf").read_text().replace("PORT", str(port)).replace("UPSTREAM", upstream)
    config = Path(folder.name, "nginx.conf")
    config.write_text(text)
    process = subprocess.Popen(["nginx", "-p", folder.name, "-c", str(config)])
    clean(end, process)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return f"127.0.0.1:{port}"
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def end(process):
    process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()


if __name__ == "__main__":
    unittest.main()
