#!/usr/bin/env python3
"""Bad bytes: requests of every served API and version, cut, stretched, flipped, with lengths at their extremes, and
batches that lie. The broker stays up, answers good requests in between, writes down only what is whole, and
its memory stays where it was. A sanitizer's report makes the clean stop at the end fail.

    bad_bytes_test.py [mutations of a request [seed]]
"""
import gzip
import json
import os
import pathlib
import random
import shutil
import socket
import struct
import subprocess
import sys

from node import Node, Tests

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/oracle"))
from batch import CRC_AT, CRC_FROM, batch, crc32c, record  # noqa: E402
from codec import Api, Peer, inside, varint  # noqa: E402

VECTORS = ROOT / "tests/vectors/messages.jsonl.zst"
TOPIC, PARTITIONS = "good", 2
EXTREMES = [struct.pack(form, value) for form, values in {
    ">b": (-1, 127, -128), ">h": (-1, -2, 32767, -32768), ">i": (-1, -2, 2**31 - 1, -2**31, 0x10000, 0x7FFFFFF),
    ">q": (-1, -2, 2**63 - 1, -2**63)}.items() for value in values]
EXTREMES += [varint(v) for v in (0, 1, 2**14, 2**27, 2**31 - 1, 2**32 - 1)] + [b"\xff" * 5, b"\xff" * 10, b"\x80" * 9]
MEMORY_GROWTH_KB = 150 << 10  # freed memory that a sanitizer keeps back counts as well
BOMB_BYTES = 200 << 20
QUIET_S = 0.02  # who has not answered a bad request by then waits for more of it, or parks it


def served(peer):
    """[(api, version)] of everything that is advertised."""
    apis = {}
    for path in (ROOT / "protocol/schema").glob("*.json"):
        raw = json.loads(path.read_text())
        if "key" in raw and "request" in raw:
            apis[raw["key"]] = Api(raw)
    found = peer.ask(apis[18], 0, {})["api_keys"]
    return [(apis[a["api_key"]], v) for a in found for v in range(a["min_version"], a["max_version"] + 1)]


def frame(api, version, body, correlation=7):
    head = struct.pack(">hhih", api.key, version, correlation, 3) + b"bad" + (b"\0" if inside(api.flexible, version) else b"")
    return struct.pack(">i", len(head) + len(body)) + head + body


def vectors():
    """{(key, version): [body]} of the requests that Kafka's own classes have written."""
    found = {}
    lines = subprocess.run(["zstd", "-dc", VECTORS], capture_output=True, check=True).stdout.splitlines()
    for line in lines:
        if b'"type":"request"' in line:
            vector = json.loads(line)
            found.setdefault((vector["key"], vector["version"]), []).append(bytes.fromhex(vector["hex"]))
    return found


def mutated(dice, data):
    """One or two bad things done to a frame or a batch."""
    data = bytearray(data)
    for _ in range(dice.randrange(1, 3)):
        at = dice.randrange(len(data) + 1)
        how = dice.randrange(7)
        if how == 0:
            del data[at:]
        elif how == 1:
            data += dice.randbytes(dice.choice((1, 7, 300, 5000)))
        elif how == 2 and at < len(data):
            data[at] ^= 1 << dice.randrange(8)
        elif how == 3 and at < len(data):
            data[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif how == 4:
            extreme = dice.choice(EXTREMES)
            data[at:at + len(extreme)] = extreme
        elif how == 5:
            del data[at:at + dice.randrange(1, 9)]
        else:
            data[at:at] = dice.choice(EXTREMES)
        data = data or bytearray(b"\0")
    return bytes(data)


def resized(data):
    """With the size in front that the frame has."""
    return struct.pack(">i", max(len(data) - 4, 0)) + data[4:]


class Broker:
    """A node, a connection that behaves, and how its memory is."""

    def __init__(self, node):
        self.node, self.sent = node, 0
        self.peer = Peer(node.at)
        self.served = served(self.peer)
        self.apis = {api.name: api for api, _ in self.served}
        self.next = [0] * PARTITIONS

    def ask(self, name, version, value):
        answer = self.peer.ask(self.apis[name], version, value)
        assert answer is not None, f"{name} v{version}: closed"
        return answer

    def produce(self, records, partition=0, version=9):
        answer = self.ask("Produce", version, {"acks": -1, "timeout_ms": 5000, "topic_data": [
            {"name": TOPIC, "partition_data": [{"index": partition, "records": records}]}]})
        return answer["responses"][0]["partition_responses"][0]

    def is_well(self):
        """A record goes in at the offset after the last good one, so no bad one went in between."""
        for partition in range(PARTITIONS):
            answer = self.produce(batch(), partition)
            assert answer["error_code"] == "NONE", answer
            assert answer["base_offset"] == self.next[partition], (answer, self.next[partition])
            self.next[partition] += 1

    def send_bad(self, data):
        """On a connection of its own; waits until it is answered or refused, but not for long."""
        self.sent += 1
        host, port = self.node.at.split(":")
        with socket.create_connection((host, int(port)), 5) as s:
            s.settimeout(QUIET_S)
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                while s.recv(1 << 16):
                    pass
            except OSError:
                pass

    def rss_kb(self):
        status = pathlib.Path(f"/proc/{self.node.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])


def requests_of_every_version(broker, dice, mutations):
    """Vectors name topics at random, so that most are of topics that are not there."""
    bodies = vectors()
    for api, version in broker.served:
        for body in bodies.get((api.key, version), [b""])[:6]:
            good = frame(api, version, body)
            broker.send_bad(good)
            for _ in range(mutations):
                bad = mutated(dice, good)
                broker.send_bad(resized(bad) if dice.randrange(4) else bad)
        broker.is_well()


def requests_of_a_topic_that_is_there(broker, dice, mutations):
    produce, fetch, offsets = (broker.apis[n] for n in ("Produce", "Fetch", "ListOffsets"))
    # The batch is not whole, whatever is changed around it: its checksum is wrong.
    records = batch(2, crc=1)
    for _ in range(mutations * 20):
        version = dice.choice((9, 11, 12))
        body = produce.request.write({"acks": dice.choice((-1, 0, 1)), "timeout_ms": 100, "topic_data": [
            {"name": TOPIC, "partition_data": [{"index": i, "records": records} for i in (0, 1)]}]}, version)
        broker.send_bad(resized(mutated(dice, frame(produce, version, body))))
        body = fetch.request.write({"max_wait_ms": 5, "min_bytes": 1, "max_bytes": 1000, "topics": [
            {"topic": TOPIC, "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1000}]}]}, 12)
        broker.send_bad(resized(mutated(dice, frame(fetch, 12, body))))
        body = offsets.request.write({"replica_id": -1, "isolation_level": 0, "topics": [
            {"name": TOPIC, "partitions": [{"partition_index": 0, "timestamp": -1}]}]}, 7)
        broker.send_bad(resized(mutated(dice, frame(offsets, 7, body))))
    broker.is_well()


def frames_of_bad_sizes(broker, dice, mutations):
    api = broker.apis["ApiVersions"]
    for size in (-1, -2**31, 0, 1, 3, 7, 8, 9, 100 << 20, (100 << 20) + 1, 2**31 - 1):
        for body in (b"", b"\0", frame(api, 0, b"")[4:]):
            broker.send_bad(struct.pack(">i", size) + body)
    for key in (-1, 0x7FFF, -0x8000, 4, 5, 6, 7, 8, 9, 10, 57, 58, 66, 67, 68, 1000):
        for version in (-1, -0x8000, 0, 1, 0x7FFF):
            broker.send_bad(struct.pack(">ihhih", 10, key, version, 1, -1))
    for _ in range(mutations * 10):
        broker.send_bad(dice.randbytes(dice.randrange(64)))
    broker.is_well()


def batches_that_lie(broker, dice, mutations):
    """Changed anywhere, with the checksum made right in half of them; kept are only whole ones."""
    shapes = [batch(3), batch(1), batch(2, producer_id=5, producer_epoch=0, sequence=0),
              batch(2, records=gzip.compress(record(0) + record(1)), attributes=1)]
    for _ in range(mutations * 60):
        bad = bytearray(mutated(dice, dice.choice(shapes)))
        if dice.randrange(2) and len(bad) > CRC_FROM:
            bad[CRC_AT:CRC_FROM] = struct.pack(">I", crc32c(bad[CRC_FROM:]))
        partition = dice.randrange(PARTITIONS)
        answer = broker.produce(bytes(bad), partition, dice.choice((3, 7, 8, 9, 11, 12)))
        if answer["error_code"] == "NONE" and answer["base_offset"] == broker.next[partition]:
            broker.next[partition] += struct.unpack(">i", bad[23:27])[0] + 1
    broker.is_well()


def bombs(broker, _dice, _mutations):
    """A few hundred KB that become 200 MB when they are taken apart."""
    zeros = b"\0" * BOMB_BYTES
    huge = record(value=zeros)
    packed = {1: gzip.compress(huge, 9), 2: snappy_zeros(BOMB_BYTES)}
    for name, codec, command in (("lz4", 3, ["lz4", "-9", "-c"]), ("zstd", 4, ["zstd", "-c"])):
        if shutil.which(name):
            packed[codec] = subprocess.run(command, input=huge, capture_output=True, check=True).stdout
    del zeros, huge
    for codec, records in packed.items():
        for count in (1, 2**31 - 1):
            bad = batch(1, records=records[:900_000], attributes=codec, record_count=count, last_delta=count - 1)
            before = broker.rss_kb()
            answer = broker.produce(bad)
            assert count == 1 or answer["error_code"] != "NONE", answer
            broker.next[0] += answer["error_code"] == "NONE"  # a record may be as large as that
            growth = broker.rss_kb() - before
            assert growth < MEMORY_GROWTH_KB, f"codec {codec}: memory grew by {growth} KB"
    broker.is_well()


def snappy_zeros(count):
    """A snappy block: one zero, then copies of it, 64 bytes each."""
    return varint(count) + b"\0\0" + b"\xfe\x01\0" * min(count // 64, 300_000)


def memory_stays(broker, start):
    growth = broker.rss_kb() - start
    print(f"        {broker.sent} bad requests, memory {start} KB and {growth} KB more at the end")
    assert growth < MEMORY_GROWTH_KB


def main():
    mutations = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    dice = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 4711)
    os.environ.setdefault("ASAN_OPTIONS", "quarantine_size_mb=8")
    tests = Tests()
    with Node() as node:
        broker = Broker(node)
        created = broker.ask("CreateTopics", 5, {"timeout_ms": 5000, "topics": [
            {"name": TOPIC, "num_partitions": PARTITIONS, "replication_factor": 1}]})
        assert created["topics"][0]["error_code"] == "NONE", created
        broker.is_well()
        start = broker.rss_kb()
        for test in (frames_of_bad_sizes, batches_that_lie, requests_of_a_topic_that_is_there,
                     requests_of_every_version, bombs):
            tests.test(test, broker, dice, mutations)
        tests.test(memory_stays, broker, start)
    tests.end()


main()
