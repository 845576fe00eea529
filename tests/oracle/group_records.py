"""The records of __consumer_offsets, in plain values: what a server wrote about one group, in its order."""
import itertools
import json

import batch
from codec import SCHEMA, Message

OFFSETS, PARTITIONS = "__consumer_offsets", 50
FILES = ("group_records", "consumer_group_records")
TIMES = ("commit_timestamp", "current_state_timestamp", "assignment_timestamp", "timestamp")


def load():
    keys, values = {}, {}
    for file in FILES:
        raw = json.loads((SCHEMA / f"{file}.json").read_text())
        for m in raw["messages"]:
            into = keys if m["kind"] == "coordinator-key" else values
            into[m["key"]] = m["name"], Message(m["fields"], raw.get("structs", {}) | m.get("structs", {}), m["flexible"])
    return keys, values


KEYS, VALUES = load()


def partition_of(group):
    value, data = 0, group.encode("utf-16-be")
    for i in range(0, len(data), 2):
        value = (value * 31 + int.from_bytes(data[i:i + 2], "big")) & 0xFFFFFFFF
    value -= (value & 0x80000000) << 1
    return (0 if value == -2**31 else abs(value)) % PARTITIONS


def decoded(messages, number, data, version):
    name, message = messages[number]
    return name, message.read(data, version)


def one(key, value):
    """A record as {"type":, "key":, "version":, "value":}; a tombstone has value None."""
    number = int.from_bytes(key[:2], "big")
    if number not in KEYS:
        return {"type": f"unknown {number}", "key": key[2:], "value": value}
    name, found = decoded(KEYS, number, key[2:], 0)
    out = {"type": name.removesuffix("Key"), "key": found}
    if value is None:
        return out | {"value": None}
    version = int.from_bytes(value[:2], "big")
    out |= {"version": version, "value": plain(decoded(VALUES, number, value[2:], version)[1])}
    return out


def plain(value):
    """Without what cannot be equal: times become their kind, an expiry what it adds to the commit's time."""
    if value.get("expire_timestamp", -1) > 0:
        value["expire_timestamp"] -= value["commit_timestamp"]
    for key in TIMES:
        if value.get(key, -1) > 10**12:
            value[key] = "now"
    if value.get("metadata_hash"):
        value["metadata_hash"] = "a hash"
    if "version" in value:
        value["version"] = "of the metadata"
    for name in ("assigned_partitions", "partitions_pending_revocation"):
        for topic in value.get(name) or []:
            pairs = sorted(zip(topic["partitions"], topic["assignment_epochs"]))
            topic |= {"partitions": [p for p, _ in pairs], "assignment_epochs": [e for _, e in pairs]}
    return value


def in_runs(records):
    """Records of one type that follow each other, of several members say, are put in the order of their keys, tombstones
    that follow each other by type as well: theirs is anybody's choice."""
    out = []
    for _, run in itertools.groupby(records, lambda r: "gone" if r["value"] is None else r["type"]):
        out += sorted(run, key=lambda r: (r["type"], str(r["key"])))
    return out


def of_group(client, group):
    """Everything written about the group so far."""
    found, at, partition = [], 0, partition_of(group)
    while True:
        answer = client.ask_quietly("fetch", 12, max_wait_ms=0, min_bytes=1, max_bytes=50_000_000, topics=[
            {"topic": OFFSETS, "partitions": [{"partition": partition, "fetch_offset": at,
                                               "partition_max_bytes": 50_000_000}]}])
        part = answer["responses"][0]["partitions"][0]
        if part["error_code"] != "NONE":
            raise ValueError(f"{OFFSETS}-{partition}: {part['error_code']}")
        records = [r for r in batch.records(part["records"] or b"") if r[0] >= at]
        if not records:
            return found
        at = records[-1][0] + 1
        found += [r for r in (one(k, v) for _, k, v in records) if group in (r["key"].get("group_id"), r["key"].get("group"))]
