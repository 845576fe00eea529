"""The cases of compare.py: (name, function of a server that returns an answer). The order matters: topics made by
earlier cases are there for later ones, on both servers alike."""
from batch import batch, record
from config_cases import config_changes

UNKNOWN_ID = "11111111-2222-3333-4444-555555555555"
LONG_NAME = "x" * 250
BAD_NAMES = ["", ".", "..", "a b", "bad$", LONG_NAME]
WAIT_MS = 10000


def asks(name, version, value):
    return lambda server: server.ask(name, version, value)


def all_cases():
    """Names are unique, so that --only can choose one."""
    for group in (api_versions, setup, metadata, create_topics, create_partitions, produce, idempotence, list_offsets,
                  fetch, fetch_sessions, epochs, describe_configs, config_changes, others, delete_topics):
        yield from group()


# ---- ApiVersions ----

def api_versions():
    def ranges(server):
        found = server.raw("api_versions", 4, {"client_software_name": "a", "client_software_version": "1"})
        return {a["api_key"]: (a["min_version"], a["max_version"]) for a in found["api_keys"]}

    def served(server):
        """Only what both have: Kafka serves more."""
        SERVED.append(ranges(server))
        return {key: SERVED[-1].get(key) for key in SERVED[0]}

    SERVED = []
    yield "ApiVersions: ranges", served
    for version in range(6):
        software = {"client_software_name": "a", "client_software_version": "1"} if version >= 3 else {}
        yield f"ApiVersions v{version}: the rest", lambda s, v=version, w=software: {
            k: x for k, x in s.ask("api_versions", v, w).items() if k != "api_keys"}
    yield "ApiVersions: bad software name", asks(
        "api_versions", 3, {"client_software_name": "a b", "client_software_version": ""})
    yield "Metadata: bytes behind the request", lambda s: s.comparable(s.peer.ask_bytes(
        s.api("metadata"), 12, s.api("metadata").request.write({"topics": []}, 12) + b"more"))
    yield "ApiVersions: another cluster", asks(
        "api_versions", 5, {"client_software_name": "a", "client_software_version": "1", "cluster_id": "else"})
    yield "ApiVersions: another node", asks(
        "api_versions", 5, {"client_software_name": "a", "client_software_version": "1", "node_id": 77})


# ---- topics ----

def creating(version=7, validate_only=False, **topic):
    topic = {"num_partitions": 1, "replication_factor": 1, **topic}
    return asks("create_topics", version, {"topics": [topic], "timeout_ms": WAIT_MS, "validate_only": validate_only})


def setup():
    for name, count in (("one", 1), ("three", 3), ("empty", 1), ("times", 1), ("small", 1), ("idem", 1)):
        yield f"setup: create {name}", creating(name=name, num_partitions=count)
        yield f"setup: id of {name}", lambda s, n=name: s.id_of(n) and None


def metadata():
    for version in range(14):
        some = {"topics": [{"name": n} for n in ("one", "three")]}
        yield f"Metadata v{version}: two topics", asks("metadata", version, some)
        everything = {"topics": [] if version == 0 else None}
        yield f"Metadata v{version}: everything", asks("metadata", version, everything)
        if version >= 1:
            yield f"Metadata v{version}: nothing", asks("metadata", version, {"topics": []})
        if version >= 4:
            unknown = {"topics": [{"name": "unknown"}], "allow_auto_topic_creation": False}
            yield f"Metadata v{version}: unknown topic", asks("metadata", version, unknown)
        if version >= 8:
            allowed = some | {"include_topic_authorized_operations": True}
            if version <= 10:
                allowed["include_cluster_authorized_operations"] = True
            yield f"Metadata v{version}: authorized operations", asks("metadata", version, allowed)
        if version >= 10:
            yield from metadata_by_id(version)
    for name in BAD_NAMES:
        for create in (False, True):
            yield f"Metadata: name '{name[:9]}' create {create}", asks(
                "metadata", 12, {"topics": [{"name": name}], "allow_auto_topic_creation": create})
    yield "Metadata: the same twice", asks("metadata", 12, {"topics": [{"name": "one"}, {"name": "one"}]})
    yield "Metadata: auto-creation", asks("metadata", 12, {"topics": [{"name": "made-by-asking"}]})
    yield "Metadata: internal topics are made", asks("metadata", 12, {
        "topics": [{"name": "__unknown"}], "allow_auto_topic_creation": False})


def metadata_by_id(version):
    yield f"Metadata v{version}: by id", lambda s: s.ask(
        "metadata", version, {"topics": [{"topic_id": s.id_of("one"), "name": None}]})
    yield f"Metadata v{version}: unknown id", asks(
        "metadata", version, {"topics": [{"topic_id": UNKNOWN_ID, "name": None}], "allow_auto_topic_creation": False})
    yield f"Metadata v{version}: neither id nor name", asks("metadata", version, {"topics": [{"name": None}]})
    yield f"Metadata v{version}: id and name", lambda s: s.ask(
        "metadata", version, {"topics": [{"topic_id": s.id_of("one"), "name": "one"}]})
    for name in ("", "three", "unknown"):
        yield f"Metadata v{version}: id and the name '{name}'", lambda s, n=name: s.ask(
            "metadata", version, {"topics": [{"topic_id": s.id_of("one"), "name": n}], "allow_auto_topic_creation": False})
    yield f"Metadata v{version}: unknown id and a name", asks(
        "metadata", version, {"topics": [{"topic_id": UNKNOWN_ID, "name": "one"}], "allow_auto_topic_creation": False})
    yield f"Metadata v{version}: an id beside a name", lambda s: s.ask(
        "metadata", version, {"topics": [{"name": "three"}, {"topic_id": s.id_of("one"), "name": ""}, {"name": None}]})


def assigned(*replicas):
    return [{"partition_index": i, "broker_ids": list(ids)} for i, ids in enumerate(replicas)]


def config(name, value):
    return {"configs": [{"name": name, "value": value}]}


CREATE = {
    "defaults": {"num_partitions": -1, "replication_factor": -1},
    "no partitions": {"num_partitions": 0},
    "minus two partitions": {"num_partitions": -2},
    "too many partitions": {"num_partitions": 2**31 - 1},
    "replication 0": {"replication_factor": 0},
    "replication 2": {"replication_factor": 2},
    "replication -2": {"replication_factor": -2},
    "assigned": {"num_partitions": -1, "replication_factor": -1, "assignments": assigned([1], [1])},
    "assigned and counted": {"num_partitions": 2, "replication_factor": -1, "assignments": assigned([1], [1])},
    "assigned and factor": {"num_partitions": -1, "replication_factor": 1, "assignments": assigned([1], [1])},
    "assigned to nobody": {"num_partitions": -1, "replication_factor": -1, "assignments": assigned([])},
    "assigned to a stranger": {"num_partitions": -1, "replication_factor": -1, "assignments": assigned([99])},
    "assigned twice to one": {"num_partitions": -1, "replication_factor": -1, "assignments": assigned([1, 1])},
    "assigned unevenly": {"num_partitions": -1, "replication_factor": -1, "assignments": assigned([1], [])},
    "assigned with a gap": {"num_partitions": -1, "replication_factor": -1,
                            "assignments": [{"partition_index": i, "broker_ids": [1]} for i in (0, 2)]},
    "assigned one partition twice": {"num_partitions": -1, "replication_factor": -1,
                                     "assignments": [{"partition_index": 0, "broker_ids": [1]}] * 2},
    "retention.ms 5": config("retention.ms", "5"),
    "retention.ms -1": config("retention.ms", "-1"),
    "retention.ms -2": config("retention.ms", "-2"),
    "retention.ms word": config("retention.ms", "long"),
    "retention.ms null": config("retention.ms", None),
    "retention.ms empty": config("retention.ms", ""),
    "retention.ms spaces": config("retention.ms", " 77 "),
    "unknown key": config("no.such.key", "1"),
    "empty key": config("", "1"),
    "key twice": {"configs": [{"name": "retention.ms", "value": v} for v in ("1", "2")]},
    "cleanup both": config("cleanup.policy", "compact,delete"),
    "cleanup empty": config("cleanup.policy", ""),
    "cleanup none": config("cleanup.policy", "none"),
    "cleanup word": config("cleanup.policy", "burn"),
    "cleanup in capitals": config("cleanup.policy", "DELETE"),
    "compression brotli": config("compression.type", "brotli"),
    "compression zstd": config("compression.type", "zstd"),
    "zstd level 99": config("compression.zstd.level", "99"),
    "gzip level 0": config("compression.gzip.level", "0"),
    "gzip level -1": config("compression.gzip.level", "-1"),
    "timestamp type word": config("message.timestamp.type", "Sometimes"),
    "timestamp type": config("message.timestamp.type", "LogAppendTime"),
    "segment.bytes 0": config("segment.bytes", "0"),
    "segment.bytes 13": config("segment.bytes", "13"),
    "segment.bytes 1 MiB": config("segment.bytes", "1048576"),
    "segment.bytes too long": config("segment.bytes", "99999999999"),
    "max.message.bytes -1": config("max.message.bytes", "-1"),
    "min.insync.replicas 0": config("min.insync.replicas", "0"),
    "min.insync.replicas 2": config("min.insync.replicas", "2"),
    "preallocate word": config("preallocate", "maybe"),
    "preallocate TRUE": config("preallocate", "TRUE"),
    "message.format.version": config("message.format.version", "2.0"),
    "unclean": config("unclean.leader.election.enable", "true"),
    "throttled replicas": config("leader.replication.throttled.replicas", "0:1"),
    "throttled replicas word": config("leader.replication.throttled.replicas", "abc"),
    "throttled replicas star": config("leader.replication.throttled.replicas", "*"),
    "dirty ratio 2": config("min.cleanable.dirty.ratio", "2"),
    "dirty ratio .5": config("min.cleanable.dirty.ratio", ".5"),
    "flush.messages 0": config("flush.messages", "0"),
    "remote storage": config("remote.storage.enable", "true"),
    "local retention without remote": config("local.retention.ms", "10"),
    "lag above": {"configs": [{"name": "min.compaction.lag.ms", "value": "100"},
                              {"name": "max.compaction.lag.ms", "value": "10"}]},
}


def create_topics():
    for i, (what, topic) in enumerate(CREATE.items()):
        for validate_only in (True, False) if what != "throttled replicas word" else (True,):
            yield (f"CreateTopics: {what}{', only validated' if validate_only else ''}",
                   creating(name=f"made-{i}", validate_only=validate_only, **topic))
    for name in BAD_NAMES:
        yield f"CreateTopics: name '{name[:9]}'", creating(name=name)
    yield "CreateTopics: exists", creating(name="one")
    yield "CreateTopics: exists, only validated", creating(name="one", validate_only=True)
    yield "CreateTopics: a.b", creating(name="col.li.sion")
    yield "CreateTopics: a_b beside a.b", creating(name="col_li.sion")
    yield "CreateTopics: internal name", creating(name="__transaction_state", num_partitions=2)
    yield "CreateTopics: nothing", asks("create_topics", 7, {"topics": [], "timeout_ms": WAIT_MS})
    twice = [{"name": n, "num_partitions": 1, "replication_factor": 1} for n in ("twice", "twice", "once")]
    yield "CreateTopics: one twice", asks("create_topics", 7, {"topics": twice, "timeout_ms": WAIT_MS})
    for version in range(2, 8):
        yield f"CreateTopics v{version}", creating(version, name=f"version-{version}")
        yield f"CreateTopics v{version}: defaults", creating(version, name=f"default-{version}", num_partitions=-1,
                                                             replication_factor=-1)
    yield "CreateTopics: what became of it all", lambda s: sorted(
        (t["name"], len(t["partitions"])) for t in s.raw("metadata", 12, {"topics": None})["topics"])


def create_partitions():
    def growing(name, count, to=None, version=3, validate_only=False):
        return asks("create_partitions", version, {"topics": [{"name": name, "count": count, "assignments": to}],
                                                   "timeout_ms": WAIT_MS, "validate_only": validate_only})

    def added(*replicas):
        return [{"broker_ids": list(ids)} for ids in replicas]

    yield "CreatePartitions: topic", creating(name="grows", num_partitions=2)
    for count in (-1, 0, 1, 2):
        yield f"CreatePartitions: 2 to {count}", growing("grows", count)
    for what, count, to in (("too few assigned", 4, added([1])), ("assigned to a stranger", 3, added([9])),
                            ("assigned twice to one", 3, added([1, 1])), ("assigned to nobody", 3, added([])),
                            ("assigned none", 3, [])):
        yield f"CreatePartitions: {what}", growing("grows", count, to)
    yield "CreatePartitions: unknown topic", growing("unknown", 3)
    yield "CreatePartitions: bad name", growing("a b", 3)
    yield "CreatePartitions: only validated", growing("grows", 9, validate_only=True)
    yield "CreatePartitions: too many", growing("grows", 2**31 - 1)
    for version in range(4):
        yield f"CreatePartitions v{version}", growing("grows", 3 + version, version=version)
    yield "CreatePartitions: assigned", growing("grows", 7, added([1]))
    both = [{"name": "grows", "count": 8, "assignments": None}, {"name": "grows", "count": 9, "assignments": None}]
    yield "CreatePartitions: one twice", asks("create_partitions", 3, {"topics": both, "timeout_ms": WAIT_MS})


def delete_topics():
    def deleting(*topics):
        return asks("delete_topics", 6, {"topics": list(topics), "timeout_ms": WAIT_MS})

    for name in BAD_NAMES + ["unknown"]:
        yield f"DeleteTopics: name '{name[:9]}'", deleting({"name": name})
    yield "DeleteTopics: unknown id", deleting({"name": None, "topic_id": UNKNOWN_ID})
    yield "DeleteTopics: neither id nor name", deleting({"name": None})
    yield "DeleteTopics: id and name", lambda s: deleting({"name": "one", "topic_id": s.id_of("one")})(s)
    yield "DeleteTopics: one twice", deleting({"name": "made-0"}, {"name": "made-0"})
    yield "DeleteTopics: by id and by name", lambda s: deleting(
        {"name": None, "topic_id": s.id_of("grows")}, {"name": "grows"})(s)
    yield "DeleteTopics: by id", lambda s: deleting({"name": None, "topic_id": s.id_of("three")})(s)
    for version in range(1, 6):
        yield f"DeleteTopics v{version}", asks(
            "delete_topics", version, {"topic_names": [f"version-{version + 1}", "unknown"], "timeout_ms": WAIT_MS})
    yield "DeleteTopics: it is gone", asks(
        "metadata", 12, {"topics": [{"name": "three"}], "allow_auto_topic_creation": False})


# ---- records ----

def producing(records, topic="one", partition=0, version=9, acks=-1, transactional_id=None):
    return asks("produce", version, {
        "transactional_id": transactional_id, "acks": acks, "timeout_ms": WAIT_MS,
        "topic_data": [{"name": topic, "partition_data": [{"index": partition, "records": records}]}]})


def future(**field):
    return batch(first_time=99_000_000_000_000, **field)


BATCHES = {
    "one record": batch(), "three records": batch(3), "no records at all": b"",
    "no records in a batch": batch(0, last_delta=0), "no records, last delta -1": batch(0),
    "wrong checksum": batch(crc=1), "magic 0": batch(magic=0), "magic 1": batch(magic=1), "magic 3": batch(magic=3),
    "length too short": batch(length=10), "length too long": batch(length=9999), "cut off": batch()[:-3],
    "a header only": batch()[:61], "half a header": batch()[:30], "something behind": batch() + b"abc",
    "two batches": batch() + batch(), "base offset 5": batch(base_offset=5), "base offset -1": batch(base_offset=-1),
    "epoch 7": batch(epoch=7), "last delta too large": batch(3, last_delta=9), "last delta too small": batch(3, last_delta=1),
    "count too large": batch(record_count=2), "count too small": batch(3, record_count=2, last_delta=1),
    "offset deltas with a gap": batch(2, records=record(0) + record(2), last_delta=2),
    "offset deltas not rising": batch(2, records=record(0) + record(0), last_delta=1),
    "negative count": batch(record_count=-1), "garbage for records": batch(records=b"\xff" * 20),
    "a record too long": batch(records=b"\x7f" + record()[1:]), "a byte behind the records": batch(records=record() + b"\0"),
    "unknown codec 5": batch(attributes=5), "unknown codec 7": batch(attributes=7),
    "gzip of nothing": batch(attributes=1, records=b""), "gzip of garbage": batch(attributes=1, records=b"garbage"),
    "snappy of garbage": batch(attributes=2, records=b"garbage"), "lz4 of garbage": batch(attributes=3, records=b"garbage"),
    "zstd of garbage": batch(attributes=4, records=b"garbage"), "unused attributes": batch(attributes=0x80),
    "log append time": batch(attributes=8), "transactional": batch(attributes=16, producer_id=5, producer_epoch=0, sequence=0),
    "control": batch(attributes=32), "control and transactional": batch(
        attributes=48, producer_id=5, producer_epoch=0, sequence=0, records=record(key=b"\0\0\0\1", value=b"\0\0\0\0\0\0")),
    "delete horizon": batch(attributes=64), "no key": batch(records=record(key=None)),
    "no value": batch(records=record(value=None)), "headers": batch(records=record(headers=[(b"a", b"1"), (b"a", b"")])),
    "time -1": batch(first_time=-1), "time -2": batch(first_time=-2), "far future": future(),
    "max time before first": batch(max_time=1), "max time above": batch(max_time=2_000_000),
    "producer without sequence": batch(producer_id=5, producer_epoch=0), "sequence without producer": batch(sequence=4),
    "producer without epoch": batch(producer_id=5, sequence=0), "producer -2": batch(producer_id=-2),
}


def produce():
    for what, records in BATCHES.items():
        yield f"Produce: {what}", producing(records)
    for version in range(3, 13):
        yield f"Produce v{version}", producing(batch(2), version=version)
        yield f"Produce v{version}: corrupt", producing(batch(crc=7), version=version)
    yield "Produce v13", lambda s: s.ask("produce", 13, {"acks": -1, "timeout_ms": WAIT_MS, "topic_data": [
        {"topic_id": s.id_of("one"), "partition_data": [{"index": i, "records": batch()} for i in (0, 1, -1)]},
        {"topic_id": UNKNOWN_ID, "partition_data": [{"index": 0, "records": batch()}]}]})
    yield "Produce v13: no id", asks("produce", 13, {"acks": -1, "timeout_ms": WAIT_MS, "topic_data": [
        {"partition_data": [{"index": 0, "records": batch()}]}]})
    for acks in (1, 2, -2):
        yield f"Produce: acks {acks}", producing(batch(), acks=acks)
    for topic in ("unknown", "", "a b"):
        yield f"Produce: topic '{topic}'", producing(batch(), topic=topic)
    for partition in (1, -1):
        yield f"Produce: partition {partition}", producing(batch(), partition=partition)
    yield "Produce: transactional id", producing(batch(), transactional_id="t")
    yield "Produce: nothing", asks("produce", 9, {"acks": -1, "timeout_ms": WAIT_MS, "topic_data": []})
    yield "Produce: a partition twice", asks("produce", 9, {"acks": -1, "timeout_ms": WAIT_MS, "topic_data": [
        {"name": "three", "partition_data": [{"index": 0, "records": batch(i)} for i in (1, 2)]}]})
    yield from produce_to_configured_topics()


def produce_to_configured_topics():
    for topic, key, value in (("p-small", "max.message.bytes", "100"), ("p-compact", "cleanup.policy", "compact"),
                              ("p-append", "message.timestamp.type", "LogAppendTime"),
                              ("p-before", "message.timestamp.before.max.ms", "1000"),
                              ("p-after", "message.timestamp.after.max.ms", "1000"),
                              ("p-isr", "min.insync.replicas", "2"), ("p-gzip", "compression.type", "gzip")):
        yield f"Produce: topic with {key}", creating(name=topic, **config(key, value))
        for what in ("one record", "three records", "no key", "far future", "time -1", "wrong checksum"):
            yield f"Produce: {key} {value}, {what}", producing(BATCHES[what], topic)
    yield "Produce: min.insync.replicas and acks 1", producing(batch(), "p-isr", acks=1)


def idempotence():
    def sent(sequence, count=1, producer=1000, epoch=0):
        return producing(batch(count, producer_id=producer, producer_epoch=epoch, sequence=sequence), "idem")

    steps = [("first", (0,)), ("second", (1, 3)), ("second again", (1, 3)), ("first again", (0,)), ("a gap", (9,)),
             ("overlap", (2, 2)), ("next", (4,)), ("5", (5,)), ("6", (6,)), ("7", (7,)), ("8", (8,)),
             ("older than five", (1, 3)), ("newest again", (8,)), ("new epoch not from 0", (9, 1, 1000, 1)),
             ("new epoch", (0, 1, 1000, 1)), ("old epoch", (9, 1, 1000, 0)), ("unknown producer not from 0", (7, 1, 2000)),
             ("wraps", (2**31 - 1, 2, 3000)), ("after the wrap", (1, 1, 3000))]
    for what, step in steps:
        yield f"Produce: sequence, {what}", sent(*step)


def list_offsets():
    def listing(topic, partition, timestamp, version=7, **more):
        more = {k: v for k, v in more.items() if k != "isolation_level"}, more.get("isolation_level", 0)
        request = {"replica_id": -1, "topics": [{"name": topic, "partitions": [
            {"partition_index": partition, "timestamp": timestamp, **more[0]}]}]}
        return asks("list_offsets", version, request | ({"isolation_level": more[1]} if version >= 2 else {}))

    for i, time in enumerate((1000, 3000, 2000, 2000)):
        yield f"ListOffsets: records {i}", producing(batch(2, first_time=time, max_time=time), "times")
    for version in range(1, 12):
        for timestamp in (-1, -2, -3, -4, -5, -6, -7, 0, 1000, 1001, 2500, 3000, 3001):
            yield f"ListOffsets v{version}: time {timestamp}", listing("times", 0, timestamp, version)
    for timestamp in (-1, -2, -3, -4, -5, 0):
        yield f"ListOffsets: nothing there, time {timestamp}", listing("empty", 0, timestamp)
    yield "ListOffsets: unknown topic", listing("unknown", 0, -1)
    yield "ListOffsets: bad name", listing("a b", 0, -1)
    yield "ListOffsets: partition 1", listing("times", 1, -1)
    yield "ListOffsets: partition -1", listing("times", -1, -1)
    yield "ListOffsets: read committed", listing("times", 0, -1, isolation_level=1)
    for epoch in (-1, 0, 1):
        yield f"ListOffsets: epoch {epoch}", listing("times", 0, -1, current_leader_epoch=epoch)
    twice = [{"partition_index": 0, "timestamp": t} for t in (-1, -2)]
    yield "ListOffsets: a partition twice", asks("list_offsets", 7, {"replica_id": -1, "topics": [
        {"name": "times", "partitions": twice}]})


def fetching(topic="times", version=12, max_bytes=10**6, wait=0, at_least=1, **part):
    part = {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 10**6, **part}
    return asks("fetch", version, {"max_wait_ms": wait, "min_bytes": at_least, "max_bytes": max_bytes,
                                   "topics": [{"topic": topic, "partitions": [part]}]})


def fetch():
    for version in range(4, 13):
        yield f"Fetch v{version}", fetching(version=version)
        yield f"Fetch v{version}: behind the end", fetching(version=version, fetch_offset=99)
        yield f"Fetch v{version}: unknown topic", fetching("unknown", version=version)
    for version in range(13, 19):
        yield f"Fetch v{version}", lambda s, v=version: s.ask("fetch", v, {
            "max_wait_ms": 0, "min_bytes": 1, "max_bytes": 10**6, "topics": [
                {"topic_id": i, "partitions": [{"partition": p, "partition_max_bytes": 10**6} for p in (0, 1)]}
                for i in (s.id_of("times"), UNKNOWN_ID)]})
    for offset in (-1, -2, 1, 2, 7, 8, 9):
        yield f"Fetch: offset {offset}", fetching(fetch_offset=offset)
    for part_max, whole_max in ((0, 10**6), (1, 10**6), (200, 10**6), (10**6, 0), (10**6, 1), (10**6, 200), (-1, 10**6)):
        yield f"Fetch: {part_max} bytes of {whole_max}", fetching(partition_max_bytes=part_max, max_bytes=whole_max)
    for partition in (1, -1):
        yield f"Fetch: partition {partition}", fetching(partition=partition)
    yield "Fetch: bad name", fetching("a b")
    yield "Fetch: nothing there", fetching("empty")
    yield "Fetch: waits for the end", fetching("empty", wait=200)
    yield "Fetch: more than is there", fetching(wait=200, at_least=10**6)
    for epoch in (-1, 0, 1):
        yield f"Fetch: leader epoch {epoch}", fetching(current_leader_epoch=epoch)
        yield f"Fetch: last fetched epoch {epoch}", fetching(last_fetched_epoch=epoch, current_leader_epoch=0)
        yield f"Fetch: last fetched epoch {epoch} at 99", fetching(last_fetched_epoch=epoch, fetch_offset=99)
    yield "Fetch: two topics, a partition twice", asks("fetch", 12, {"max_wait_ms": 0, "min_bytes": 1, "max_bytes": 10**6, "topics": [
        {"topic": t, "partitions": [{"partition": p, "partition_max_bytes": 10**6} for p in (0, 0, 1)]}
        for t in ("times", "idem")]})
    yield "Fetch: nothing asked", asks("fetch", 12, {"max_wait_ms": 0, "min_bytes": 1, "topics": []})


def fetch_sessions():
    """One function a session, because each step needs the id that the server chose."""
    def session(server, *steps):
        answers, number = [], 0
        for epoch, offset, more in steps:
            topics = [] if offset is None else [{"topic": "times", "partitions": [
                {"partition": 0, "fetch_offset": offset, "partition_max_bytes": 10**6}]}]
            found = server.raw("fetch", 12, {"max_wait_ms": 0, "min_bytes": 1, "max_bytes": 10**6, "topics": topics,
                                             "session_id": number, "session_epoch": epoch, **more})
            number = found["session_id"] or number
            answers.append(server.comparable(found))
        return answers

    forget = {"forgotten_topics_data": [{"topic": "times", "partitions": [0]}]}
    for what, steps in {
            "full, then nothing new": ((0, 8, {}), (1, None, {}), (2, None, {})),
            "full, then another offset": ((0, 0, {}), (1, 4, {}), (2, None, {})),
            "forgetting": ((0, 0, {}), (1, None, forget), (2, None, {})),
            "epoch repeated": ((0, 0, {}), (1, None, {}), (1, None, {})),
            "epoch skipped": ((0, 0, {}), (2, None, {})),
            "closed": ((0, 0, {}), (-1, 0, {}), (1, None, {})),
            "reopened": ((0, 0, {}), (0, 0, {}), (1, None, {})),
            "empty": ((0, None, {}), (1, None, {})),
            "unknown": ((5, 0, {"session_id": 12345}),), "epoch 1 without session": ((1, 0, {}),),
            "epoch -2": ((-2, 0, {}),), "id and epoch 0": ((0, 0, {"session_id": 12345}),),
            "id and epoch -1": ((-1, 0, {"session_id": 12345}),)}.items():
        yield f"Fetch: session, {what}", lambda s, w=steps: session(s, *w)


def epochs():
    for version in range(2, 5):
        for topic, partition, epoch, current in (
                ("times", 0, 0, -1), ("times", 0, 0, 0), ("times", 0, 0, 1), ("times", 0, 1, -1), ("times", 0, -1, -1),
                ("times", 0, 99, 0), ("empty", 0, 0, -1), ("times", 1, 0, -1), ("unknown", 0, 0, -1), ("a b", 0, 0, -1)):
            more = {"replica_id": -1} if version >= 3 else {}
            yield f"OffsetForLeaderEpoch v{version}: {topic}-{partition} epoch {epoch}, current {current}", asks(
                "offset_for_leader_epoch", version, more | {"topics": [{"topic": topic, "partitions": [
                    {"partition": partition, "leader_epoch": epoch, "current_leader_epoch": current}]}]})


# ---- settings, and the rest ----

TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32


def describe_configs():
    def described(kind, name, keys=None, version=4, **more):
        return asks("describe_configs", version, {
            "resources": [{"resource_type": kind, "resource_name": name, "configuration_keys": keys}], **more})

    yield "DescribeConfigs: topic", creating(name="configured", **config("retention.ms", "77"))
    for version in range(1, 5):
        yield f"DescribeConfigs v{version}: topic", described(TOPIC, "configured", version=version)
    yield "DescribeConfigs: topic, synonyms", described(TOPIC, "configured", include_synonyms=True)
    yield "DescribeConfigs: topic, documentation", described(TOPIC, "one", include_documentation=True)
    yield "DescribeConfigs: two keys", described(TOPIC, "one", ["retention.ms", "unknown", "segment.bytes"])
    yield "DescribeConfigs: no keys", described(TOPIC, "one", [])
    for kind, name in ((TOPIC, "unknown"), (TOPIC, "a b"), (TOPIC, ""), (BROKER, "99"), (BROKER, "word"), (BROKER, ""),
                       (BROKER_LOGGER, "99"), (1, "x"), (0, "x"), (3, "x"), (GROUP, "g"), (GROUP, ""),
                       (CLIENT_METRICS, "m"), (CLIENT_METRICS, "")):
        yield f"DescribeConfigs: type {kind} name '{name}'", described(kind, name)
    yield "DescribeConfigs: broker", described(BROKER, "1")
    yield "DescribeConfigs: broker, synonyms", described(BROKER, "1", include_synonyms=True)


def others():
    for version in range(6):
        yield f"InitProducerId v{version}", asks(
            "init_producer_id", version, {"transactional_id": None, "transaction_timeout_ms": 60000})
    for version in (3, 4, 5):
        for producer, epoch in ((5, -1), (-1, 5), (5, 5), (-2, -2)):
            yield f"InitProducerId v{version}: id {producer} epoch {epoch}", asks(
                "init_producer_id", version, {"transactional_id": None, "transaction_timeout_ms": 60000,
                                              "producer_id": producer, "producer_epoch": epoch})
    for timeout in (0, -1):
        yield f"InitProducerId: timeout {timeout}", asks(
            "init_producer_id", 4, {"transactional_id": None, "transaction_timeout_ms": timeout})
    yield "InitProducerId: empty transactional id", asks(
        "init_producer_id", 4, {"transactional_id": "", "transaction_timeout_ms": 60000})
    for version in range(3):
        yield f"DescribeCluster v{version}", asks("describe_cluster", version, {})
        yield f"DescribeCluster v{version}: operations", asks(
            "describe_cluster", version, {"include_cluster_authorized_operations": True})
    for kind in (2, 3):
        yield f"DescribeCluster: endpoints {kind}", asks("describe_cluster", 1, {"endpoint_type": kind})
    for name, request in {
            "all": {"topics": []}, "some": {"topics": [{"name": n} for n in ("three", "unknown", "a b", "one", "one")]},
            "an empty name": {"topics": [{"name": "one"}, {"name": ""}]},
            "a page": {"topics": [], "response_partition_limit": 2}, "limit 0": {"topics": [], "response_partition_limit": 0},
            "limit -1": {"topics": [], "response_partition_limit": -1},
            "from a cursor": {"topics": [{"name": "three"}, {"name": "one"}],
                              "cursor": {"topic_name": "three", "partition_index": 1}},
            "from an unknown cursor": {"topics": [], "cursor": {"topic_name": "nosuch", "partition_index": 0}},
            "from behind a topic": {"topics": [], "cursor": {"topic_name": "three", "partition_index": 9}},
            "from before": {"topics": [{"name": "three"}], "cursor": {"topic_name": "three", "partition_index": -1}},
    }.items():
        yield f"DescribeTopicPartitions: {name}", asks("describe_topic_partitions", 0, request)
