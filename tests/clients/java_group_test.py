#!/usr/bin/env python3
"""Apache Kafka's own consumers and kafka-consumer-groups, classic and KIP-848: groups share, commit, move, upgrade from one
protocol to the other while they run, and what the tool shows is what was committed. Kafka comes from Maven Central."""
import os
import pathlib
import re
import subprocess
import time

from node import Node, Tests, missing, run

KAFKA = str(pathlib.Path(__file__).resolve().parents[1] / "oracle" / "kafka")
PROTOCOLS = ("classic", "consumer")
COUNT, PARTITIONS, TOOL_S = 60, 4, 60


def kafka(node, name, *arguments, stdin=None):
    return run(KAFKA, "run", name, "--bootstrap-server", node.at, *arguments, stdin=stdin, timeout=TOOL_S).decode()


def groups(node, *arguments):
    return kafka(node, "consumer-groups", *arguments)


def consumer(node, group, protocol, *more):
    return (KAFKA, "run", "console-consumer", "--bootstrap-server", node.at, "--topic", "java", "--group", group,
            "--command-property", f"group.protocol={protocol}", "--command-property", "auto.offset.reset=earliest", *more)


def fill(node, first=0):
    text = "\n".join(f"k{i}\tv{i}" for i in range(first, first + COUNT)) + "\n"
    kafka(node, "console-producer", "--topic", "java", "--reader-property", "parse.key=true", stdin=text.encode())


def committed(node, group):
    """{partition: (committed, end, lag)} as Kafka's tool shows it."""
    text = groups(node, "--describe", "--group", group, "--offsets")
    rows = re.findall(rf"^{group}\s+java\s+(\d+)\s+(?:\S+\s+)??(\d+)\s+(\d+)\s+(\d+)\s", text, re.MULTILINE)
    return {int(p): (int(at), int(end), int(lag)) for p, at, end, lag in rows}


def a_group_reads_all_and_commits(node, protocol):
    group = f"{protocol}-readers"
    text = run(*consumer(node, group, protocol, "--max-messages", str(COUNT), "--timeout-ms", "30000"),
               timeout=TOOL_S).decode()
    assert sorted(text.split()) == sorted(f"v{i}" for i in range(COUNT)), text[:300]
    shown = committed(node, group)
    assert sum(at for at, _, _ in shown.values()) == COUNT, shown
    assert all(at == end and lag == 0 for at, end, lag in shown.values()), shown


def groups_are_listed_with_state_and_type(node):
    text = groups(node, "--list", "--state", "--type")
    for protocol in PROTOCOLS:
        row = [line.split() for line in text.splitlines() if line.startswith(f"{protocol}-readers")]
        assert [w.lower() for w in row[0][1:]] == [protocol, "empty"], text


def a_group_is_moved(node, protocol):
    group = f"{protocol}-readers"
    groups(node, "--reset-offsets", "--group", group, "--topic", "java", "--to-earliest", "--execute")
    assert all(at == 0 for at, _, _ in committed(node, group).values())
    groups(node, "--reset-offsets", "--group", group, "--topic", "java:1", "--to-offset", "3", "--execute")
    assert committed(node, group)[1][0] == 3


def offsets_survive_kill_9(node):
    before = {p: committed(node, f"{p}-readers") for p in PROTOCOLS}
    node.kill9()
    node.start()
    assert before == {p: committed(node, f"{p}-readers") for p in PROTOCOLS}


class Running:
    """A console consumer that reads on until it is stopped."""

    def __init__(self, node, group, protocol, *more):
        self.process = subprocess.Popen(consumer(node, group, protocol, *more), stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, 15)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait()


def members(node, group):
    """Partition counts of the members, as Kafka's tool shows them."""
    text = groups(node, "--describe", "--group", group, "--members")
    return sorted(int(line.split()[4]) for line in text.splitlines() if line.startswith(group))


def state(node, group):
    text = groups(node, "--describe", "--group", group, "--state")
    return next((line.split() for line in text.splitlines() if line.startswith(group)), [""])


def wait_for(node, group, wanted):
    deadline = time.monotonic() + TOOL_S
    while (shown := members(node, group)) != wanted:
        assert time.monotonic() < deadline, f"{shown}, not {wanted}"


def two_members_share(node, protocol):
    group = f"{protocol}-sharers"
    with Running(node, group, protocol):
        wait_for(node, group, [PARTITIONS])
        with Running(node, group, protocol):
            wait_for(node, group, [PARTITIONS // 2] * 2)
            assert "Stable" in state(node, group), state(node, group)
        wait_for(node, group, [PARTITIONS])


def a_group_is_upgraded_and_downgraded_while_it_runs(node):
    group = "movers"
    with Running(node, group, "classic"):
        wait_for(node, group, [PARTITIONS])
        with Running(node, group, "consumer"):
            wait_for(node, group, [PARTITIONS // 2] * 2)
            assert "consumer" in groups(node, "--list", "--type").split(group)[1].lower().splitlines()[0]
        wait_for(node, group, [PARTITIONS])
        assert "classic" in groups(node, "--list", "--type").split(group)[1].lower().splitlines()[0]


def groups_are_deleted(node):
    for protocol in PROTOCOLS:
        text = groups(node, "--delete", "--group", f"{protocol}-readers")
        assert "was successful" in text or "successfully" in text, text
    assert "-readers" not in groups(node, "--list")


def main():
    tests = Tests()
    absent = missing("java", "mvn")
    fetched = None if absent else subprocess.run([KAFKA, "get"], capture_output=True, text=True, check=False)
    if absent or fetched.returncode:
        tests.skip("Kafka's own consumers", f"{absent} is not installed" if absent else fetched.stderr.strip()[-200:])
        tests.end()
    os.environ.pop("KAFKA_OPTS", None)
    with Node("group.initial.rebalance.delay.ms=0") as node:
        kafka(node, "topics", "--create", "--topic", "java", "--partitions", str(PARTITIONS))
        fill(node)
        for protocol in PROTOCOLS:
            tests.test(a_group_reads_all_and_commits, node, protocol)
        tests.test(groups_are_listed_with_state_and_type, node)
        for protocol in PROTOCOLS:
            tests.test(a_group_is_moved, node, protocol)
        tests.test(offsets_survive_kill_9, node)
        for protocol in PROTOCOLS:
            tests.test(two_members_share, node, protocol)
        tests.test(a_group_is_upgraded_and_downgraded_while_it_runs, node)
        tests.test(groups_are_deleted, node)
    tests.end()


main()
