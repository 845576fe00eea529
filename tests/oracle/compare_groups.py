#!/usr/bin/env python3
"""Puts Weir and Apache Kafka through the same scripts of group requests and compares answers and records.

    compare_groups.py [--only REGEX] [--ours ADDRESS] [--theirs ADDRESS] [--alone] [--show] [--words] [--no-records]

Without addresses it starts both, fresh and equally configured (cases expect SETTINGS). A case is a function of a
World (group_world.py) with a group of its own; several run side by side. Differences that are meant stand in DELIBERATE.
--alone: what Kafka answers, nothing to compare with. --show prints what was compared.
"""
import argparse
import concurrent.futures
import contextlib
import os
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients"))
sys.dont_write_bytecode = True
import compare  # noqa: E402
import group_cases  # noqa: E402
import group_records  # noqa: E402
from group_world import Names, World  # noqa: E402
from node import Node, Tests, missing  # noqa: E402

SETTINGS = ["auto.create.topics.enable=false", "num.partitions=1", "group.initial.rebalance.delay.ms=0", "group.max.size=4",
            "group.min.session.timeout.ms=1000", "group.max.session.timeout.ms=60000", "group.consumer.max.size=4",
            "group.consumer.min.session.timeout.ms=1000", "group.consumer.min.heartbeat.interval.ms=500",
            "group.consumer.assignment.interval.ms=0"]
AT_ONCE = 6
PREFIX = os.environ.get("WEIR_ORACLE_PREFIX", "")  # when servers are used again
NOTHING = (("throttle_time_ms", 0), ("client_id", "oracle"), ("client_host", "/127.0.0.1"), ("group_instance_id", None),
           ("authorized_operations", -2147483648))

# (regex that is found in "case: path: our value, Kafka their value", why we differ)
DELIBERATE = [
]


def prepared(address):
    """The topics all cases share, and a coordinator that serves every group."""
    names = Names()
    world = World(address, "setup", names)
    client = world.server
    for topic, partitions in group_cases.TOPICS.items():
        client.ask_quietly("create_topics", 7, timeout_ms=10000, topics=[
            {"name": topic, "num_partitions": partitions, "replication_factor": 1}])
        world.arrived(topic, partitions)
    world.until(lambda: client.ask_quietly("find_coordinator", 4, key_type=0, coordinator_keys=["g"]),
                lambda a: a and a["coordinators"][0]["error_code"] == "NONE", "the coordinator")
    every = {group_records.partition_of(f"g{i}"): f"g{i}" for i in range(2000)}
    for group in every.values():
        world.until(lambda g=group: client.fetch(9, group=g), lambda a: a["groups"][0]["error_code"] == "NONE", group)
    world.close()
    return names


def played(address, names, number, case, args):
    """(what was answered, what was written) of one case on one server."""
    world = World(address, f"{PREFIX}g{number}", names, args.words)
    written = []
    try:
        case(world)
        if args.records:
            written = world.written()
    except (OSError, ValueError, EOFError, KeyError, IndexError, TypeError, AttributeError) as error:
        world.steps[f"{len(world.steps):02} it fails"] = f"{type(error).__name__}: {str(error)[:300]}"
    finally:
        world.close()
    return world.comparable(world.steps), group_records.in_runs(world.comparable({"records": written})["records"])


def all_played(address, cases, args):
    names = prepared(address)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda c: played(address, names, c[0], c[2], args), cases))


def is_meant(name, path, ours, theirs):
    return any(re.search(pattern, f"{name}: {path}: {ours}, Kafka {theirs}") for pattern, _ in DELIBERATE)


def check(name, ours, theirs, show):
    if show:
        print(f"== {name}\n   ours:   {short(ours)}\n   theirs: {short(theirs)}")
    found = [d for d in compare.differences(ours, theirs) if not is_meant(name, *d)]
    assert not found, "".join(f"\n    {path or 'answer'}: {str(a)[:300]}, Kafka {str(b)[:300]}" for path, a, b in found)


def compared(cases, ours, theirs, args):
    tests = Tests()
    for (_, name, _), (our_steps, our_records), (their_steps, their_records) in zip(cases, ours, theirs):
        for what, a, b in ((name, our_steps, their_steps), (f"{name}: records", our_records, their_records)):
            def function(n=what, x=a, y=b):
                check(n, x, y, args.show)
            function.__name__ = what
            if args.records or not what.endswith(": records"):
                tests.test(function)
    tests.end()


def shown(cases, theirs, args):
    for (_, name, _), (steps, records) in zip(cases, theirs):
        print(f"== {name}")
        for label, value in steps.items():
            print(f"   {label}: {short(value)}")
        for record in records if args.records else []:
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
        theirs = args.theirs or stack.enter_context(compare.kafka(SETTINGS))
        theirs = both.submit(all_played, theirs, cases, args)
        if args.alone:
            shown(cases, theirs.result(), args)
            return
        ours = args.ours or stack.enter_context(Node(*SETTINGS)).at
        ours = both.submit(all_played, ours, cases, args)
        ours, theirs = ours.result(), theirs.result()
    compared(cases, ours, theirs, args)


main()
