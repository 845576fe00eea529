#!/usr/bin/env python3
"""kcat (librdkafka): every codec, keys, headers, offsets by time, the tail, and all of it again after kill -9."""
from node import Node, Tests, missing, run

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def lines(count, tag):
    return "".join(f"{tag}-{i}\n" for i in range(count)).encode()


def consume(node, topic, *more):
    return run("kcat", "-b", node.at, "-C", "-t", topic, "-e", "-q", "-X", "check.crcs=true", *more)


def produce_and_read_back_with(node, codec):
    text = lines(500, codec)
    run("kcat", "-b", node.at, "-P", "-t", f"codec-{codec}", "-z", codec, stdin=text)
    assert consume(node, f"codec-{codec}") == text


def an_idempotent_producer_writes_each_record_once(node):
    run("kcat", "-b", node.at, "-P", "-t", "idempotent", "-X", "enable.idempotence=true", stdin=lines(1000, "i"))
    assert consume(node, "idempotent") == lines(1000, "i")


def keys_and_headers_come_back(node):
    run("kcat", "-b", node.at, "-P", "-t", "headers", "-k", "key", "-H", "a=1", "-H", "b=", stdin=b"value\n")
    assert consume(node, "headers", "-f", "%k %s %h %p %o\\n") == b"key value a=1,b= 0 0\n"


def metadata_lists_broker_and_topics(node):
    text = run("kcat", "-b", node.at, "-L").decode()
    assert f"broker 1 at {node.at}" in text and 'topic "headers" with 1 partitions' in text, text


def offsets_are_found_by_time(node):
    text = run("kcat", "-b", node.at, "-Q", "-t", "headers:0:1").decode()
    assert "headers [0] offset 0" in text, text


def the_tail_is_read_from_the_end(node):
    assert consume(node, "idempotent", "-o", "-3") == b"i-997\ni-998\ni-999\n"


def acks_one_and_zero_are_taken(node):
    for acks in ("1", "0"):
        run("kcat", "-b", node.at, "-P", "-t", f"acks-{acks}", "-X", f"acks={acks}", stdin=lines(50, acks))
    assert consume(node, "acks-1") == lines(50, "1")


def everything_is_there_after_kill_9(node):
    node.kill9()
    node.start()
    for codec in CODECS:
        assert consume(node, f"codec-{codec}") == lines(500, codec), codec
    assert consume(node, "idempotent") == lines(1000, "i")


def main():
    tests = Tests()
    if missing("kcat"):
        tests.skip("kcat", "it is not installed")
        tests.end()
    with Node() as node:
        for codec in CODECS:
            tests.test(produce_and_read_back_with, node, codec)
        for function in (an_idempotent_producer_writes_each_record_once, keys_and_headers_come_back,
                         metadata_lists_broker_and_topics, offsets_are_found_by_time,
                         the_tail_is_read_from_the_end, acks_one_and_zero_are_taken,
                         everything_is_there_after_kill_9):
            tests.test(function, node)
    tests.end()


main()
