"""The model of leases and take-over (lease.pml) is safe in every reachable state; each rule broken is seen.

docs/design/0003-lease-model.md says what the model holds and what it leaves out.
"""

import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

MODEL = Path(__file__).resolve().parent / "lease.pml"

# Explored to the end: no state violates S1, S2, S3 or S4. Fewest states that must have been seen: a model that
# shrinks by accident proves nothing.
PROOFS = {
    "two_replicas_with_a_crash_and_a_pause_through_three_epochs":
        (dict(REPLICAS=3, MAX_EPOCH=3, CRASHES=1, PAUSES=1), 1_500_000),
    "two_replicas_with_longer_grants_and_two_crashes_and_two_pauses":
        (dict(REPLICAS=3, MAX_EPOCH=2, CRASHES=2, PAUSES=2, GRANT=3), 1_000_000),
    "three_replicas_with_a_crash_and_a_pause":
        (dict(REPLICAS=7, MAX_EPOCH=2, CRASHES=1, PAUSES=1, WRITES=0), 1_000_000),
    "three_replicas_through_three_epochs":
        (dict(REPLICAS=7, MAX_EPOCH=3, CRASHES=0, PAUSES=0, WRITES=0), 900_000),
    "three_replicas_with_writes":
        (dict(REPLICAS=7, MAX_EPOCH=2, CRASHES=0, PAUSES=0), 400_000),
}

TWO = dict(REPLICAS=3, MAX_EPOCH=3, CRASHES=1, PAUSES=1)
THREE = dict(REPLICAS=7, MAX_EPOCH=3, CRASHES=1, PAUSES=0)

# One rule broken each: a counter-example must be found.
DEFECTS = {
    "DEFECT_OPENS_EARLY": TWO,
    "DEFECT_WAITS_FOR_THE_LAST_OWNER_ONLY": dict(THREE, CRASHES=0, WRITES=0),
    "DEFECT_RENEWS_AFTER_AGREEING": TWO,
    "DEFECT_FORGETS_GRANTS_IN_A_CRASH": TWO,
    "DEFECT_COUNTS_FROM_THE_ANSWER": TWO,
    "DEFECT_NO_MARGIN": TWO,
    "DEFECT_SKIPS_THE_EPOCH": TWO,
    "DEFECT_PROMOTES_STALE": TWO,
    "DEFECT_CHANGES_WITHOUT_COMPARE": TWO,
    "DEFECT_THAWS_WITHOUT_CAS": TWO,
    "DEFECT_COUNTS_NEW_MEMBER_LATE": TWO,
    "DEFECT_DROPS_AN_OFFER_BY_TIMEOUT": TWO,
    "DEFECT_NO_GATE": TWO,
    "DEFECT_ACKNOWLEDGES_WITHOUT_A_SILENT_MEMBER": TWO,
    "DEFECT_ACTS_UNDER_AN_EPOCH_NOT_DURABLE": TWO,
}

# Must be reachable, else the model is safe because nothing happens in it.
REACHED = {
    "REACH_SECOND_TAKE_OVER": TWO,
    "REACH_THAW": TWO,
    "REACH_MEMBER_RETURNS": TWO,
    "REACH_WRITE_OF_A_SECOND_OWNER": TWO,
}


def explore(directory, defines, switch=None):
    """Compiles and runs one search; gives spin's report as text."""
    where = Path(directory) / (switch or "_".join(f"{k}{v}" for k, v in defines.items()))
    where.mkdir()
    shutil.copy(MODEL, where)
    flags = [f"-D{name}={value}" for name, value in defines.items()] + ([f"-D{switch}"] if switch else [])
    optimise = "-O0" if switch else "-O3"
    for command in (["spin", "-a", *flags, MODEL.name],
                    ["gcc", "-w", optimise, "-DSAFETY", "-DCOLLAPSE", "-DMEMLIM=1800", "-o", "pan", "pan.c"]):
        done = subprocess.run(command, cwd=where, capture_output=True, text=True)
        if done.returncode != 0:
            return f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}"
    done = subprocess.run(["./pan", "-m100000", "-w22"], cwd=where, capture_output=True, text=True)
    shutil.rmtree(where)
    return done.stdout + done.stderr


class LeaseModel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        jobs = {name: (defines, None) for name, (defines, _) in PROOFS.items()}
        jobs |= {switch: (defines, switch) for switch, defines in (DEFECTS | REACHED).items()}
        with tempfile.TemporaryDirectory(prefix="aloft-model-") as directory, \
                concurrent.futures.ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
            running = {name: pool.submit(explore, directory, *job) for name, job in jobs.items()}
            cls.reports = {name: future.result() for name, future in running.items()}

    def proof(self, name):
        report = self.reports[name]
        self.assertRegex(report, r"errors: 0\b", report[-3000:])
        self.assertIn("+ Partial Order Reduction", report)
        for cut_short in ("max search depth too small", "Search not completed", "out of memory", "truncated"):
            self.assertNotIn(cut_short, report)
        states = int(re.search(r"(\d+) states, stored", report)[1])
        self.assertGreaterEqual(states, PROOFS[name][1])
        seconds = re.search(r"elapsed time ([\d.e+-]+)", report)
        print(f"{name}: {states:,} states, no violation, {seconds[1] if seconds else '?'} s", file=sys.stderr)

    def found(self, switch):
        report = self.reports[switch]
        self.assertRegex(report, r"assertion violated", report[-3000:])


def add(kind, name, title):
    setattr(LeaseModel, title, lambda self: kind(self, name))


for _name in PROOFS:
    add(LeaseModel.proof, _name, f"test_{_name}_never_violate_safety")
for _name in DEFECTS:
    add(LeaseModel.found, _name, f"test_{_name.removeprefix('DEFECT_').lower()}_is_found")
for _name in REACHED:
    add(LeaseModel.found, _name, f"test_{_name.removeprefix('REACH_').lower()}_is_reached")

if __name__ == "__main__":
    unittest.main()
