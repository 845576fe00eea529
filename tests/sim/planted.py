#!/usr/bin/env python3
"""tests/sim/planted.py: does the simulator find what it is there to find?

    tests/sim/planted.py                    every planted bug
    tests/sim/planted.py commit session     those whose name holds one of the words
    tests/sim/planted.py --raft             bugs of the Raft core: weir_raft_sim, tests/raft/planted
    --seeds N      give up after so many seeds of a scenario (default 1000; with --raft 10000)
    --build DIR    keep the copy of the tree and its build there, for the next time

Each NAME.patch plants one bug in a copy of the tree; its first lines say what it breaks and what is to find it: a
scenario, or laws (tests/raft/check.h). The copy is built with sanitizers and the simulator runs, seed after seed, until
one fails. Prints for each bug the seed that found it, the check that failed and the time it took. Exits 1 if one is not
found or no longer applies, or if the tree without any bug fails.
"""
import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FIRST_SEEDS, SOUND_SEEDS = 4, 40
HEADS = r"^# (breaks|found by): (.*)$"


class Simulator:
    """Which program plays the seeds, what is planted, and what a run of it plays."""

    def __init__(self, raft):
        self.program = "weir_raft_sim" if raft else "weir_sim"
        self.folder = os.path.join(ROOT, "tests", "raft" if raft else "sim", "planted")
        self.seeds_max = 10000 if raft else 1000
        self.scenarios = not raft

    def arguments(self, head):
        return [head["found by"]] if self.scenarios else []

    def plays(self, head):
        return head["found by"] if self.scenarios else self.program

    def failed(self, line):
        return re.match(r"FAILED \S+ seed (\d+)" if self.scenarios else r"FAILED seed (\d+)", line)


def run(command, **more):
    return subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False, **more)


def must(command, **more):
    done = run(command, **more)
    if done.returncode != 0:
        sys.exit(" ".join(command) + "\n" + done.stdout[-4000:])
    return done.stdout


def copy_tree(to):
    """Files that git knows, as they are in the working tree; unchanged ones keep their times, others go."""
    names = {name for name in must(["git", "-C", ROOT, "ls-files", "-z"]).split("\0")
             if name and os.path.isfile(os.path.join(ROOT, name))}
    for folder, _, files in os.walk(to):
        for name in files:
            path = os.path.join(folder, name)
            if os.path.relpath(path, to) not in names:
                os.remove(path)
    for name in sorted(names):
        source, target = os.path.join(ROOT, name), os.path.join(to, name)
        with open(source, "rb") as f:
            text = f.read()
        if os.path.exists(target):
            with open(target, "rb") as f:
                if f.read() == text:
                    continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as f:
            f.write(text)
        shutil.copymode(source, target)


def build(tree, directory, sim):
    return run(["nice", "ninja", "-C", directory, sim.program], cwd=tree)


def head_of(patch):
    with open(patch) as f:
        text = f.read()
    return {key: value.strip() for key, value in re.findall(HEADS, text, re.M)}


def why_of(lines):
    """The line that says what failed."""
    for pattern in (r"^law |^assertion failed", r"\.[ch]:\d+:|ERROR|signal"):
        for line in lines:
            if re.search(pattern, line):
                return line
    return lines[-1]


def find(directory, sim, head, seeds_max):
    """(seed, what failed), or None."""
    first, count = 1, FIRST_SEEDS
    while first <= seeds_max:
        count = min(count, seeds_max - first + 1)
        done = run(["nice", os.path.join(directory, sim.program), *sim.arguments(head),
                    "--seeds", str(first), str(count)])
        if done.returncode != 0:
            lines = done.stdout.splitlines()
            for at, line in enumerate(lines):
                found = sim.failed(line)
                if found:
                    return int(found.group(1)), why_of(lines[:at + 1]).strip()[:150]
            return first, (lines or ["?"])[-1]
        first, count = first + count, count * 2
    return None


def plant(tree, directory, sim, patch, seeds_max):
    """The seconds it took to find the bug, or None."""
    name, head = os.path.basename(patch)[:-len(".patch")], head_of(patch)
    command = ["patch", "-p1", "--no-backup-if-mismatch", "-i", patch]
    applies = run([*command, "--dry-run"], cwd=tree)
    if applies.returncode != 0:
        print(f"{name}: does not apply any more\n{applies.stdout}")
        return None
    must(command, cwd=tree)
    built = build(tree, directory, sim)
    found, took = None, 0.0
    if built.returncode != 0:
        print(f"{name}: does not build\n{built.stdout[-2000:]}")
    else:
        start = time.monotonic()
        found = find(directory, sim, head, seeds_max)
        took = time.monotonic() - start
        if found:
            print(f"{name}: found by seed {found[0]} of {sim.plays(head)} in {took:.1f} s\n    {found[1]}")
        else:
            print(f"{name}: NOT FOUND by {seeds_max} seeds of {sim.plays(head)} in {took:.1f} s")
    sys.stdout.flush()
    must([*command, "-R"], cwd=tree)
    return took if found else None


def prepare(home, sim):
    """A copy of the tree without any bug, built: (tree, build folder)."""
    tree, directory = os.path.join(home, "tree"), os.path.join(home, "build")
    os.makedirs(tree, exist_ok=True)
    copy_tree(tree)
    must(["cmake", "-S", tree, "-B", directory, "-G", "Ninja", "-DWEIR_SANITIZE=address,undefined",
          "-DWEIR_TEST_HOOKS=ON"])
    built = build(tree, directory, sim)
    if built.returncode != 0:
        sys.exit(built.stdout[-4000:])
    return tree, directory


def sound(directory, sim, heads):
    """How many scenarios fail without any bug."""
    wrong = 0
    for head in {sim.plays(h): h for h in heads}.values():
        failed = find(directory, sim, head, SOUND_SEEDS)
        if failed:
            print(f"without any bug: seed {failed[0]} of {sim.plays(head)} fails: {failed[1]}")
            wrong += 1
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*")
    parser.add_argument("--raft", action="store_true")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--build")
    options = parser.parse_args()
    sim = Simulator(options.raft)
    home = options.build or tempfile.mkdtemp(prefix="weir-planted-")
    tree, directory = prepare(home, sim)
    patches = [os.path.join(sim.folder, n) for n in sorted(os.listdir(sim.folder)) if n.endswith(".patch")]
    patches = [p for p in patches
               if not options.words or any(w in os.path.basename(p) for w in options.words)]
    wrong = sound(directory, sim, [head_of(p) for p in patches])
    took = [plant(tree, directory, sim, p, options.seeds or sim.seeds_max) for p in patches]
    found = [seconds for seconds in took if seconds is not None]
    print(f"{len(patches)} planted, {len(took) - len(found)} not found; "
          f"found in {statistics.median(found or [0]):.1f} s (median), {max(found, default=0):.1f} s at most")
    if not options.build:
        shutil.rmtree(home)
    return 1 if wrong or len(found) < len(took) else 0


sys.exit(main())
