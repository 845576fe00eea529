#!/usr/bin/env python3
"""tools/bench/groups.py: what the group coordinator costs, beside Apache Kafka if that is asked for.

    tools/dev bench groups [--kafka] [--pairs N] [--only members|commits|groups|lag]

members   1,000 members of the classic protocol join one group at once, by a connection each: the time until all
          have an assignment less the initial delay, and the broker's processor time
commits   offset commits on 64 connections, each answered when it is durable: commits a second
groups    10,000 groups with one member and one commit: the broker's memory, and how long a start after kill -9
          takes until the offsets of a group are answered
lag       `weir group lag` over 1,000 groups: wall time of the command

Kafka runs with its defaults: it answers a commit when it is in its page cache.
"""
import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "clients"))
sys.dont_write_bytecode = True
from node import WEIR, Node, free_port, run  # noqa: E402 pylint: disable=wrong-import-position

TICKS = os.sysconf("SC_CLK_TCK")
KAFKA = str(ROOT / "tests" / "oracle" / "kafka")
DELAY_MS = 3000
LOAD = os.environ.get("WEIR_GROUP_LOAD") or str(pathlib.Path(WEIR).with_name("weir_group_load"))


class Weir(Node):
    """The broker with Kafka's initial delay, unless told otherwise."""
    name = "weir"

    def pid(self):
        return self.process.pid


class Kafka:
    name = "kafka"

    def __init__(self, *settings):
        self.dir, self.settings, self.at = tempfile.mkdtemp(prefix="weir-bench-"), settings, None

    def __enter__(self):
        for tries in range(3):
            port = free_port()
            try:
                run(KAFKA, "start", self.dir, "-p", str(port), *self.settings, timeout=300)
            except AssertionError:  # its second port, the next one, was taken
                if tries == 2:
                    raise
                continue
            self.at = f"127.0.0.1:{port}"
            break
        return self

    def __exit__(self, *_):
        run(KAFKA, "stop", self.dir)
        shutil.rmtree(self.dir, ignore_errors=True)

    def pid(self):
        return int(next(pathlib.Path(self.dir).rglob("*pid*")).read_text(encoding="ascii"))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


def load(server, *words):
    """The load's figures, with the processor seconds of the broker meanwhile."""
    before = cpu_seconds(server.pid())
    figures = json.loads(run(LOAD, server.at, *map(str, words), timeout=600))
    figures["cpu_s"] = cpu_seconds(server.pid()) - before
    return figures


def topic(server):
    run(WEIR, "topic", "create", "load", "-p", "1000", "-b", server.at, timeout=120)
    # Makes the offsets topic. By hand: a member would be left behind, and the measured run wait for its session's end.
    load(server, "commits", 1, 1)


def members(kind):
    with kind(f"group.initial.rebalance.delay.ms={DELAY_MS}") as server:
        topic(server)
        got = load(server, "members", 1000)
    return {"assigned after delay, ms": got["assigned_ms"] - DELAY_MS, "broker CPU-s": got["cpu_s"]}


def commits(kind):
    with kind("group.initial.rebalance.delay.ms=0") as server:
        topic(server)
        load(server, "commits", 64, 3)
        got = load(server, "commits", 64, 8)
    return {"commits/s": got["commits_per_s"], "CPU us/commit": got["cpu_s"] / 9 / got["commits_per_s"] * 1e6}


def wait_for_group(server):
    command = (WEIR, "offsets", "load", "--group", "load-1", "-b", server.at)
    begin = time.monotonic()
    while subprocess.run(command, capture_output=True, check=False).returncode and time.monotonic() < begin + 60:
        pass
    return time.monotonic() - begin


def groups(kind):
    with kind("group.initial.rebalance.delay.ms=0") as server:
        topic(server)
        load(server, "groups", 10000)
        figures = {"RSS MiB": memory_mib(server.pid())}
        if kind is Weir:
            server.kill9()
            begin = time.monotonic()
            server.start()
            wait_for_group(server)
            figures["restart s"] = time.monotonic() - begin
            figures["RSS MiB after it"] = memory_mib(server.pid())
    return figures


def lag(kind):
    with kind("group.initial.rebalance.delay.ms=0") as server:
        topic(server)
        load(server, "groups", 1000)
        took = []
        for _ in range(5):
            begin = time.monotonic()
            run(WEIR, "group", "lag", "load-*", "-b", server.at)
            took.append(time.monotonic() - begin)
    return {"ms": statistics.median(took) * 1000}


PROGRAMS = {"members": members, "commits": commits, "groups": groups, "lag": lag}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kafka", action="store_true", help="also Apache Kafka, in turn")
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--only", choices=PROGRAMS)
    args = parser.parse_args()
    if not pathlib.Path(LOAD).exists():
        sys.exit("skipped: weir_group_load is not built (a build with tests makes it)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    for name, program in PROGRAMS.items():
        for _ in range(args.pairs if args.only in (None, name) else 0):
            for kind in (Kafka, Weir) if args.kafka else (Weir,):
                figures = "  ".join(f"{key} {value:.1f}" for key, value in program(kind).items())
                print(f"{name:8} {kind.name:6} {figures}", flush=True)


main()
