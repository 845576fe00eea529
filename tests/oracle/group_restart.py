"""Cases with a restart of the servers in the middle, where they yield; after it, time passes quickly (AGAIN).

Empty groups without offsets are gone soon then, in both: only what is waited for is compared.
"""
from group_classic import describe as describe_classic
from group_classic import formed
from group_consumer import consumer, describe, owns, resolved
from group_lists import several
from group_records import of_group
from group_static import pair

AGAIN = ["offsets.retention.check.interval.ms=300", "group.initial.rebalance.delay.ms=600",
         "group.consumer.session.timeout.ms=5000", "group.consumer.heartbeat.interval.ms=1000"]


def cases():
    yield "Restart: a Stable classic group", stable
    yield "Restart: in the middle of a rebalance", in_the_middle
    yield "Restart: static members", statics
    yield "Restart: groups of every kind are listed", listed
    yield "Restart: deleted groups stay deleted", deleted
    yield "Restart: offsets", offsets
    yield "Restart: a consumer group", consumers
    yield "Restart: a consumer group in the middle of a move", consumers_moving
    yield "Restart: a pattern", pattern
    yield "Later: members that come within the first delay", first_delay
    yield "Later: a consumer's session runs out", session_runs_out
    yield "Later: offsets of a simple group expire", expire_simple
    yield "Later: one of two offsets expires", expire_one
    yield "Later: offsets of a live group expire", expire_live
    yield "Later: offsets of a live consumer group expire", expire_consumer
    yield "Later: an empty classic group goes", empty_goes
    yield "Later: an empty consumer group goes", empty_consumer_goes
    yield "Later: a group that was only asked for goes", asked_for_goes


def stable(w):
    a, b = formed(w, "A", "B")
    a.commit(9)
    yield
    describe_classic(w)
    a.beat()
    b.beat(generation_id=b.generation + 1)
    b.sync()
    a.commit(9, [("one", 0, 8)])
    a.fetch(9)
    b.leave()
    a.beat()
    a.join(9)
    describe_classic(w)


def in_the_middle(w):
    a, = formed(w, "A")
    b = w.member("B")
    b.join(3, wait=False)
    w.members(2, "PreparingRebalance")
    yield
    describe_classic(w)
    a.beat()


def statics(w):
    a, b = pair(w)
    yield
    describe_classic(w)
    again = w.member("B2", group_instance_id="instance-B")
    again.join(9)
    again.sync()
    b.beat(group_instance_id="instance-B")
    a.beat(group_instance_id="instance-A")
    describe_classic(w)


def listed(w):
    """Not those that are empty and have no offsets, which go."""
    several(w)
    w.member("A").commit(9, group_id=f"{w.group}-empty")
    yield
    found = w.server.ask_quietly("list_groups", 5)["groups"]
    for state in ("stable", "empty", "commit", "consumer"):
        w.note(state, [g for g in found if g["group_id"] == f"{w.group}-{state}"])


def deleted(w):
    a, = formed(w, "A")
    a.commit(9)
    a.leave()
    w.server.ask("delete_groups", 2, groups_names=[w.group])
    yield
    a.fetch(9)
    w.server.ask("describe_groups", 6, groups=[w.group])


def offsets(w):
    topic = w.topic("two", 2)
    a = w.member("A")
    a.commit(9, [(topic, 0, 7), (topic, 1, {
        "committed_offset": 5, "committed_leader_epoch": 2, "committed_metadata": "words"})])
    a.commit(4, [("one", 0, 3)], retention_time_ms=3600000)
    a.commit(9, [(topic, 0, 8), ("three", 1, 9)])
    w.server.ask("offset_delete", 0, group_id=w.group, topics=[{"name": "three", "partitions": [{"partition_index": 1}]}])
    yield
    a.fetch(9)
    a.fetch(10)


def consumers(w):
    a, b = consumer(w, "A"), consumer(w, "B", instance_id="b")
    a.begin(["four"])
    b.begin(["four"])
    a.pulse()
    a.pulse(topic_partitions=owns(w, four=[0, 1]))
    b.pulse()
    b.pulse(topic_partitions=owns(w, four=[2, 3]))
    b.pulse(member_epoch=-2)
    yield
    describe(w)
    a.pulse()
    again = consumer(w, "C", instance_id="b")
    again.begin(["four"])
    describe(w)


def consumers_moving(w):
    a, b = consumer(w, "A"), consumer(w, "B")
    a.begin(["four"])
    b.begin(["four"])
    a.pulse()
    yield
    describe(w)
    b.pulse()
    a.pulse(topic_partitions=owns(w, four=[0, 1]))
    b.pulse()
    describe(w)


def pattern(w):
    topic = w.topic("pattern", 2)
    a = consumer(w, "A")
    resolved(w, a, None, topic, 1)
    yield
    a.pulse()
    describe(w)


def first_delay(w):
    yield
    a, b = w.member("A"), w.member("B")
    first = a.join(3, wait=False)
    w.members(1, "PreparingRebalance")
    second = b.join(3, wait=False)
    w.members(2, "PreparingRebalance")
    first.answer()
    second.answer()
    w.server.leave(5, members=[{"member_id": b.id}])
    a.join(3)


def session_runs_out(w):
    yield
    a, b = consumer(w, "A"), consumer(w, "B", instance_id="b")
    a.commit(9, [("one", 0, 3)], member_id="")
    a.begin()
    b.begin()
    b.pulse(member_epoch=-2)
    w.note("gone", w.until(lambda: w.server.ask_quietly("consumer_group_describe", 1, group_ids=[w.group])["groups"][0],
                           lambda g: not g["members"], "the end of the sessions"))
    a.pulse()
    b.pulse(member_epoch=-2)


def gone(w, *what):
    """Waits until every record of these types, and of topics where they are named, has its tombstone."""
    w.until(lambda: of_group(w.server, w.group), lambda r: all(any(
        x["value"] is None and x["type"] == t and topic in (None, x["key"].get("topic")) for x in r) for t, topic in what),
        f"the end of {what}")


def expire_simple(w):
    yield
    w.member("A").commit(4, [("one", 0, 3), ("three", 1, 4)], retention_time_ms=1)
    gone(w, ("OffsetCommit", "one"), ("OffsetCommit", "three"))
    w.member("A").fetch(9)
    w.until(lambda: w.server.ask_quietly("describe_groups", 6, groups=[w.group])["groups"][0],
            lambda g: g["error_code"] != "NONE", "the end of the group")


def expire_one(w):
    yield
    a = w.member("A")
    a.commit(4, [("one", 0, 3)], retention_time_ms=3600000)
    a.commit(4, [("three", 1, 4)], retention_time_ms=1)
    gone(w, ("OffsetCommit", "three"))
    a.fetch(9)
    describe_classic(w)


def expire_live(w):
    yield
    a, = formed(w, "A")
    a.commit(4, [("one", 0, 3), ("three", 1, 4)], retention_time_ms=1)
    gone(w, ("OffsetCommit", "three"))
    a.fetch(9)
    a.leave()
    gone(w, ("OffsetCommit", "one"), ("GroupMetadata", None))


def expire_consumer(w):
    yield
    w.member("B").commit(4, [("one", 0, 3), ("three", 1, 4)], retention_time_ms=3600000)
    a = consumer(w, "A")
    a.begin()
    w.member("B").fetch(9)
    w.member("B").commit(4, [("one", 0, 3)], retention_time_ms=1)
    a.pulse(member_epoch=-1)
    w.member("B").commit(4, [("one", 0, 3)], retention_time_ms=1)
    gone(w, ("OffsetCommit", "one"))
    w.member("B").fetch(9)


def empty_goes(w):
    yield
    a, = formed(w, "A")
    a.leave()
    gone(w, ("GroupMetadata", None))
    w.server.ask("describe_groups", 6, groups=[w.group])


def empty_consumer_goes(w):
    yield
    a = consumer(w, "A")
    a.begin()
    a.pulse(member_epoch=-1)
    gone(w, ("ConsumerGroupMetadata", None))
    w.server.ask("consumer_group_describe", 1, group_ids=[w.group])


def asked_for_goes(w):
    yield
    w.member("A", session_timeout_ms=1000).join(9)
    gone(w, ("GroupMetadata", None))
    w.server.ask("describe_groups", 6, groups=[w.group])
