"""The trading server as the `websockets` package sees it, a client that this project did not write.

Knows the wire; must not know how the server works.
"""

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from contextlib import contextmanager
from pathlib import Path

try:
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect
except ImportError:
    sys.exit("the package websockets is missing: pip install -r tests/clients/python/requirements.txt")

PATIENCE = 20  # seconds, after which a server that has not said what was due has failed
BARS = {"symbol": "AAPL", "params": {"resolution": "1"}}


class TheTradingServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.start()
        cls.addClassCleanup(cls.server.end)

    @classmethod
    def start(cls):
        return Server()

    # protocol: M7
    # trading: O1
    def test_a_ping_is_answered_with_its_own_timestamp(self):
        with self.server.client("/api/v1/ws") as client:
            client.say("simple.ping", {"timestamp": 1234567890})
            pong = client.hear()
            self.assertEqual(pong["type"], "simple.pong")
            self.assertEqual(pong["payload"]["timestamp"], 1234567890)
            self.assertIsInstance(pong["payload"]["server_time"], int)

    # protocol: T12 T13
    # trading: O2 O3
    def test_a_subscription_begins_and_ends_with_its_responses(self):
        with self.server.client("/api/v1/ws") as client:
            client.say("bars.subscribe", BARS)
            begun = client.hear()
            self.assertEqual(begun["type"], "bars.subscribe.response")
            self.assertEqual(begun["payload"]["status"], "ok")
            self.assertEqual(begun["payload"]["topic"], "bars:AAPL:1")

            client.say("bars.unsubscribe", BARS)
            ended = client.hear(lambda message: message["type"] != "bars.update")
            self.assertEqual(ended["type"], "bars.unsubscribe.response")
            self.assertEqual(ended["payload"]["status"], "ok")

            # Nothing of the topic may follow that response.
            client.say("simple.ping", {"timestamp": 1})
            self.assertEqual(client.hear()["type"], "simple.pong")

    # protocol: M5
    # trading: O4
    def test_a_subscriber_gets_updates_that_name_their_topic(self):
        with self.server.client("/api/v1/ws") as client:
            client.say("bars.subscribe", BARS)
            self.assertEqual(client.hear()["type"], "bars.subscribe.response")
            update = client.hear()
            self.assertEqual(update["type"], "bars.update")
            self.assertEqual(update["topic"], "bars:AAPL:1")
            self.assertIn("close", update["payload"])

    # protocol: E4
    def test_an_unknown_type_closes_with_1003(self):
        with self.server.client() as client:
            client.say("no.such.operation", {})
            self.assertEqual(client.closed(), (1003, "No matching type"))

    # protocol: E3
    def test_a_payload_of_the_wrong_shape_closes_with_1003(self):
        with self.server.client() as client:
            client.say("strict", {"value": "not_an_int", "name": 123})
            self.assertEqual(client.closed(), (1003, "Could not validate payload"))

    # protocol: T1
    # trading: O7
    def test_an_update_reaches_every_listener_of_its_topic(self):
        with self.server.client() as ann, self.server.client() as bob:
            for client in (ann, bob):
                client.say("quotes.subscribe", {"symbol": "MSFT"})
                response = client.hear()
                self.assertEqual(response["type"], "quotes.subscribe.response")
                self.assertEqual(response["payload"]["topic"], "quotes:MSFT")
            # Ann was there first: whatever Bob hears live, she hears too.
            bob.hear()
            live = bob.hear()
            self.assertEqual(live["topic"], "quotes:MSFT")
            ann.hear(lambda message: message == live)

    def test_quotes_move(self):
        with self.server.client() as client:
            client.say("quotes.subscribe", {"symbol": "BTCUSD"})
            self.assertEqual(client.hear()["payload"]["status"], "ok")
            first = client.hear()
            self.assertEqual(first["type"], "quotes.update")
            self.assertEqual(first["payload"]["symbol"], "BTCUSD")
            self.assertLessEqual(first["payload"]["bid"], first["payload"]["ask"])
            moved = client.hear(lambda message: message["payload"]["last"] != first["payload"]["last"])
            self.assertGreaterEqual(moved["payload"]["time"], first["payload"]["time"])


class TheTradingServerOverTls(TheTradingServer):
    """All of it once more, and the page's document by a client of HTTPS."""

    @classmethod
    def start(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        chain, key = (str(Path(folder.name, name)) for name in ("chain.pem", "key.pem"))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-out", chain, "-keyout", key],
            check=True, stderr=subprocess.DEVNULL)
        return Server("--tls-cert", chain, "--tls-key", key, known=ssl.create_default_context(cafile=chain))

    # trading: S22
    def test_the_document_is_read_to_its_end(self):
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.server.known))
        with opener.open(f"https://{self.server.address}/asyncapi.json", timeout=PATIENCE) as answer:
            self.assertEqual(json.load(answer)["asyncapi"], "3.0.0")


class Shutdown(unittest.TestCase):
    # trading: S4
    def test_sigterm_closes_everybody_with_1001_and_ends_the_process_with_0(self):
        server = Server()
        self.addCleanup(server.end)
        with server.client() as ann, server.client("/api/v1/ws") as bob:
            ann.say("quotes.subscribe", {"symbol": "AAPL"})
            self.assertEqual(ann.hear()["payload"]["status"], "ok")
            server.process.send_signal(signal.SIGTERM)
            for client in (ann, bob):
                self.assertEqual(client.closed(), (1001, "Server shutting down"))
            self.assertEqual(server.process.wait(PATIENCE), 0)


class Server:
    """A trading server of its own on a free port, ended by `end` at the latest."""

    def __init__(self, *options, known=None):
        self.known = known
        program = os.environ.get("TRADING_SERVER")
        if not program:
            sys.exit("TRADING_SERVER is not set: run `cargo build -p fastws-smol --example trading` "
                     "and set it to target/debug/examples/trading")
        self.process = subprocess.Popen(
            [program, "--listen", "127.0.0.1:0", "--seed", "1", *options], stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            found = re.fullmatch(r"listening on https?://(127\.0\.0\.1:\d+)", line.strip())
            if found:
                self.address = found[1]
                return
        raise RuntimeError(f"{program} ended without saying where it listens")

    @contextmanager
    def client(self, path="/ws"):
        scheme = "wss" if self.known else "ws"
        with connect(f"{scheme}://{self.address}{path}", ssl=self.known, open_timeout=PATIENCE,
                     close_timeout=PATIENCE, proxy=None) as socket:
            yield Client(socket)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Client:
    def __init__(self, socket):
        self.socket = socket

    def say(self, kind, payload):
        self.socket.send(json.dumps({"type": kind, "payload": payload}))

    def hear(self, fits=lambda message: True):
        """The next message that fits; those before it are dropped."""
        deadline = time.monotonic() + PATIENCE
        while True:
            text = self.socket.recv(timeout=deadline - time.monotonic())
            if not isinstance(text, str):
                raise AssertionError("messages are text")
            message = json.loads(text)
            if fits(message):
                return message

    def closed(self):
        """The code and reason of the server's close; what comes before it is dropped."""
        deadline = time.monotonic() + PATIENCE
        try:
            while True:
                self.socket.recv(timeout=deadline - time.monotonic())
        except ConnectionClosed as end:
            return (end.rcvd.code, end.rcvd.reason) if end.rcvd else (1006, "")


if __name__ == "__main__":
    unittest.main()
