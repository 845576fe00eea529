#!/usr/bin/env python3
"""kafka-python, as Debian has it: topics, records of every codec, seeking, settings."""
import importlib.util

from node import Node, Tests

try:
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
    from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
    from kafka.errors import (InvalidPartitionsError, InvalidReplicationFactorError, InvalidTopicError,
                              TopicAlreadyExistsError, UnknownTopicOrPartitionError)
except ImportError:
    KafkaAdminClient = None


def create(admin, topic, partitions=1, **settings):
    admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=settings)])


def refused_as(kind, function, *arguments):
    try:
        function(*arguments)
    except kind:
        return
    raise AssertionError(f"not refused as {kind.__name__}")


def topics_are_created_listed_and_deleted(node, admin):
    create(admin, "orders", 3)
    assert "orders" in admin.list_topics()
    assert len(admin.describe_topics(["orders"])[0]["partitions"]) == 3
    refused_as(TopicAlreadyExistsError, create, admin, "orders")
    refused_as(InvalidTopicError, create, admin, "no good name")
    refused_as(InvalidPartitionsError, create, admin, "none", 0)
    admin.delete_topics(["orders"])
    assert "orders" not in admin.list_topics()
    refused_as(UnknownTopicOrPartitionError, admin.delete_topics, ["orders"])


def too_many_replicas_are_refused(node, admin):
    refused_as(InvalidReplicationFactorError, admin.create_topics, [NewTopic("three", 1, 3)])


def a_topic_grows(node, admin):
    create(admin, "grows")
    admin.create_partitions({"grows": NewPartitions(4)})
    assert len(admin.describe_topics(["grows"])[0]["partitions"]) == 4


def settings_are_described(node, admin):
    create(admin, "settings", 1, **{"retention.ms": "12345"})
    answer = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "settings")])
    values = {c[0]: c[1] for c in answer[0].resources[0][4]}
    assert values["retention.ms"] == "12345" and values["segment.bytes"] == "1073741824", values


def records_come_back_with(node, admin, codec):
    topic = f"codec-{codec}"
    producer = KafkaProducer(bootstrap_servers=node.at, compression_type=codec, acks="all", linger_ms=5)
    sent = [producer.send(topic, key=b"k%d" % i, value=b"v%d" % i, headers=[("h", b"x")]) for i in range(300)]
    producer.flush(20)
    assert [f.get(1).offset for f in sent] == list(range(300))
    producer.close()
    consumer = KafkaConsumer(bootstrap_servers=node.at, consumer_timeout_ms=10000, check_crcs=True)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    got = []
    for record in consumer:
        got.append((record.offset, record.key, record.value, record.headers))
        if len(got) == 300:
            break
    assert got == [(i, b"k%d" % i, b"v%d" % i, [("h", b"x")]) for i in range(300)]
    assert consumer.end_offsets([partition])[partition] == 300
    assert consumer.beginning_offsets([partition])[partition] == 0
    consumer.seek(partition, 137)
    assert next(consumer).offset == 137
    consumer.close()


def offsets_for_times_name_the_first_record_not_earlier(node, admin):
    producer = KafkaProducer(bootstrap_servers=node.at, acks="all")
    for i in range(10):
        producer.send("times", value=b"%d" % i, timestamp_ms=1000 * (i + 1))
        producer.flush(20)
    producer.close()
    consumer = KafkaConsumer(bootstrap_servers=node.at)
    partition = TopicPartition("times", 0)
    found = consumer.offsets_for_times({partition: 4500})[partition]
    assert (found.offset, found.timestamp) == (4, 5000), found
    assert consumer.offsets_for_times({partition: 99999})[partition] is None
    consumer.close()


def main():
    tests = Tests()
    if KafkaAdminClient is None:
        tests.skip("kafka-python", "Debian's python3-kafka is not installed")
        tests.end()
    with Node() as node:
        admin = KafkaAdminClient(bootstrap_servers=node.at)
        for function in (topics_are_created_listed_and_deleted, too_many_replicas_are_refused, a_topic_grows,
                         settings_are_described, offsets_for_times_name_the_first_record_not_earlier):
            tests.test(function, node, admin)
        for codec, library in ((None, None), ("gzip", None), ("lz4", "lz4"), ("snappy", "snappy")):
            if library and importlib.util.find_spec(library) is None:
                tests.skip(f"kafka-python with {codec}", f"Python's {library} is not installed")
            else:
                tests.test(records_come_back_with, node, admin, codec)
        admin.close()
    tests.end()


main()
