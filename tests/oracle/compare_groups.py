#!/usr/bin/env python3
"""Puts Weir and Apache Kafka through the same scripts of group requests and compares answers and records.

    compare_groups.py [--only REGEX] [--ours ADDRESS] [--theirs ADDRESS] [--alone | --itself] [--show] [--words] [--no-records]

Without addresses it starts both, fresh and equally configured (cases expect SETTINGS). A case is a function of a
World (group_world.py) with a group of its own; several run side by side. Differences that are meant stand in DELIBERATE.
--alone: what Kafka answers, nothing to compare with. --show prints what was compared.
"""
import argparse
import concurrent.futures
import contextlib
import difflib
import os
import pathlib
import re
import sys
import types

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients"))
sys.dont_write_bytecode = True
import compare  # noqa: E402
import group_cases  # noqa: E402
import group_records  # noqa: E402
import group_restart  # noqa: E402
from group_world import Names, World  # noqa: E402
from compare import Kafka  # noqa: E402
from node import Node, Tests, missing  # noqa: E402

SETTINGS = ["auto.create.topics.enable=false", "num.partitions=1", "group.initial.rebalance.delay.ms=0", "group.max.size=4",
            "group.min.session.timeout.ms=1000", "group.max.session.timeout.ms=60000", "group.consumer.max.size=4",
            "group.consumer.min.session.timeout.ms=1000", "group.consumer.min.heartbeat.interval.ms=500",
            "group.consumer.assignment.interval.ms=0"]
AT_ONCE, SHOWN = 6, 12
PREFIX = os.environ.get("WEIR_ORACLE_PREFIX", "")  # when servers are used again
NOTHING = (("throttle_time_ms", 0), ("client_id", "oracle"), ("client_host", "/127.0.0.1"), ("group_instance_id", None),
           ("authorized_operations", -2147483648))

# (regex that is found in "case: path: our value, Kafka their value", why we differ)
DELIBERATE = [
    (r"Kafka UNKNOWN_SERVER_ERROR$", "Kafka fails over it"),
    (r"error_message: text, Kafka None", "we say in words what is wrong where Kafka says nothing"),
    (r"^OffsetDelete: simple: records: \[4\]: absent, Kafka .*value: None\}$", "one tombstone for a partition named twice"),
    (r"^Moves: (a member that leaves in the middle|three members, uniform).*partitions\[\d\]: \d, Kafka \d$",
     "two partitions for two members: either may have either"),
    (r"^FindCoordinator v6: .1[034] .*(host|port|node_id|error_code): .*, Kafka (text|port|1|NONE)$",
     "there are no share groups, and nothing that could coordinate them"),
    (r"^ConsumerGroupHeartbeat: pattern to nothing: ",
     "what a member gives up for a pattern that stands for no topic goes to the others; in Kafka to nobody"),
    (r"^OffsetDelete: simple: records: answer: ", "an offset that is named twice in a request has one tombstone"),
]


class Broker:
    """One of the two, started here or elsewhere; restart() gives its address, None where that cannot be."""

    def __init__(self, address, node):
        self.address, self.node = address, node

    def restart(self):
        self.address = self.node and self.node.restart(SETTINGS + group_restart.AGAIN)
        return self.address


class Weir(Node):
    def restart(self, settings):
        self.stop()
        self.settings = (*settings,)
        return self.start().at


def prepared(address):
    """Makes the topics all cases share; waits until the coordinators serve. Names, and what was asked first of all."""
    world = World(address, "setup", Names())
    client, first = world.server, []
    if world.metadata(group_records.OFFSETS)["error_code"] != "NONE":
        first = [world.comparable(client.ask_quietly("find_coordinator", 4, key_type=0, coordinator_keys=["g", "h"]))]
    for topic, partitions in group_cases.TOPICS.items():
        client.ask_quietly("create_topics", 7, timeout_ms=10000, topics=[
            {"name": topic, "num_partitions": partitions, "replication_factor": 1}])
        world.arrived(topic, partitions)
    serving(world)
    world.close()
    return world.names, first


def serving(world):
    """Waits for the coordinators of all partitions."""
    client = world.server
    world.until(lambda: client.ask_quietly("find_coordinator", 4, key_type=0, coordinator_keys=["g"]),
                lambda a: a and a["coordinators"][0]["error_code"] == "NONE", "the coordinator")
    every = {group_records.partition_of(f"g{i}"): f"g{i}" for i in range(2000)}
    for group in every.values():
        world.until(lambda g=group: client.fetch(9, group=g), lambda a: a and a["groups"][0]["error_code"] == "NONE", group)
    world.close()


class Play:
    """One case on one server."""

    def __init__(self, world, case, records):
        self.world, self.case, self.records, self.rest, self.written = world, case, records, None, []

    def step(self):
        """Up to the restart, or to the end."""
        try:
            if self.rest:
                next(self.rest, None)
                self.rest = None
            else:
                self.rest = self.case(self.world)
                self.rest = self.rest if isinstance(self.rest, types.GeneratorType) else None
                if self.rest:
                    next(self.rest)
            if not self.rest and self.records:
                self.written = self.world.written()
        except (OSError, ValueError, EOFError, KeyError, IndexError, TypeError, AttributeError, RuntimeError) as error:
            self.world.steps[f"{len(self.world.steps):02} it fails"] = f"{type(error).__name__}: {str(error)[:300]}"
            self.rest = None
        finally:
            self.world.close()

    def found(self):
        """(what was answered, what was written), None of what needs a restart that cannot be."""
        if self.rest:
            return None, None
        return self.world.comparable(self.world.steps), group_records.in_runs(
            self.world.comparable({"records": self.written})["records"])


def all_played(broker, cases, args):
    names, first = prepared(broker.address)
    plays = [Play(World(broker.address, f"{PREFIX}g{number}", names, args.words), case, args.records)
             for number, _, case in cases]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(Play.step, plays))
        halves = [p for p in plays if p.rest]
        if halves and broker.restart():
            serving(World(broker.address, "again", names))
            list(pool.map(Play.step, halves))
    return [(first, [])] + [p.found() for p in plays]


def is_meant(name, path, ours, theirs):
    return any(re.search(pattern, f"{name}: {path}: {ours}, Kafka {theirs}") for pattern, _ in DELIBERATE)


def record_differences(ours, theirs):
    """Yields (path, our record, their record) where only one has it, or they differ."""
    a, b = [short(r) for r in ours], [short(r) for r in theirs]
    for kind, i, j, k, m in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if kind == "replace" and j - i == m - k:
            for x, y in zip(range(i, j), range(k, m)):
                yield from compare.differences(ours[x], theirs[y], f"[{x}] {theirs[y]['type']}")
        elif kind != "equal":
            for x in range(i, j):
                yield f"[{x}]", a[x], "absent"
            for y in range(k, m):
                yield f"[{i}]", "absent", b[y]


def check(name, ours, theirs, show):
    if show:
        print(f"== {name}\n   ours:   {short(ours)}\n   theirs: {short(theirs)}")
    differ = record_differences if name.endswith("records") else compare.differences
    found = [d for d in differ(ours, theirs) if not is_meant(name, *d)]
    lines = [f"\n    {path or 'answer'}: {str(a)[:300]}, Kafka {str(b)[:300]}" for path, a, b in found[:SHOWN]]
    more = f"\n    and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    assert not found, "".join(lines) + more


def compared(names, ours, theirs, args):
    tests = Tests()
    for name, (our_steps, our_records), (their_steps, their_records) in zip(names, ours, theirs):
        if our_steps is None or their_steps is None:
            tests.skip(name, "only servers that are started here can be restarted")
            continue
        for what, a, b in ((name, our_steps, their_steps), (f"{name}: records", our_records, their_records)):
            def function(n=what, x=a, y=b):
                check(n, x, y, args.show)
            function.__name__ = what
            if args.records or not what.endswith(": records"):
                tests.test(function)
    tests.end()


def shown(names, theirs, args):
    for name, (steps, records) in zip(names, theirs):
        print(f"== {name}")
        for label, value in steps.items() if isinstance(steps, dict) else [("answers", steps)]:
            print(f"   {label}: {short(value)}")
        for record in records or [] if args.records else []:
            print(f"   > {record['type']} v{record.get('version')} {short(record['key'])} {short(record['value'])}")


def short(value):
    """A value on one line, without what says nothing."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {short(v)}" for k, v in value.items() if (k, v) not in NOTHING) + "}"
    return "[" + ", ".join(short(v) for v in value) + "]" if isinstance(value, list) else repr(value)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="REGEX", default="")
    parser.add_argument("--ours")
    parser.add_argument("--theirs")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--itself", action="store_true", help="Kafka with Kafka: a difference is a case that asks for chance")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--words", action="store_true", help="error messages as they are")
    parser.add_argument("--no-records", dest="records", action="store_false")
    return parser.parse_args()


def main():
    args = arguments()
    if not args.theirs and (absent := missing("java", "mvn")):
        tests = Tests()
        tests.skip("groups answer like Apache Kafka's", f"{absent} is missing")
        tests.end()
    cases = [(i, name, case) for i, (name, case) in enumerate(group_cases.all_cases()) if re.search(args.only, name)]
    with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(2) as both:
        theirs = both.submit(all_played, started(stack, Kafka, args.theirs), cases, args)
        names = ["FindCoordinator: the first request of all"] + [name for _, name, _ in cases]
        if args.alone:
            shown(names, theirs.result(), args)
            return
        ours = both.submit(all_played, started(stack, Kafka if args.itself else Weir, args.ours), cases, args)
        ours, theirs = ours.result(), theirs.result()
    compared(names, ours, theirs, args)


def started(stack, kind, address):
    if address:
        return Broker(address, None)
    node = kind(*SETTINGS) if kind is Weir else kind()
    stack.enter_context(node)
    return Broker(node.at if kind is Weir else node.start(SETTINGS), node)


main()
