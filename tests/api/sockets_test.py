"""The API over its unix socket and over HTTPS, as curl and rude clients see it."""

import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

SERVER = sys.argv.pop(1)
WEB1 = json.dumps({"metadata": {"name": "web1"}, "spec": {"image": "busybox", "cpus": 1, "memoryBytes": "67108864"}})
PATIENCE = 60  # seconds; nothing asserts how long something takes


class Api(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="aloft-api-")
        self.addCleanup(self.folder.cleanup)
        self.start()

    def start(self):
        self.server = subprocess.Popen([SERVER, self.folder.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.stop)
        self.port = int(self.server.stdout.readline())
        self.socket = os.path.join(self.folder.name, "api.sock")
        self.pki = os.path.join(self.folder.name, "pki")

    def stop(self):
        if self.server.poll() is None:
            self.server.stdin.close()
            self.assertEqual(self.server.wait(PATIENCE), 0)
            self.server.stdout.close()

    def curl(self, *arguments, data=None):
        done = subprocess.run(["curl", "-sS", "-m", str(PATIENCE), "-w", "\n%{http_code}", *arguments],
                              input=data, capture_output=True, text=True, timeout=2 * PATIENCE)
        body, _, status = done.stdout.rpartition("\n")
        return int(status or 0), body, done

    def local(self, method, path, data=None, *more):
        arguments = ["--unix-socket", self.socket, "-X", method, f"http://aloft{path}", *more]
        return self.curl(*arguments, *(["-d", "@-"] if data is not None else []), data=data)[:2]

    def https(self, path, *more, data=None):
        return self.curl("--cacert", f"{self.pki}/ca.crt", f"https://localhost:{self.port}{path}", *more, data=data)[:2]

    def raw(self):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(PATIENCE)
        client.connect(self.socket)
        self.addCleanup(client.close)
        return client

    @staticmethod
    def read_all(client):
        data = b""
        try:
            while chunk := client.recv(65536):
                data += chunk
        except ConnectionResetError:
            pass
        return data

    def test_guests_are_made_and_read_over_the_unix_socket(self):
        status, body = self.local("POST", "/v1/guests", WEB1)
        self.assertEqual(status, 202, body)
        self.assertEqual(json.loads(body)["kind"], "guest.create")
        status, body = self.local("GET", "/v1/guests/web1")
        self.assertEqual(status, 200, body)
        self.assertEqual(json.loads(body)["metadata"]["name"], "web1")
        status, body = self.local("POST", "/v1/guests", WEB1)
        self.assertEqual(status, 409)
        self.assertEqual(json.loads(body)["reason"], "guest.already_exists")
        status, body = self.local("POST", "/v1/guests/web1:exec", json.dumps({"command": ["uname", "-a"]}))
        self.assertEqual(status, 200, body)
        status, body = self.local("GET", "/openapi.json")
        self.assertIn("/v1/guests/{name}:exec", json.loads(body)["paths"])
        self.assertEqual(self.local("GET", "/healthz"), (200, "ok\n"))
        self.assertIn("aloft_build_info", self.local("GET", "/metrics")[1])

    def test_a_body_of_a_gigabyte_is_refused_before_it_is_read(self):
        size = 1 << 30
        for expect in (b"", b"Expect: 100-continue\r\n"):
            client = self.raw()
            client.sendall(b"POST /v1/guests HTTP/1.1\r\nHost: aloft\r\nContent-Length: %d\r\n%s\r\n" % (size, expect))
            # Not a byte of the body was sent.
            answer = client.recv(65536)
            self.assertIn(b" 413 ", answer.split(b"\r\n")[0])
            self.assertIn(b"api.body_too_large", answer)
            client.close()
        # A client that pushes regardless gets the answer too.
        path = os.path.join(self.folder.name, "large")
        with open(path, "wb") as file:
            file.truncate(size)
        status, body, _ = self.curl("--unix-socket", self.socket, "-X", "POST", "http://aloft/v1/guests", "-T", path)
        self.assertEqual(status, 413, body)
        # Without a length, by chunks, it ends at the limit.
        client = self.raw()
        client.sendall(b"POST /v1/guests HTTP/1.1\r\nHost: aloft\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        try:
            for _ in range(40):
                client.sendall(chunk)
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.assertIn(b" 413 ", self.read_all(client).split(b"\r\n")[0])

    def test_rude_requests_are_answered_and_the_server_lives_on(self):
        for request, expected in (
                (b"GARBAGE\r\n\r\n", b" 400 "),
                (b"GET /v1/guests HTTP/9.9\r\n\r\n", b" 400 "),
                (b"GET /v1/guests HTTP/1.1\r\nX: " + b"y" * 40000 + b"\r\n\r\n", b" 400 "),
                (b"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b" 400 "),
                (b"GET /v1/guests%00 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b" 400 "),
                (b"TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b" 405 "),
                (b"POST /v1/guests HTTP/1.1\r\nContent-Length: -5\r\n\r\n", b" 400 ")):
            client = self.raw()
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
            answer = self.read_all(client)
            self.assertIn(expected, answer.split(b"\r\n")[0], request[:40])
        half = self.raw()
        half.sendall(b"POST /v1/guests HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
        half.close()
        self.assertEqual(self.local("GET", "/healthz")[0], 200)
        for body in ("{", '{"spec":{"colour":1}}', '{"metadata":{"name":"%s"}}' % ("a" * 64)):
            self.assertEqual(self.local("POST", "/v1/guests", body)[0], 400)
        path = os.path.join(self.folder.name, "name")
        with open(path, "wb") as file:
            file.write(b'{"metadata":{"name":"\xff\xfe"}}')
        status, body, _ = self.curl("--unix-socket", self.socket, "http://aloft/v1/guests", "--data-binary", f"@{path}")
        self.assertEqual(status, 400, body)

    def test_a_connection_serves_many_requests(self):
        client = self.raw()
        for _ in range(3):
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Request-Id: my-id\r\n\r\n")
            answer = b""
            while not answer.endswith(b"ok\n"):
                chunk = client.recv(65536)
                self.assertTrue(chunk)
                answer += chunk
            self.assertIn(b"X-Request-Id: my-id\r\n", answer)
        # Two at once are answered in order.
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = self.read_all(client)
        self.assertLess(answer.index(b" 200 "), answer.index(b" 404 "))

    def test_https_asks_for_credentials_and_knows_certificates_and_tokens(self):
        self.assertEqual(self.https("/healthz")[0], 200)
        status, body = self.https("/v1/guests")
        self.assertEqual(status, 401)
        self.assertEqual(json.loads(body)["reason"], "api.unauthenticated")
        admin = ["--cert", f"{self.pki}/admin.crt", "--key", f"{self.pki}/admin.key"]
        self.assertEqual(self.https("/v1/guests", *admin)[0], 200)
        json_type = ["-H", "Content-Type: application/json"]
        made = {}
        for role, lifetime in (("VIEWER", 3600), ("OPERATOR", 3600), ("ADMIN", 1)):
            status, body = self.https("/v1/tokens", *admin, *json_type, "-d", json.dumps(
                {"name": role.lower(), "role": f"ROLE_{role}", "lifetimeS": lifetime}))
            self.assertEqual(status, 201, body)
            made[role] = ["-H", "Authorization: Bearer " + json.loads(body)["secret"]]
        self.assertEqual(self.https("/v1/guests", *made["VIEWER"])[0], 200)
        status, body = self.https("/v1/guests", *made["VIEWER"], *json_type, "-d", WEB1)
        self.assertEqual(status, 403)
        self.assertIn("operator", json.loads(body)["message"])
        self.assertEqual(self.https("/v1/guests", *made["OPERATOR"], *json_type, "-d", WEB1)[0], 202)
        deadline = time.monotonic() + PATIENCE
        while (answer := self.https("/v1/tokens", *made["ADMIN"]))[0] == 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(answer[0], 401)
        self.assertEqual(json.loads(answer[1])["reason"], "token.expired")
        status, body = self.https("/v1/guests", "-H", "Authorization: Bearer nonsense")
        self.assertEqual((status, json.loads(body)["reason"]), (401, "token.unknown"))

    def test_https_refuses_strangers_and_old_protocols(self):
        other = tempfile.mkdtemp(dir=self.folder.name)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", "/O=admin/CN=mallory", "-keyout", f"{other}/k", "-out", f"{other}/c"],
                       check=True, capture_output=True)
        status, _ = self.https("/v1/guests", "--cert", f"{other}/c", "--key", f"{other}/k")
        self.assertIn(status, (0, 401))
        status, _, done = self.curl(f"https://localhost:{self.port}/healthz")
        self.assertEqual(status, 0, done.stdout)  # curl trusts no authority it was not told of
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as plain:
            plain.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
            self.assertNotIn(b" 200 ", self.read_all(plain))
        self.assertEqual(self.https("/healthz")[0], 200)

    def test_keys_are_kept_over_a_restart_and_hidden_from_others(self):
        def read(name):
            with open(f"{self.pki}/{name}") as file:
                return file.read()
        before = {name: read(name) for name in ("ca.crt", "api.crt", "admin.crt")}
        for name in ("ca.key", "api.key", "admin.key"):
            self.assertEqual(os.stat(f"{self.pki}/{name}").st_mode & 0o777, 0o600)
        self.assertEqual(os.stat(self.socket).st_mode & 0o777, 0o660)
        self.stop()
        self.assertFalse(os.path.exists(self.socket))
        self.start()
        self.assertEqual({name: read(name) for name in before}, before)

    def test_a_second_server_on_the_same_socket_is_refused_and_a_dead_one_replaced(self):
        second = subprocess.run([SERVER, self.folder.name], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(second.returncode, 1)
        self.assertIn("api.socket_in_use", second.stderr)
        self.assertEqual(self.local("GET", "/healthz")[0], 200)
        self.server.kill()
        self.server.communicate()
        self.assertTrue(os.path.exists(self.socket))
        self.start()
        self.assertEqual(self.local("GET", "/healthz")[0], 200)

    def test_a_console_is_a_raw_stream_both_ways(self):
        self.local("POST", "/v1/guests", WEB1)
        status, body = self.local("POST", "/v1/guests/web1:console")
        self.assertEqual(status, 400)
        for wrap in (False, True):
            if wrap:
                context = ssl.create_default_context(cafile=f"{self.pki}/ca.crt")
                context.load_cert_chain(f"{self.pki}/admin.crt", f"{self.pki}/admin.key")
                client = context.wrap_socket(socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE), server_hostname="localhost")
                self.addCleanup(client.close)
            else:
                client = self.raw()
            client.sendall(b"POST /v1/guests/web1:console HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: aloft-console\r\n\r\nearly")
            data = b""
            while not data.endswith(b"early"):
                chunk = client.recv(4096)
                self.assertTrue(chunk, data)
                data += chunk
            self.assertTrue(data.startswith(b"HTTP/1.1 101 "), data)
            for line in (b"hello\n", b"\x00\xff\x01", b"x" * 200):
                client.sendall(line)
                answer = b""
                while len(answer) < len(line):
                    chunk = client.recv(4096)
                    self.assertTrue(chunk)
                    answer += chunk
                self.assertEqual(answer, line)
            client.sendall(b"q")  # the guest's end closes
            try:
                self.assertEqual(client.recv(10), b"")
            except (ssl.SSLError, ConnectionResetError):
                pass
        # A client that goes away takes its console with it.
        client = self.raw()
        client.sendall(b"POST /v1/guests/web1:console HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: aloft-console\r\n\r\n")
        self.assertIn(b" 101 ", client.recv(4096))
        client.close()
        self.assertEqual(self.local("GET", "/healthz")[0], 200)

    def test_watches_and_events_stream_until_the_client_leaves(self):
        client = self.raw()
        client.sendall(b"GET /v1/watch?kinds=guests,operations HTTP/1.1\r\nHost: a\r\n\r\n")
        data = b""
        while b"event: synced" not in data:
            data += client.recv(65536)
        self.assertIn(b"Content-Type: text/event-stream", data)
        self.local("POST", "/v1/guests", WEB1)
        while b"guest.create" not in data or b'"name":"web1"' not in data:
            chunk = client.recv(65536)
            self.assertTrue(chunk)
            data += chunk
        client.close()
        self.assertEqual(self.local("GET", "/v1/watch?kinds=people")[0], 400)
        # More than may be open at one time: those that left have made room.
        for _ in range(150):
            follower = self.raw()
            follower.sendall(b"GET /v1/events?follow=true HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertIn(b" 200 ", follower.recv(4096))
            follower.close()
        followers = [self.raw() for _ in range(20)]
        for follower in followers:
            follower.sendall(b"GET /v1/events?follow=true HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertIn(b" 200 ", follower.recv(4096))
        self.assertEqual(self.local("GET", "/healthz")[0], 200)

    def test_many_clients_at_once_are_all_served(self):
        failures = []

        def client(number):
            for _ in range(5):
                status, body = self.local("PATCH", "/v1/guests/web1", json.dumps({"metadata": {"labels": {f"l{number}": "x"}}}),
                                          "-H", "Content-Type: application/json")
                if status != 200:
                    failures.append((status, body))
        self.local("POST", "/v1/guests", WEB1)
        threads = [threading.Thread(target=client, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        labels = json.loads(self.local("GET", "/v1/guests/web1")[1])["metadata"]["labels"]
        self.assertEqual(len(labels), 8)

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_other_users_of_the_machine_have_no_role_on_the_unix_socket(self):
        os.chmod(self.folder.name, 0o755)
        os.chmod(self.socket, 0o666)
        done = subprocess.run(["curl", "-sS", "-w", "\n%{http_code}", "--unix-socket", self.socket, "http://aloft/v1/guests"],
                              capture_output=True, text=True, timeout=PATIENCE, user=65534, group=65534, extra_groups=[])
        self.assertTrue(done.stdout.endswith("\n403"), done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
