#!/usr/bin/env python3
"""Groups of other people's clients: kcat (librdkafka) and Debian's kafka-python share partitions, commit, and go on
where they stopped, also after kill -9."""
import importlib.util
import subprocess
import threading
import time

from node import Node, Tests, missing, run

try:
    from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
    from kafka.admin import NewTopic
    from kafka.structs import OffsetAndMetadata
except ImportError:
    KafkaConsumer = None

COUNT, PARTITIONS, WAIT_S = 300, 4, 30


def fill(node, topic, count=COUNT, first=0):
    text = "".join(f"k{i}\tv{i}\n" for i in range(first, first + count))
    run("kcat", "-P", "-b", node.at, "-t", topic, "-K", "\\t", stdin=text.encode())


def kcat_group(node, group, topic, *arguments):
    command = ("kcat", "-b", node.at, "-G", group, "-q", "-e", "-f", "%p %o %k\\n", "-X", "auto.offset.reset=earliest",
               *arguments, topic)
    return run(*command).decode().splitlines()


def a_kcat_group_reads_everything_once(node):
    run("kcat", "-P", "-b", node.at, "-t", "kcat-group", stdin=b"")
    fill(node, "kcat-group")
    got = kcat_group(node, "kcat-readers", "kcat-group")
    assert len(got) == len(set(got)) == COUNT, len(got)
    assert kcat_group(node, "kcat-readers", "kcat-group") == []
    fill(node, "kcat-group", 7, COUNT)
    assert len(kcat_group(node, "kcat-readers", "kcat-group")) == 7


def the_group_goes_on_after_kill_9(node):
    fill(node, "kcat-group", 5, 1000)
    node.kill9()
    node.start()
    got = kcat_group(node, "kcat-readers", "kcat-group")
    assert sorted(line.split()[2] for line in got) == [f"k{i}" for i in range(1000, 1005)], got


class Reader(threading.Thread):
    """A kafka-python member until it is told to stop."""

    def __init__(self, node, group, topic, **settings):
        super().__init__(daemon=True)
        self.got, self.assigned, self.stop = [], set(), False
        self.consumer = KafkaConsumer(topic, bootstrap_servers=node.at, group_id=group, auto_offset_reset="earliest",
                                      session_timeout_ms=6000, heartbeat_interval_ms=300, **settings)
        self.start()

    def run(self):
        while not self.stop:
            for records in self.consumer.poll(timeout_ms=100).values():
                self.got += [(r.partition, r.offset) for r in records]
            self.assigned = {tp.partition for tp in self.consumer.assignment()}
        self.consumer.close()

    def end(self):
        self.stop = True
        self.join(WAIT_S)


def wait_until(condition, what):
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def members_of_kafka_python_share_partitions(node, admin):
    admin.create_topics([NewTopic("shared", PARTITIONS, 1)])
    first = Reader(node, "sharers", "shared")
    wait_until(lambda: len(first.assigned) == PARTITIONS, "one member has all")
    second = Reader(node, "sharers", "shared")
    wait_until(lambda: len(first.assigned) == len(second.assigned) == PARTITIONS // 2, "two members have half each")
    assert not first.assigned & second.assigned
    fill(node, "shared")
    wait_until(lambda: len(first.got) + len(second.got) == COUNT, "all is read once")
    first.end()
    wait_until(lambda: len(second.assigned) == PARTITIONS, "the one that stays gets all")
    second.end()
    third = Reader(node, "sharers", "shared")
    wait_until(lambda: len(third.assigned) == PARTITIONS, "a new member")
    fill(node, "shared", 3, COUNT)
    wait_until(lambda: len(third.got) == 3, "it goes on where the others stopped")
    third.end()


def offsets_are_committed_by_hand_with_metadata(node, admin):
    admin.create_topics([NewTopic("by-hand", 2, 1)])
    consumer = KafkaConsumer(bootstrap_servers=node.at, group_id="by-hand", enable_auto_commit=False)
    partition = TopicPartition("by-hand", 1)
    consumer.assign([partition])
    consumer.commit({partition: OffsetAndMetadata(42, "why")})
    consumer.close()
    found = admin.list_consumer_group_offsets("by-hand")
    assert {tp.partition: (o.offset, o.metadata) for tp, o in found.items()} == {1: (42, "why")}, found


def groups_are_listed_described_and_deleted(node, admin):
    assert ("by-hand", "") in admin.list_consumer_groups() and ("sharers", "consumer") in admin.list_consumer_groups()
    reader = Reader(node, "sharers", "shared", client_id="shown")
    wait_until(lambda: len(reader.assigned) == PARTITIONS, "assigned")
    group = admin.describe_consumer_groups(["sharers"])[0]
    assert (group.state, group.protocol_type) == ("Stable", "consumer"), group
    assert [m.client_id for m in group.members] == ["shown"], group
    assert group.members[0].member_assignment.assignment == [("shared", list(range(PARTITIONS)))], group
    assert admin.delete_consumer_groups(["sharers"])[0][1].__name__ == "NonEmptyGroupError"
    reader.end()
    assert [error.__name__ for _, error in admin.delete_consumer_groups(["sharers", "by-hand"])] == ["NoError"] * 2
    assert not {"sharers", "by-hand"} & {name for name, _ in admin.list_consumer_groups()}


def a_member_that_dies_is_replaced(node):
    """Its session ends and another one gets its partitions."""
    command = ["kcat", "-b", node.at, "-G", "mortals", "-X", "session.timeout.ms=6000", "shared"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as dies:
        for line in dies.stderr:
            if b"assigned" in line:
                break
        dies.kill()
    heir = Reader(node, "mortals", "shared")
    wait_until(lambda: len(heir.assigned) == PARTITIONS, "the heir has all")
    heir.end()


def main():
    tests = Tests()
    absent = missing("kcat")
    with Node("num.partitions=3", "group.initial.rebalance.delay.ms=0") as node:
        if absent:
            tests.skip("groups of kcat", "kcat is not installed")
        else:
            tests.test(a_kcat_group_reads_everything_once, node)
            tests.test(the_group_goes_on_after_kill_9, node)
        if KafkaConsumer is None or absent or importlib.util.find_spec("kafka") is None:
            tests.skip("groups of kafka-python", "Debian's python3-kafka is not installed")
        else:
            admin = KafkaAdminClient(bootstrap_servers=node.at)
            for function in (members_of_kafka_python_share_partitions, offsets_are_committed_by_hand_with_metadata,
                             groups_are_listed_described_and_deleted):
                tests.test(function, node, admin)
            admin.close()
            tests.test(a_member_that_dies_is_replaced, node)
    tests.end()


main()
