"""`aloft` as its users meet it: results, errors, exit codes, terminals, signals."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest

REFERENCE = sys.argv.pop(3)
SERVER = sys.argv.pop(2)
ALOFT = sys.argv.pop(1)
PATIENCE = 60  # seconds; nothing asserts how long something takes


class Cli(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="aloft-cli-")
        self.addCleanup(self.folder.cleanup)
        self.state = os.path.join(self.folder.name, "state")
        os.mkdir(self.state)
        self.socket = os.path.join(self.state, "api.sock")
        self.environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": self.folder.name,
                            "ALOFT_SOCKET": self.socket, "TMPDIR": self.folder.name}
        for name in os.environ:
            if name.endswith("SAN_OPTIONS"):
                self.environment[name] = os.environ[name]
        self.server = subprocess.Popen([SERVER, self.state], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(self.stop_server)
        self.port = int(self.server.stdout.readline())

    def stop_server(self):
        if self.server.poll() is None:
            self.server.stdin.close()
            self.assertEqual(self.server.wait(PATIENCE), 0)
            self.server.stdout.close()

    def run_aloft(self, *arguments, input=None, **more):
        environment = {**self.environment, **more}
        return subprocess.run([ALOFT, *arguments], input=input, capture_output=True, env=environment, timeout=PATIENCE)

    def ok(self, *arguments, **more):
        done = self.run_aloft(*arguments, **more)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout.decode()

    def fails(self, code, reason, *arguments, **more):
        done = self.run_aloft(*arguments, **more)
        errors = done.stderr.decode()
        self.assertEqual(done.returncode, code, errors)
        self.assertIn(f"({reason})", errors)
        self.assertTrue(errors.startswith("aloft: "), errors)
        self.assertEqual(done.stdout, b"")
        return errors

    def test_a_guest_is_launched_listed_changed_and_deleted(self):
        done = self.run_aloft("launch", "busybox", "web1", "--memory", "64MiB", "--label", "site=berlin")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout.decode(), r"^guest web1 created, running on h1, 10\.77\.0\.5 \(.*s\)\n$")
        self.assertNotIn(b"\x1b", done.stdout + done.stderr)
        table = self.ok("ps")
        self.assertRegex(table, r"(?m)^NAME +STATE +HOST +CPUS +MEMORY +ADDRESS +IMAGE +AGE$")
        self.assertRegex(table, r"(?m)^web1 +running +h1 +1 +64 MiB +10\.77\.0\.5 +busybox +\d+s$")
        self.assertEqual(self.ok("guest", "list", "--label", "site=berlin", "-o", "name"), "web1\n")
        self.assertEqual(self.ok("guest", "list", "--state", "failed"), "")
        self.assertIn("PRIORITY", self.ok("ps", "-o", "wide"))
        self.assertEqual(json.loads(self.ok("ps", "-o", "json"))["items"][0]["metadata"]["name"], "web1")
        self.assertIn("memoryBytes: \"67108864\"", self.ok("guest", "show", "web1", "-o", "yaml"))
        self.assertRegex(self.ok("guest", "show", "web1"), r"(?m)^State: +running$")
        for verb, word in (("restart", "restarted"), ("kill", "killed"), ("freeze", "frozen"), ("thaw", "thawed"),
                           ("stop", "stopped"), ("start", "started")):
            self.assertIn(f"guest web1 {word}", self.ok("guest", verb, "web1"))
        self.assertIn("guest web1 resized", self.ok("guest", "resize", "web1", "--memory", "32MiB"))
        self.assertEqual(json.loads(self.ok("guest", "show", "web1", "-o", "json"))["spec"]["memoryBytes"], "33554432")
        self.assertIn("labelled", self.ok("guest", "label", "web1", "site-", "owner=ann"))
        self.assertEqual(json.loads(self.ok("guest", "show", "web1", "-o", "json"))["metadata"]["labels"], {"owner": "ann"})
        self.assertIn("guest web1 deleted", self.ok("guest", "delete", "web1"))
        self.assertEqual(self.ok("ps", "-o", "name"), "")

    def test_every_kind_is_listed_and_made(self):
        self.assertRegex(self.ok("image", "list"), r"(?m)^busybox +new")
        self.assertRegex(self.ok("host", "list"), r"(?m)^h1 +up")
        self.assertIn("host h1 is in maintenance", self.ok("host", "maintenance", "h1", "on"))
        self.assertIn("maintenance", self.ok("host", "list"))
        self.ok("network", "create", "lan", "--subnet", "10.77.0.0/24")
        self.assertIn("10.77.0.0/24", self.ok("network", "list"))
        self.ok("volume", "create", "data1", "--size", "1GiB")
        self.assertIn("grows to 2 GiB", self.ok("volume", "grow", "data1", "2GiB"))
        self.fails(7, "volume.shrink", "volume", "grow", "data1", "1GiB")
        self.ok("image", "add", "deb", "--from", "debian:bookworm")
        self.assertIn("image.create", self.ok("operation", "list"))
        operation = self.ok("operation", "list", "-o", "name").split()[0]
        self.assertIn(operation, self.ok("operation", "show", operation))
        self.assertIn("operation.asked", self.ok("event", "list", "--subject", "network/lan"))
        self.assertIn("host h1 ", self.ok("explain", "host/h1"))
        self.assertIn("is not ready", self.ok("explain", "volume/data1"))

    def test_wrong_arguments_are_refused_before_anything_is_asked(self):
        dead = {"ALOFT_SOCKET": "/nonexistent"}
        self.fails(2, "cli.unknown_noun", "geust", "list", **dead)
        self.fails(2, "cli.unknown_verb", "guest", "lsit", **dead)
        self.fails(2, "cli.unknown_option", "ps", "--al", **dead)
        self.fails(2, "guest.resize_nothing", "guest", "resize", "web1", **dead)
        self.fails(2, "name.invalid", "guest", "show", "Ünïcode", **dead)
        self.fails(2, "name.invalid", "guest", "show", "../../hosts/h1", **dead)
        self.fails(2, "size.invalid", "launch", "busybox", "web1", "--memory", "-1", **dead)
        self.fails(2, "cli.bad_size", "launch", "busybox", "web1", "--memory", "0", **dead)
        self.fails(2, "cli.bad_duration", "ps", "--timeout", "soon", **dead)
        self.fails(3, "cli.no_file", "launch", "busybox", "web1", "--cloud-init", "/nonexistent", **dead)
        done = subprocess.run([ALOFT.encode(), b"guest", b"show", b"\xff\xfe"], capture_output=True, env=self.environment, timeout=PATIENCE)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"(cli.not_utf8)", done.stderr)
        done.stderr.decode()

    def test_answers_of_the_api_keep_their_reason_and_exit_code(self):
        self.fails(3, "guest.not_found", "guest", "show", "web9")
        self.fails(7, "guest.image_missing", "launch", "none", "web1")
        self.ok("launch", "busybox", "web1")
        self.fails(4, "guest.already_exists", "launch", "busybox", "web1")
        errors = self.fails(6, "image.disk_full", "launch", "busybox", "fails1", "--quiet")
        self.assertIn("the disk is full; make room", errors)
        # One of several that fails does not keep the others from being done.
        done = self.run_aloft("guest", "restart", "web9", "web1", "--quiet")
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"guest web1 restarted", done.stdout)

    def test_a_dead_or_missing_socket_is_named(self):
        self.assertIn(self.socket + "x", self.fails(9, "cli.not_reachable", "ps", "--socket", self.socket + "x"))
        self.stop_server()
        self.fails(9, "cli.not_reachable", "ps")

    def test_dry_runs_and_detached_operations(self):
        self.assertIn("would be created; nothing was changed", self.ok("launch", "busybox", "web1", "--dry-run"))
        self.assertEqual(self.ok("ps", "-o", "name"), "")
        operation = self.ok("launch", "busybox", "stuck1", "--no-wait", "-o", "name").strip()
        self.assertRegex(operation, r"^op-[0-9a-f]+$")
        errors = self.fails(12, "cli.timeout", "operation", "wait", operation, "--timeout", "300ms", "--quiet")
        self.assertIn(f"aloft operation cancel {operation}", errors)
        self.assertIn("waits for its host", self.ok("explain", "guest/stuck1"))
        self.assertIn("cancelled", self.ok("operation", "cancel", operation))
        self.fails(10, "operation.cancelled", "operation", "wait", operation)

    def start_waiting(self, name):
        waiting = subprocess.Popen([ALOFT, "launch", "busybox", name], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self.environment, text=True)
        self.addCleanup(lambda: waiting.poll() is None and waiting.kill())
        first = waiting.stderr.readline()
        while "copying the image" not in first:
            self.assertTrue(first)
            first = waiting.stderr.readline()
        return waiting

    def test_ctrl_c_detaches_and_says_how_to_go_on(self):
        waiting = self.start_waiting("slow1")
        waiting.send_signal(signal.SIGINT)
        out, errors = waiting.communicate(timeout=PATIENCE)
        self.assertEqual(waiting.returncode, 130, errors)
        operation = re.search(r"aloft operation wait (op-\S+)", errors).group(1)
        self.assertIn(f"aloft operation cancel {operation}", errors)
        state = json.loads(self.ok("operation", "show", operation, "-o", "json"))["state"]
        self.assertEqual(state, "STATE_RUNNING")

    def test_a_server_that_goes_away_meanwhile_is_waited_for(self):
        waiting = self.start_waiting("slow1")
        self.stop_server()
        line = waiting.stderr.readline()
        while line and "waiting for it to come back" not in line:
            line = waiting.stderr.readline()
        self.assertTrue(line)
        waiting.send_signal(signal.SIGINT)
        waiting.communicate(timeout=PATIENCE)
        self.assertEqual(waiting.returncode, 130)

    def test_a_reader_that_goes_away_is_no_error(self):
        read_end, write_end = os.pipe()
        os.close(read_end)
        done = subprocess.run([ALOFT, "host", "list"], stdout=write_end, stderr=subprocess.PIPE, env=self.environment, timeout=PATIENCE)
        os.close(write_end)
        self.assertEqual((done.returncode, done.stderr), (141, b""))
        if os.path.exists("/dev/full"):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([ALOFT, "host", "list"], stdout=full, stderr=subprocess.PIPE, env=self.environment, timeout=PATIENCE)
            self.assertEqual(done.returncode, 6)
            self.assertIn(b"(cli.output)", done.stderr)

    def test_exec_gives_the_exit_code_of_the_command(self):
        self.ok("launch", "busybox", "web1")
        self.assertEqual(self.ok("exec", "web1", "--", "echo", "-n", "ü"), "echo\n-n\nü\n")
        done = self.run_aloft("exec", "web1", "--", "false")
        self.assertEqual((done.returncode, done.stderr), (3, b"wrong\n"))
        self.assertEqual(self.run_aloft("exec", "web9", "--", "true").returncode, 125)
        self.assertEqual(self.ok("logs", "web1"), "web1 said hello\n")

    def test_the_console_copies_both_ways_until_it_closes(self):
        self.ok("launch", "busybox", "web1")
        done = subprocess.Popen([ALOFT, "console", "web1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.environment)
        self.addCleanup(done.stdout.close)
        done.stdin.write(b"hello\xff\x00")
        done.stdin.flush()
        self.assertEqual(done.stdout.read(7), b"hello\xff\x00")
        done.stdin.write(b"q")
        done.stdin.close()
        self.assertEqual(done.wait(PATIENCE), 0)
        self.fails(3, "guest.not_found", "console", "web9")

    def read_terminal(self, terminal, wanted):
        seen = b""
        end = time.monotonic() + PATIENCE
        while wanted not in seen:
            self.assertLess(time.monotonic(), end, seen)
            if select.select([terminal], [], [], 1)[0]:
                try:
                    chunk = os.read(terminal, 4096)
                except OSError:
                    chunk = b""
                self.assertTrue(chunk, seen)
                seen += chunk
        return seen

    def test_a_terminal_is_raw_at_the_console_and_left_with_ctrl_bracket(self):
        self.ok("launch", "busybox", "web1")
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        child = subprocess.Popen([ALOFT, "console", "web1"], stdin=slave, stdout=slave, stderr=slave, env={**self.environment, "TERM": "xterm"})
        self.addCleanup(lambda: child.poll() is None and child.kill())
        self.read_terminal(master, b"Ctrl-] leaves it")
        os.write(master, b"\x03abc")  # the guest's Ctrl-C, not ours
        self.read_terminal(master, b"\x03abc")
        os.write(master, b"\x1d")
        self.assertEqual(child.wait(PATIENCE), 0)
        self.read_terminal(master, b"left the console of web1")
        os.close(slave)

    def on_terminal(self, *arguments, **more):
        master, slave = pty.openpty()
        child = subprocess.Popen([ALOFT, *arguments], stdin=slave, stdout=slave, stderr=slave, env={**self.environment, "TERM": "xterm", **more})
        os.close(slave)
        seen = b""
        try:
            while chunk := os.read(master, 4096):
                seen += chunk
        except OSError:
            pass
        os.close(master)
        self.assertEqual(child.wait(PATIENCE), 0, seen)
        return seen

    def test_terminals_get_color_unless_it_is_not_wanted(self):
        self.ok("launch", "busybox", "web1")
        self.assertIn(b"\x1b[32mrunning", self.on_terminal("ps"))
        for arguments, more in ((("ps",), {"NO_COLOR": "1"}), (("ps", "--no-color"), {}), (("ps",), {"TERM": "dumb"})):
            self.assertNotIn(b"\x1b", self.on_terminal(*arguments, **more))

    def test_https_with_a_token_from_a_file_or_profile(self):
        ca = os.path.join(self.state, "pki", "ca.crt")
        url = f"https://localhost:{self.port}"
        config = os.path.join(self.folder.name, ".config", "aloft")
        os.makedirs(config)
        token = os.path.join(config, "ci.token")
        secret = self.ok("token", "create", "ci", "--role", "viewer", "-q")
        with open(os.open(token, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(secret)
        self.assertIn("h1", self.ok("host", "list", "--host", url, "--ca", ca, "--token-file", token))
        self.fails(5, "api.forbidden", "launch", "busybox", "web1", "--host", url, "--ca", ca, "--token-file", token)
        self.fails(15, "api.unauthenticated", "ps", "--host", url, "--ca", ca)
        self.fails(15, "cli.tls", "ps", "--host", url)
        self.fails(9, "cli.not_reachable", "ps", "--host", "https://127.0.0.1:1", "--ca", ca)
        self.fails(2, "cli.bad_host", "ps", "--host", f"http://localhost:{self.port}")
        with open(os.path.join(config, "farm.profile"), "w") as file:
            file.write(f"# the farm\nhost = {url}\nca = {ca}\ntoken-file = ci.token\n")
        self.assertIn("h1", self.ok("host", "list", "--profile", "farm"))
        self.fails(3, "cli.no_profile", "ps", "--profile", "other")
        os.chmod(token, 0o644)
        self.fails(5, "cli.token_exposed", "ps", "--profile", "farm")
        self.assertIn("ci", self.ok("token", "list"))
        self.ok("token", "delete", "ci")
        os.chmod(token, 0o600)
        self.fails(15, "token.unknown", "ps", "--profile", "farm")

    def test_edit_changes_what_the_editor_changed(self):
        self.ok("launch", "busybox", "web1")
        self.assertIn("changed", self.ok("guest", "edit", "web1", EDITOR="sed -i 's/^spec:/spec:\\n  priority: 7/'"))
        self.assertEqual(json.loads(self.ok("guest", "show", "web1", "-o", "json"))["spec"]["priority"], 7)
        self.assertIn("nothing was changed", self.run_aloft("guest", "edit", "web1", EDITOR="true").stderr.decode())
        errors = self.fails(2, "cli.bad_yaml", "guest", "edit", "web1", EDITOR="sed -i 's/^spec:/spec: [/'")
        kept = re.search(r"kept in (\S+\.yaml)", errors).group(1)
        self.assertTrue(os.path.exists(kept))
        self.fails(10, "cli.edit", "guest", "edit", "web1", EDITOR="false")
        self.fails(2, "json.invalid", "guest", "edit", "web1", EDITOR="sed -i 's/^spec:/spec:\\n  colour: red/'")

    def test_events_are_followed_as_they_happen(self):
        follower = subprocess.Popen([ALOFT, "event", "follow", "--after", "0", "-o", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment, text=True)
        self.addCleanup(follower.stdout.close)
        self.addCleanup(follower.stderr.close)
        self.addCleanup(lambda: follower.poll() is None and follower.kill())
        self.ok("launch", "busybox", "web1")
        self.assertEqual(json.loads(follower.stdout.readline())["subject"], "guest/web1")
        follower.send_signal(signal.SIGINT)
        self.assertEqual(follower.wait(PATIENCE), 130)

    def test_help_and_completion(self):
        self.assertIn("Nouns:", self.ok())
        self.assertIn("Nouns:", self.ok("--help"))
        self.assertIn("resize", self.ok("guest", "--help"))
        self.assertIn("Examples:", self.ok("guest", "launch", "-h"))
        self.assertIn("aloft guest launch", self.ok("help", "guest", "launch"))
        self.assertIn("130", self.ok("help", "exit-codes"))
        self.assertRegex(self.ok("version"), r"^aloft \d")
        script = self.ok("completion", "bash")
        probe = script + """
COMP_WORDS=(aloft guest res); COMP_CWORD=2; _aloft; echo "${COMPREPLY[*]}"
COMP_WORDS=(aloft guest list --state fr); COMP_CWORD=4; _aloft; echo "${COMPREPLY[*]}"
COMP_WORDS=(aloft host show ''); COMP_CWORD=3; _aloft; echo "${COMPREPLY[*]}"
COMP_WORDS=(aloft launch busybox web1 --mem); COMP_CWORD=4; _aloft; echo "${COMPREPLY[*]}"
"""
        done = subprocess.run(["bash", "-c", probe], capture_output=True, text=True, timeout=PATIENCE,
                              env={**self.environment, "PATH": os.path.dirname(ALOFT) + ":" + self.environment["PATH"]})
        self.assertEqual(done.stdout.splitlines(), ["restart resize", "frozen", "h1", "--memory --memory-max"], done.stderr)

    def test_the_reference_page_is_current(self):
        page = self.ok("help", "--markdown")
        with open(REFERENCE, encoding="utf-8") as file:
            self.assertEqual(page, file.read(), "write it anew: aloft help --markdown >docs/reference/cli.md")


if __name__ == "__main__":
    unittest.main()
