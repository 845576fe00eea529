#!/usr/bin/env python3
"""kill -9 under load: a librdkafka producer writes on, the broker is killed and started again; afterwards every
acknowledged record is at the offset it was acknowledged at, once, and the order of each partition is the
order of writing.

    kill_test.py [rounds [records]]
"""
import os
import random
import subprocess
import sys
import threading

from node import Node, Tests, WEIR, run

RDKAFKA = os.path.join(os.path.dirname(WEIR), "weir_rdkafka")
PARTITIONS = 4


class Writer(threading.Thread):
    """Collects what is acknowledged, line by line, while the broker comes and goes."""

    def __init__(self, node, count):
        super().__init__()
        self.acked = {}
        self.last = ""
        self.moved = threading.Condition()
        self.process = subprocess.Popen(
            [RDKAFKA, "write", node.at, "kill", str(PARTITIONS), "0", str(count), "batch.num.messages=10"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self):
        for line in self.process.stdout:
            with self.moved:
                if "passed" in line:
                    self.last = line.strip()
                else:
                    partition, offset, value = (int(word) for word in line.split())
                    self.acked[value] = (partition, offset)
                self.moved.notify_all()
        with self.moved:
            self.last = self.last or "ended"
            self.moved.notify_all()

    def wait_for(self, count, seconds=60):
        with self.moved:
            self.moved.wait_for(lambda: len(self.acked) >= count or self.last, seconds)
            return len(self.acked)


def what_was_acknowledged_survives(node, rounds, count):
    run(WEIR, "topic", "create", "kill", "-p", str(PARTITIONS), "-b", node.at)
    writer = Writer(node, count)
    writer.start()
    dice = random.Random(4711)
    try:
        for _ in range(rounds):
            before = writer.wait_for(0)
            writer.wait_for(before + dice.randrange(1, 200))
            node.kill9()
            node.start()
        writer.wait_for(count, 120)
        writer.process.wait(timeout=120)
        writer.join(30)
    finally:
        writer.process.kill()
    assert writer.last == f"{count} passed, 0 failed", writer.last
    check(node, writer.acked, count)


def check(node, acked, count):
    there = {}
    ends = [0] * PARTITIONS
    newest = [-1] * PARTITIONS
    for line in run(RDKAFKA, "read", node.at, "kill", str(PARTITIONS), timeout=120).decode().splitlines():
        partition, offset, value = (int(word) for word in line.split())
        assert offset == ends[partition], f"partition {partition}: offset {offset} after {ends[partition] - 1}"
        assert value > newest[partition], f"partition {partition}: {value} after {newest[partition]}"
        assert value not in there, f"{value} is there twice"
        ends[partition] += 1
        newest[partition] = value
        there[value] = (partition, offset)
    lost = [value for value in acked if there.get(value) != acked[value]]
    assert not lost, f"{len(lost)} acknowledged records lost or moved, the first: {lost[0]}"
    assert len(there) == count, f"{len(there)} records, not {count}"


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 4000
    tests = Tests()
    if not os.access(RDKAFKA, os.X_OK):
        tests.skip("kill -9 under load", "weir_rdkafka was not built (librdkafka-dev is missing)")
        tests.end()
    with Node() as node:
        tests.test(what_was_acknowledged_survives, node, rounds, count)
    tests.end()


main()
