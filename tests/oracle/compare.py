#!/usr/bin/env python3
"""Sends the same requests to Weir and to Apache Kafka and compares the answers.

    compare.py [--only REGEX] [--ours ADDRESS] [--theirs ADDRESS] [--show]

Without addresses it starts both, fresh and equally configured (cases expect that). Ids, addresses, wordings and the time
of day are made comparable first; differences that are meant stand in DELIBERATE, with the reason. --show prints the
answers as well. Needs a JDK and Maven for Kafka; says so and skips without.
"""
import argparse
import contextlib
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients"))
sys.dont_write_bytecode = True
import batch  # noqa: E402
import cases  # noqa: E402
from codec import Api, Peer  # noqa: E402
from node import Node, Tests, free_port, missing  # noqa: E402

SETTINGS = ["auto.create.topics.enable=true", "num.partitions=1", "log.retention.ms=-1"]
CHANGES = ("create_topics", "create_partitions", "delete_topics")
SETTLE_S = 10
NO_ID = "00000000-0000-0000-0000-000000000000"
TIME_OF_DAY_MS = 10**12
SORT_BY = ("name", "topic", "topic_name", "topic_id", "partition_index", "partition", "index", "api_key", "resource_name",
           "broker_id", "node_id")

# (regex that is found in "case: path: our value, Kafka their value", why we differ)
DELIBERATE = [
    (r"^ApiVersions.*_features", "features that mean nothing to clients are not told"),
    (r"weir\.", "settings of our own"),
    (r"min\.insync\.replicas.*(config_)?source", "Kafka sets it for the cluster when it formats a disk"),
    (r"type 4 name '': .*configs: ", "likewise"),
    (r"error_message: text, Kafka None", "we say in words what is wrong where Kafka says nothing"),
    (r"only validated: .*topic_id: no id, Kafka an id", "the id of a topic that does not come to be"),
    (r"neither id nor name: ", "Kafka fails over it"),
    (r"-1 bytes of", "Kafka fails over it"),
    (r"DescribeTopicPartitions: an empty name", "Kafka fails over it, for all topics of the request"),
    (r"(one|the same|a partition) twice: |by id and by name: ", "each question gets its answer"),
    (r"log_start_offset: -1, Kafka \d", "a batch is judged before it comes to the log"),
    (r"read_only: True, Kafka False", "what is read at the start cannot be changed afterwards"),
    (r"Alter: no such operation", "Kafka fails over it"),
    (r"topic_authorized_operations: -2147483648", "what may be done with a topic that is not there"),
    (r"too many: .*POLICY_VIOLATION", "no policy, a limit"),
    (r"type 16 name", "there are no client metrics"),
    (r"\.configs\.[\w.]+: \{.*, Kafka absent", "Kafka keeps some keys to itself"),
    (r"\.configs\.[\w.]+\.synonyms: .*'source': 5.*, Kafka \[\]$", "we name the default as well"),
    (r"broker.*\.configs\.(log\.dirs?|listeners|advertised\.listeners|node\.id|broker\.id|process\.roles|controller\.\w+"
     r"|.*\.topic\..*|transaction\.state.*|listener\.security\.protocol\.map|group\.initial\..*|early\.start\.listeners)\b",
     "where and how each of the two was started"),
]


class Server:
    """What cases talk to. Answers come back comparable."""

    def __init__(self, address):
        self.address, self.apis, self.peer, self.names = address, {}, Peer(address), {NO_ID: "no id"}

    def api(self, name):
        if name not in self.apis:
            self.apis[name] = Api.load(name)
        return self.apis[name]

    def raw(self, name, version, value):
        """Kafka's first producer ids take a moment, in which it says so."""
        end = time.monotonic() + SETTLE_S
        while True:
            answer = self.peer.ask(self.api(name), version, value)
            if answer is None:
                self.peer = Peer(self.address)
            elif answer.get("error_code") == "COORDINATOR_LOAD_IN_PROGRESS" and time.monotonic() < end:
                time.sleep(0.1)
                continue
            return answer

    def ask(self, name, version, value):
        answer = self.raw(name, version, value)
        if name in CHANGES and answer and not value.get("validate_only"):
            self.settle(name, value, answer)
        found = self.comparable(answer)
        if name == "fetch" and found:
            found["responses"] = one_partition_each(found["responses"])
        return found

    def settle(self, name, request, answer):
        """Kafka's brokers hear of a change some time after the client does: asks until they have."""
        counts = {t.get("name"): t.get("count", 1) for t in request.get("topics", [])}
        done = [t["name"] for t in answer.get("topics", answer.get("responses", answer.get("results")))
                if t["error_code"] == "NONE" and t["name"]]
        gone = name == "delete_topics"
        end = time.monotonic() + SETTLE_S
        while time.monotonic() < end:
            found = {t["name"]: len([p for p in t["partitions"] if p["leader_id"] >= 0])
                     for t in self.raw("metadata", 12, {"topics": None})["topics"]}
            if all(t not in found if gone else found.get(t, 0) >= counts[t] for t in done):
                return
            time.sleep(0.02)
        raise ValueError(f"{done} have not arrived after {SETTLE_S} s")

    def id_of(self, topic):
        """The id of a topic that is there."""
        found = self.raw("metadata", 12, {"topics": [{"name": topic}], "allow_auto_topic_creation": False})["topics"][0]
        if found["topic_id"] == NO_ID:
            raise ValueError(f"{topic} is not there")
        self.names[found["topic_id"]] = f"id of {topic}"
        return found["topic_id"]

    def comparable(self, value, key=None):
        if isinstance(value, dict):
            return {k: self.comparable(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return sorted_items([self.comparable(v, key) for v in value])
        if key == "topic_id":
            return self.names.get(value, "an id")
        if key == "records" and value is not None:
            return [f"{first}-{last}" for first, last in batch.base_offsets(value)]
        if key == "throttle_time_ms":
            return 0
        return marked(key, value)


def one_partition_each(topics):
    """Kafka answers for partitions in groups of its own choosing: one entry each, in order."""
    flat = [t | {"partitions": p} for t in topics for p in t["partitions"] or [None]]
    return sorted(flat, key=lambda t: (t.get("topic") or t.get("topic_id"), t["partitions"]["partition_index"]))


def marked(key, value):
    """The kind of a value that two servers cannot have in common."""
    if key == "error_message" and not value:
        return None
    if key in ("error_message", "host", "cluster_id", "documentation", "batch_index_error_message"):
        return value and "text"
    if key == "port":
        return "port" if value > 0 else value
    if key in ("session_id", "producer_id") and value > 0:
        return "an id"
    if key and key.endswith("_ms") and isinstance(value, int) and value > TIME_OF_DAY_MS:
        return "now"
    return value


def sorted_items(items):
    """Lists in an order that both have: by name where that is enough, else by the first key that is there."""
    if items and all(isinstance(i, dict) and i.get("name") for i in items):
        by_name = {i["name"]: {k: v for k, v in i.items() if k != "name"} for i in items}
        if len(by_name) == len(items):
            return by_name
    if items and isinstance(items[0], dict):
        key = next((k for k in SORT_BY if k in items[0]), None)
        if key and all(i[key] is not None for i in items):
            return sorted(items, key=lambda i: (str(type(i[key])), i[key], str(i.get("error_code"))))
    return items


def differences(ours, theirs, path=""):
    """Yields (path, our value, their value)."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(set(ours) | set(theirs), key=str):
            yield from differences(ours.get(key, "absent"), theirs.get(key, "absent"), f"{path}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for i, (a, b) in enumerate(zip(ours, theirs)):
            yield from differences(a, b, f"{path}[{i}]")
    elif ours != theirs:
        yield path, ours, theirs


def is_meant(name, path, ours, theirs):
    return any(re.search(pattern, f"{name}: {path}: {ours}, Kafka {theirs}") for pattern, _ in DELIBERATE)


def tried(case, server):
    """What the server answers, or how it fails to."""
    try:
        return case(server)
    except (OSError, ValueError, EOFError, KeyError, IndexError, TypeError) as error:
        server.peer = Peer(server.address)
        return f"{type(error).__name__}: {error}"


def check(name, case, ours, theirs, show):
    ours, theirs = tried(case, ours), tried(case, theirs)
    if show:
        print(f"   ours:   {ours}\n   theirs: {theirs}")
    found = [d for d in differences(ours, theirs) if not is_meant(name, *d)]
    assert not found, "".join(f"\n    {path or 'answer'}: {str(a)[:200]}, Kafka {str(b)[:200]}" for path, a, b in found)


def named(name, *arguments):
    """check, under the name that Tests prints."""
    def function():
        check(name, *arguments)
    function.__name__ = name
    return function


def run(args, ours, theirs):
    tests, ours, theirs = Tests(), Server(ours), Server(theirs)
    for name, case in cases.all_cases():
        if re.search(args.only, name) or name.startswith("setup"):
            tests.test(named(name, case, ours, theirs, args.show))
    return tests


class Kafka:
    """A fresh Apache Kafka, gone at the end."""

    def __init__(self):
        self.folder, self.port = tempfile.mkdtemp(prefix="weir-oracle-"), two_free_ports()

    def start(self, settings):
        return self.run("start", self.folder, "-p", str(self.port), *settings).stdout.strip()

    def restart(self, settings):
        self.run("stop", self.folder)
        return self.start(settings)

    @staticmethod
    def run(*arguments):
        done = subprocess.run([str(HERE / "kafka"), *arguments], check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"kafka {arguments[0]}: {done.stderr}")
        return done

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if pathlib.Path(self.folder, "pid").exists():
            self.run("stop", self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)


def two_free_ports():
    """The first of two that follow each other: brokers' and controllers'."""
    while True:
        port = free_port()
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port + 1))
            return port


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="REGEX", default="")
    parser.add_argument("--ours")
    parser.add_argument("--theirs")
    parser.add_argument("--show", action="store_true")
    args = parser.parse_args()
    if not args.theirs and (absent := missing("java", "mvn")):
        tests = Tests()
        tests.skip("answers like Apache Kafka's", f"{absent} is missing")
        tests.end()
    with contextlib.ExitStack() as stack:
        theirs = args.theirs or stack.enter_context(Kafka()).start(SETTINGS)
        ours = args.ours or stack.enter_context(Node(*SETTINGS)).at
        tests = run(args, ours, theirs)
    tests.end()


if __name__ == "__main__":
    main()
