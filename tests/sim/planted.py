#!/usr/bin/env python3
"""tests/sim/planted.py: does the simulator find what it is there to find?

    tests/sim/planted.py                    every planted bug
    tests/sim/planted.py commit session     those whose name holds one of the words
    --seeds N      give up after so many seeds of a scenario (default 1000)
    --build DIR    keep the copy of the tree and its build there, for the next time

Each tests/sim/planted/NAME.patch plants one bug in a copy of the tree; its first lines say what it breaks and
which scenario is to find it. The copy is built with sanitizers and weir_sim runs, seed after seed, until one fails.
Prints for each bug the seed that found it, the check that failed and the time it took. Exits 1 if one is not found or
no longer applies, or if the tree without any bug fails.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FIRST_SEEDS = 40


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


def build(tree, directory):
    return run(["ninja", "-C", directory, "weir_sim"], cwd=tree)


def head_of(patch):
    with open(patch) as f:
        text = f.read()
    return {key: value.strip() for key, value in re.findall(r"^# (breaks|found by): (.*)$", text, re.M)}


def find(directory, scenario, seeds_max):
    """(seed, what failed), or None."""
    first, count = 1, FIRST_SEEDS
    while first <= seeds_max:
        count = min(count, seeds_max - first + 1)
        done = run([os.path.join(directory, "weir_sim"), scenario, "--seeds", str(first), str(count)])
        if done.returncode != 0:
            lines = done.stdout.splitlines()
            for at, line in enumerate(lines):
                found = re.match(r"FAILED \S+ seed (\d+)", line)
                if found:
                    why = [l for l in lines[:at] if re.search(r"\.[ch]:\d+:|ERROR|signal", l)]
                    return int(found.group(1)), (why[0] if why else line).strip()[:150]
            return first, (lines or ["?"])[-1]
        first, count = first + count, count * 2
    return None


def plant(tree, directory, patch, seeds_max):
    """True when the bug is found."""
    name, head = os.path.basename(patch)[:-len(".patch")], head_of(patch)
    applied = run(["patch", "-p1", "--no-backup-if-mismatch", "-i", patch], cwd=tree)
    if applied.returncode != 0:
        print(f"{name}: does not apply any more\n{applied.stdout}")
        return False
    built = build(tree, directory)
    if built.returncode != 0:
        print(f"{name}: does not build\n{built.stdout[-2000:]}")
        found = None
    else:
        start = time.monotonic()
        found = find(directory, head["found by"], seeds_max)
        took = time.monotonic() - start
        if found:
            print(f"{name}: found by seed {found[0]} of {head['found by']} in {took:.1f} s\n    {found[1]}")
        else:
            print(f"{name}: NOT FOUND by {seeds_max} seeds of {head['found by']} in {took:.1f} s")
    sys.stdout.flush()
    must(["patch", "-p1", "-R", "--no-backup-if-mismatch", "-i", patch], cwd=tree)
    return found is not None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*")
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--build")
    options = parser.parse_args()
    home = options.build or tempfile.mkdtemp(prefix="weir-planted-")
    tree, directory = os.path.join(home, "tree"), os.path.join(home, "build")
    os.makedirs(tree, exist_ok=True)
    copy_tree(tree)
    must(["cmake", "-S", tree, "-B", directory, "-G", "Ninja", "-DWEIR_SANITIZE=address,undefined",
          "-DWEIR_TEST_HOOKS=ON"])
    built = build(tree, directory)
    if built.returncode != 0:
        sys.exit(built.stdout[-4000:])
    folder = os.path.join(HERE, "planted")
    patches = [os.path.join(folder, n) for n in sorted(os.listdir(folder)) if n.endswith(".patch")]
    patches = [p for p in patches
               if not options.words or any(w in os.path.basename(p) for w in options.words)]
    missed = 0
    for scenario in sorted({head_of(p)["found by"] for p in patches}):
        wrong = find(directory, scenario, FIRST_SEEDS)
        if wrong:
            print(f"without any bug: seed {wrong[0]} of {scenario} fails: {wrong[1]}")
            missed += 1
    for patch in patches:
        missed += not plant(tree, directory, patch, options.seeds)
    print(f"{len(patches)} planted, {missed} not found")
    if not options.build:
        shutil.rmtree(home)
    return 1 if missed else 0


sys.exit(main())
