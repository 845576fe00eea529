#!/usr/bin/env python3
"""kill -9 of the broker while members of a group come, go and commit: after every start no offset is behind what a
member was told is committed, and in the end the group has read every record.

    group_kill_test.py [rounds [records]]
"""
import os
import random
import subprocess
import sys
import threading
import time

from node import Node, Tests, WEIR, run

RDKAFKA = os.path.join(os.path.dirname(WEIR), "weir_rdkafka")
PARTITIONS, MEMBERS = 6, 3
WAIT_S = 90


class Ledger:
    """What members say they have read and committed, all in one.

    A member may go back by itself (librdkafka 2.0 does when it resumes a partition), so the offset that may be
    there is the last one acknowledged, or one that somebody has tried to commit since, or is still trying."""

    def __init__(self):
        self.read, self.lock = set(), threading.Condition()
        self.last, self.since, self.trying = [-1] * PARTITIONS, [set() for _ in range(PARTITIONS)], {}

    def take(self, who, words):
        with self.lock:
            if words[0] == "R":
                self.read.add(int(words[3]))
            else:
                partition, offset = int(words[1]), int(words[2])
                if words[0] == "T":
                    self.trying[who, partition] = offset
                    self.since[partition].add(offset)
                elif words[0] == "C":
                    self.last[partition] = offset
                    self.trying.pop((who, partition), None)
                    self.since[partition] = {o for (_, p), o in self.trying.items() if p == partition}
            self.lock.notify_all()

    def known(self):
        """Per partition, the offsets that may be there from now on."""
        with self.lock:
            return [{last} | since for last, since in zip(self.last, self.since)]

    def explains(self, partition, offset, known):
        """Was it known before, or has somebody tried to commit it since? Words may be on their way."""
        with self.lock:
            return offset in known or self.lock.wait_for(
                lambda: offset in self.since[partition] | {self.last[partition]}, 5)

    def wait_for(self, count, seconds):
        with self.lock:
            return self.lock.wait_for(lambda: len(self.read) >= count, seconds)


class Member(threading.Thread):
    def __init__(self, node, ledger, strategy):
        super().__init__(daemon=True)
        self.ledger = ledger
        self.process = subprocess.Popen(
            [RDKAFKA, "member", node.at, "kill", "readers", "session.timeout.ms=6000", "heartbeat.interval.ms=500",
             f"partition.assignment.strategy={strategy}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.start()

    def run(self):
        for line in self.process.stdout:
            self.ledger.take(self.process.pid, line.split())

    def end(self, politely):
        if politely:
            self.process.terminate()
        else:
            self.process.kill()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.join(30)


def committed_now(node):
    lines = run(RDKAFKA, "committed", node.at, "kill", str(PARTITIONS), "readers", timeout=WAIT_S).decode().splitlines()
    return [int(line.split()[1]) for line in lines]


def nothing_committed_is_lost_and_nothing_skipped(node, strategy, rounds, count):
    run(WEIR, "topic", "create", "kill", "-p", str(PARTITIONS), "-b", node.at)
    ledger, dice = Ledger(), random.Random(1848)
    members = [Member(node, ledger, strategy) for _ in range(MEMBERS)]
    writer = subprocess.Popen([RDKAFKA, "write", node.at, "kill", str(PARTITIONS), "0", str(count),
                               "batch.num.messages=5"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        for _ in range(rounds):
            # A change of members, and the kill somewhere in what follows from it.
            members.pop(dice.randrange(len(members))).end(politely=dice.random() < 0.5)
            members.append(Member(node, ledger, strategy))
            ledger.wait_for(len(ledger.read) + dice.randrange(1, 300), dice.uniform(0.05, 3))
            node.kill9()
            node.start()
            known = ledger.known()  # what was answered before the kill has been read by now
            for partition, offset in enumerate(committed_now(node)):
                assert ledger.explains(partition, offset, known[partition]), \
                    f"partition {partition}: {offset} is there, not one of {sorted(known[partition])}"
        last = writer.communicate(timeout=WAIT_S)[0].splitlines()[-1]
        assert last == f"{count} passed, 0 failed", last
        assert ledger.wait_for(count, WAIT_S), f"{count - len(ledger.read)} of {count} records were never read"
    finally:
        writer.kill()
        writer.wait()
        for member in members:
            member.end(politely=False)


def the_group_ends_where_the_log_ends(node, count):
    """A member that is alone commits all of it."""
    ledger = Ledger()
    member = Member(node, ledger, "range")
    deadline = time.monotonic() + WAIT_S
    while sum(committed_now(node)) < count and time.monotonic() < deadline:
        pass
    member.end(politely=True)
    assert sum(committed_now(node)) == count, committed_now(node)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 3000
    tests = Tests()
    if not os.access(RDKAFKA, os.X_OK):
        tests.skip("kill -9 during rebalances", "weir_rdkafka was not built (librdkafka-dev is missing)")
        tests.end()
    for strategy in ("range", "cooperative-sticky"):
        with Node("group.initial.rebalance.delay.ms=100") as node:
            tests.test(nothing_committed_is_lost_and_nothing_skipped, node, strategy, rounds, count)
            tests.test(the_group_ends_where_the_log_ends, node, count)
    tests.end()


main()
