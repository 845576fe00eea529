#!/usr/bin/env python3
"""Apache Kafka's own command line tools (Java clients, idempotent by default): topics, the console producer with every
codec, the console consumer with its partition assigned by hand, offsets, settings, a producer at speed; all of it again
after kill -9, and the segment files read by Kafka's own log dump. Kafka comes from Maven Central, kept in the cache."""
import concurrent.futures
import os
import pathlib
import re
import subprocess

from node import Node, Tests, missing, run

KAFKA = str(pathlib.Path(__file__).resolve().parents[1] / "oracle" / "kafka")
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
COUNT, PARTITIONS, PERF_COUNT = 300, 3, 2000
TOOL_S = 60


def kafka(*arguments, stdin=None):
    return run(KAFKA, "run", *arguments, stdin=stdin, timeout=TOOL_S).decode()


def tool(node, name, *arguments, stdin=None):
    return kafka(name, "--bootstrap-server", node.at, *arguments, stdin=stdin)


def lines(codec):
    return [f"k{i}\t{codec}-{i}-" + "x" * (i % 50) for i in range(COUNT)]


def topics_are_created_and_grow(node):
    tool(node, "topics", "--create", "--topic", "java", "--partitions", "2", "--config", "retention.ms=7200000")
    tool(node, "topics", "--alter", "--topic", "java", "--partitions", str(PARTITIONS))
    text = tool(node, "topics", "--describe", "--topic", "java")
    assert f"PartitionCount: {PARTITIONS}" in text and "retention.ms=7200000" in text, text
    assert len(re.findall(r"Leader: 1\s+Replicas: 1\s+Isr: 1", text)) == PARTITIONS, text


def topics_are_deleted(node):
    tool(node, "topics", "--create", "--topic", "short-lived")
    assert "short-lived" in tool(node, "topics", "--list").split()
    tool(node, "topics", "--delete", "--topic", "short-lived")
    assert "short-lived" not in tool(node, "topics", "--list").split()


def settings_are_described(node):
    text = tool(node, "configs", "--describe", "--all", "--entity-type", "topics", "--entity-name", "java")
    assert re.search(r"retention\.ms=7200000 sensitive=false synonyms=\{DYNAMIC_TOPIC_CONFIG:retention\.ms=7200000", text)
    text = tool(node, "configs", "--describe", "--all", "--entity-type", "brokers", "--entity-name", "1")
    assert re.search(r"num\.partitions=\S+ sensitive=false", text), text


def each_codec(function, node):
    """Two at a time: most of what a tool does is to start."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda codec: function(node, codec), CODECS))


def write(node, codec):
    tool(node, "console-producer", "--topic", f"java-{codec}", "--command-property", f"compression.type={codec}",
         "--reader-property", "parse.key=true", stdin=("\n".join(lines(codec)) + "\n").encode())


def read_back(node, codec):
    text = tool(node, "console-consumer", "--topic", f"java-{codec}", "--partition", "0", "--offset", "earliest",
                "--max-messages", str(COUNT), "--timeout-ms", "20000", "--formatter-property", "print.key=true")
    assert text.splitlines() == lines(codec), f"{codec}: {text[:300]}"


def records_are_written_with_every_codec(node):
    each_codec(write, node)


def a_producer_at_speed_is_acknowledged(node):
    text = kafka("producer-perf-test", "--topic", "java", "--num-records", str(PERF_COUNT), "--record-size", "200",
                 "--throughput", "-1", "--command-property", f"bootstrap.servers={node.at}")
    assert f"{PERF_COUNT} records sent" in text, text


def offsets_are_listed(node):
    ends = [int(line.split(":")[2]) for line in tool(node, "get-offsets", "--topic", "java").split()]
    assert len(ends) == PARTITIONS and sum(ends) == PERF_COUNT, ends
    assert tool(node, "get-offsets", "--topic", "java-zstd", "--time", "earliest").split() == ["java-zstd:0:0"]


def everything_is_there_after_kill_9(node):
    node.kill9()
    node.start()
    offsets_are_listed(node)
    each_codec(read_back, node)


def segment_files_are_kafkas(node):
    """Kafka's dump reads them to the end, every batch with a valid checksum, every record of ours among them."""
    node.stop()
    files = sorted(str(p) for p in pathlib.Path(node.data).rglob("*.log") if p.name[:-4].isdigit())
    assert files, "there are no segment files"
    text = kafka("dump-log", "--print-data-log", "--files", ",".join(files))
    assert "isvalid: false" not in text and text.count("isvalid: true") > len(CODECS), text[-1000:]
    for codec in CODECS:
        for line in lines(codec):
            key, value = line.split("\t")
            assert f"key: {key} payload: {value}" in text, f"{codec}: {key} is not in the dump"


def main():
    tests = Tests()
    absent = missing("java", "mvn")
    if absent:
        tests.skip("Kafka's own tools", f"{absent} is not installed")
        tests.end()
    fetched = subprocess.run([KAFKA, "get"], capture_output=True, text=True, check=False)
    if fetched.returncode:
        tests.skip("Kafka's own tools", f"they cannot be fetched: {fetched.stderr.strip()[-200:]}")
        tests.end()
    os.environ.pop("KAFKA_OPTS", None)
    with Node() as node:
        for function in (topics_are_created_and_grow, topics_are_deleted, settings_are_described,
                         a_producer_at_speed_is_acknowledged, records_are_written_with_every_codec,
                         offsets_are_listed, everything_is_there_after_kill_9, segment_files_are_kafkas):
            tests.test(function, node)
    tests.end()


main()
