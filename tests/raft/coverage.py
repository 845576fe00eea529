#!/usr/bin/env python3
"""tests/raft/coverage.py: which lines and branches of raft/ no test reaches.

    tests/raft/coverage.py [--only unit|scenarios|sim]... [--seeds N] [--build DIR]

Builds raft/ with counters in $WEIR_BUILD/coverage (default build/coverage), runs the unit tests of raft, all scenarios
and N seeds of the simulator (default 100), and prints for each file the lines and branches reached, then each that is
not, with its source. A line with ASSERT( or UNREACHABLE(, and a label before one, is not counted: it is there for what
cannot happen. What else may stay unreached is in coverage_waivers.txt beside this script, with the reason.

Exits 1 when something is unreached and not waived, or when a waiver is of no use any more.
"""
import argparse
import collections
import glob
import gzip
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WAIVERS = pathlib.Path(__file__).with_name("coverage_waivers.txt")
FLAGS = "-O0 -g --coverage -Wno-cpp"
RULE = ("ASSERT(", "UNREACHABLE(")


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


def build(folder, targets):
    run("cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", "-DCMAKE_C_COMPILER=gcc", "-DCMAKE_BUILD_TYPE=Debug",
        f"-DCMAKE_C_FLAGS_DEBUG={FLAGS}", "-DWEIR_TEST_HOOKS=ON", "-DWEIR_UNIT_FILTER=raft_")
    run("ninja", "-C", folder, *targets)


def play(folder, parts, seeds):
    for old in glob.glob(f"{folder}/CMakeFiles/weir_raft.dir/raft/*.gcda"):
        os.remove(old)
    commands = {"unit": [f"{folder}/weir_unit", "raft_"],
                "scenarios": [f"{folder}/weir_raft_scenarios", *sorted(glob.glob("tests/raft/scenarios/*.txt", root_dir=ROOT))],
                "sim": [f"{folder}/weir_raft_sim", "--seeds", "1", str(seeds)]}
    for part in parts:
        print(f"{part}: {run(*commands[part], cwd=ROOT).strip().splitlines()[-1]}", flush=True)


def counters(folder):
    """{file: {line: (count, [branch counts])}}"""
    found = collections.defaultdict(dict)
    with tempfile.TemporaryDirectory() as scratch:
        for notes in sorted(glob.glob(f"{folder}/CMakeFiles/weir_raft.dir/raft/*.gcno")):
            run("gcov", "--json-format", "--branch-probabilities", notes, cwd=scratch)
        for name in glob.glob(f"{scratch}/*.json.gz"):
            with gzip.open(name) as f:
                report = json.load(f)
            for file in report["files"]:
                path = os.path.relpath(os.path.join(report["current_working_directory"], file["file"]), ROOT)
                if path.startswith("raft/"):
                    add(found[path], file["lines"])
    return found


def add(lines, more):  # a line can have several entries: inlined, or in a header
    for line in more:
        count, branches = lines.get(line["line_number"], (0, []))
        lines[line["line_number"]] = (count + line["count"], branches + [b["count"] for b in line["branches"]])


def waivers():
    """{(file, source text)}; a line is `file: source text: reason`, the reason without a colon."""
    found = set()
    for line in WAIVERS.read_text(encoding="utf-8").splitlines() if WAIVERS.exists() else ():
        if line.strip() and not line.startswith("#"):
            path, rest = line.split(": ", 1)
            text, reason = rest.rsplit(": ", 1)
            assert reason, line
            found.add((path, text.strip()))
    return found


def by_rule(source, n):  # n from 1
    while re.fullmatch(r"\s*(case \w+|default):", source[n - 1]):
        n += 1
    return any(word in source[n - 1] for word in RULE)


def report(found, waived):
    missing, used, sums = [], set(), [0, 0, 0, 0]
    for path in sorted(found):
        source = (ROOT / path).read_text(encoding="utf-8").splitlines()
        lines = {n: v for n, v in found[path].items() if not by_rule(source, n)}
        gaps, branches = {}, [b for _, of_line in lines.values() for b in of_line]
        for n, (count, of_line) in sorted(lines.items()):
            if count == 0 or 0 in of_line:
                gaps[n] = "line" if count == 0 else f"{of_line.count(0)} of {len(of_line)} branches"
        figures = [sum(c > 0 for c, _ in lines.values()), len(lines), sum(b > 0 for b in branches), len(branches)]
        sums = [a + b for a, b in zip(sums, figures)]
        print("%-28s %4d of %4d lines  %4d of %4d branches" % (path, *figures))
        for n, what in gaps.items():
            text = source[n - 1].strip()
            if (path, text) in waived:
                used.add((path, text))
            else:
                missing.append(f"{path}:{n}: {what}: {text}")
    print("%-28s %4d of %4d lines  %4d of %4d branches" % ("together", *sums))
    return missing, sorted(waived - used)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", action="append", choices=("unit", "scenarios", "sim"))
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--build", default=os.environ.get("WEIR_BUILD", str(ROOT / "build")) + "/coverage")
    arguments = parser.parse_args()
    parts = arguments.only or ["unit", "scenarios", "sim"]
    targets = {"unit": "weir_unit", "scenarios": "weir_raft_scenarios", "sim": "weir_raft_sim"}
    build(arguments.build, [targets[part] for part in parts])
    play(arguments.build, parts, arguments.seeds)
    missing, useless = report(counters(arguments.build), waivers())
    print("".join(f"{line}\n" for line in missing), end="")
    if not arguments.only:
        for path, text in useless:
            missing.append(text)
            print(f"{path}: this waiver is of no use: {text}")
    print(f"{'0 passed, 1 failed' if missing else '1 passed, 0 failed'}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
