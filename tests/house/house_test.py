"""The house keeps its order: includes go the allowed way, files stay small, links lead somewhere."""

import re
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(sys.argv.pop(1)).resolve() if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]

# docs/architecture.md draws this table; a room may include itself, these rooms, and nothing else of src/.
PURE = {
    "base": set(),
    "model": {"base"},
    "placement": {"base", "model"},
    "controller": {"base", "model", "placement"},
    "volume": {"base", "model"},
    "plan": {"base", "model", "placement"},
    "sim": {"base", "model", "placement", "controller", "volume", "plan"},
}
EDGE = {"store", "pki", "records", "volumed", "guest", "network", "image", "fence", "heartbeat", "agent", "farm"}
FRONT = {"api", "cli"}
# Generated messages: the model turns those of api/aloft into values, the store alone speaks etcd's.
SCHEMA = {"aloft": {"model"} | EDGE | FRONT, "etcd": {"store"}}
# What a pure room must never see: threads, clocks, files, sockets.
WORLDLY = re.compile(
    r"#include <(thread|mutex|atomic|condition_variable|future|filesystem|fstream|iostream|random|unistd\.h|"
    r"fcntl\.h|sys/[a-z_]+\.h|netinet/.*|arpa/.*|boost/.*|sqlite3\.h|libvirt/.*|lxc/.*|openssl/.*|liburing\.h)>")
MAX_LINES = 800


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
                         cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / line for line in out.splitlines() if (ROOT / line).is_file()]


def room_of(path):
    parts = path.relative_to(ROOT).parts
    return parts[1] if len(parts) > 2 and parts[0] == "src" else None


class House(unittest.TestCase):
    def sources(self):
        return [p for p in tracked("src") if p.suffix in (".h", ".cc")]

    def test_every_room_is_known(self):
        known = set(PURE) | EDGE | FRONT | {"programs.d"}
        rooms = {room_of(p) for p in tracked("src")} - {None}
        self.assertEqual(rooms - known, set())

    def test_rooms_include_only_what_they_may(self):
        wrong = []
        for path in self.sources():
            room = room_of(path)
            if room is None:
                continue
            if room in PURE:
                allowed = PURE[room] | {room}
            elif room in EDGE:
                allowed = set(PURE) | EDGE
            else:
                allowed = set(PURE) | EDGE | FRONT
            for included in re.findall(r'^#include "([a-z_0-9]+)/', path.read_text(), re.M):
                if room in SCHEMA.get(included, set()):
                    continue
                if included not in allowed:
                    wrong.append(f"{path.relative_to(ROOT)} includes {included}/")
        self.assertEqual(wrong, [])

    def test_pure_rooms_do_not_touch_the_world(self):
        wrong = []
        for path in self.sources():
            if room_of(path) in PURE and room_of(path) != "base" and not path.stem.endswith(("_test", "_fuzz", "_bench")):
                for line in WORLDLY.findall(path.read_text()):
                    wrong.append(f"{path.relative_to(ROOT)}: <{line}>")
        self.assertEqual(wrong, [])

    def test_no_room_throws(self):
        wrong = [str(p.relative_to(ROOT)) for p in self.sources()
                 if re.search(r"^[^/\n\"]*\bthrow\b", p.read_text(), re.M)]
        self.assertEqual(wrong, [])

    def test_files_stay_below_the_limit(self):
        long = [f"{p.relative_to(ROOT)}: {n}" for p in tracked("src", "tests", "bench", "api")
                if p.suffix in (".h", ".cc", ".py", ".proto") and (n := p.read_text().count("\n")) > MAX_LINES]
        self.assertEqual(long, [])

    def test_every_room_has_a_short_readme(self):
        wrong = []
        for room in sorted({room_of(p) for p in tracked("src")} - {None, "programs.d"}):
            readme = ROOT / "src" / room / "README.md"
            if not readme.is_file() or readme.read_text().count("\n") > 40:
                wrong.append(room)
        self.assertEqual(wrong, [])

    def test_headers_are_included_once(self):
        wrong = [str(p.relative_to(ROOT)) for p in self.sources()
                 if p.suffix == ".h" and "#pragma once" not in p.read_text()]
        self.assertEqual(wrong, [])

    def test_sources_are_formatted(self):
        files = [str(p) for p in tracked("src", "tests", "bench") if p.suffix in (".h", ".cc")]
        done = subprocess.run(["clang-format-19", "--dry-run", "-Werror", *files], capture_output=True, text=True, cwd=ROOT)
        self.assertEqual(done.returncode, 0, done.stderr[:4000])

    def test_links_of_documents_lead_somewhere(self):
        broken = []
        for path in tracked("*.md"):
            text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
                if "://" in target or target.startswith("mailto:"):
                    continue
                if not (path.parent / target).exists():
                    broken.append(f"{path.relative_to(ROOT)} -> {target}")
        self.assertEqual(broken, [])


if __name__ == "__main__":
    unittest.main()
