"""Cases: OffsetCommit, OffsetFetch, OffsetDelete."""
from group_classic import STRANGER, formed
from group_consumer import UNKNOWN_TOPIC, consumer, owns
from group_world import protocol


def cases():
    for version in range(2, 11):
        yield f"OffsetCommit v{version}: simple", lambda w, v=version: simple(w, v)
        yield f"OffsetCommit v{version}: errors", lambda w, v=version: commit_errors(w, v)
    for version in (2, 7, 10):
        yield f"OffsetCommit v{version}: of a classic member", lambda w, v=version: of_member(w, v)
    yield "OffsetCommit: while it is rebalanced", while_rebalanced
    yield "OffsetCommit: static members", static_commits
    for version in (8, 9, 10):
        yield f"OffsetCommit v{version}: of a consumer member", lambda w, v=version: of_consumer(w, v)
    yield "OffsetCommit: older epochs", older_epochs
    yield "OffsetCommit: what it does to a group", lambda w: (w.member("A").commit(9), lists(w))
    for version in range(1, 11):
        yield f"OffsetFetch v{version}", lambda w, v=version: fetches(w, v)
    for version in (8, 9, 10):
        yield f"OffsetFetch v{version}: groups", lambda w, v=version: many_groups(w, v)
    yield "OffsetFetch: members", fetch_members
    yield "OffsetFetch: require stable", lambda w: (
        w.member("A").commit(9), w.member("A").fetch(7, {"one": [0]}, require_stable=True),
        w.member("A").fetch(9, None, require_stable=True), w.member("A").fetch(9, {"one": [0, 3]}, require_stable=True))
    yield "OffsetFetch: of a deleted topic", fetch_deleted
    yield "OffsetDelete: simple", delete_simple
    yield "OffsetDelete: classic members", delete_classic
    yield "OffsetDelete: another protocol type", delete_connect
    yield "OffsetDelete: consumer members", delete_consumer


def lists(w):
    w.note("described", w.described())
    listed = w.server.ask_quietly("list_groups", 5, states_filter=[], types_filter=[])
    w.note("listed", [g for g in listed["groups"] if g["group_id"] == w.group])


def simple(w, version):
    a = w.member("A")
    a.commit(version, [("one", 0, 7), ("three", 2, {"committed_offset": 5, "committed_metadata": "some words"})])
    a.commit(version, [("three", 1, {"committed_offset": 6, "committed_leader_epoch": 3, "committed_metadata": None})])
    a.commit(version, [("one", 0, 3)], retention_time_ms=60000)
    a.commit(version, [("one", 0, -1)])
    a.commit(version, [("one", 0, -7)])
    a.commit(version, [("one", 0, {"committed_offset": 2**62, "committed_leader_epoch": -5, "committed_metadata": "x"})])
    a.fetch(9)


def commit_errors(w, version):
    a = w.member("A")
    unknown = UNKNOWN_TOPIC if version >= 10 else "unknown"
    a.commit(version, [("one", 0, 1)], generation_id_or_member_epoch=1)
    a.commit(version, [("one", 0, 1)], generation_id_or_member_epoch=1, member_id="x")
    a.commit(version, [("one", 0, 1)], member_id="x")
    a.commit(version, [("one", 0, 1)], generation_id_or_member_epoch=-2)
    a.commit(version, [(unknown, 0, 1), ("one", 0, 1), ("one", 7, 1), ("one", -1, 1)])
    if version < 10:
        a.commit(version, [("a b", 0, 1), ("", 0, 1)])
    else:
        a.commit(version, [("00000000-0000-0000-0000-000000000000", 0, 1)])
    for size in (4096, 4097):
        a.commit(version, [("one", 0, {"committed_offset": 1, "committed_metadata": "m" * size}), ("three", 0, 1)])
    a.commit(version, [("one", 0, 1), ("one", 0, 2)])
    a.commit(version, [("one", 0, 1), ("three", 0, 1), ("one", 0, 2)])
    a.commit(version, [])
    a.commit(version, [("one", 0, 1)], group_id="")
    a.commit(version, [("one", 0, 1)], group_instance_id="who") if version >= 7 else None
    a.fetch(9)


def of_member(w, version):
    a, = formed(w, "A")
    a.commit(version)
    for fields in ({"generation_id_or_member_epoch": a.generation + 1}, {"generation_id_or_member_epoch": a.generation - 1},
                   {"generation_id_or_member_epoch": -1}, {"member_id": STRANGER}, {"member_id": ""},
                   {"member_id": "", "generation_id_or_member_epoch": -1},
                   {"group_instance_id": "who"} if version >= 7 else {}):
        a.commit(version, **fields)
    a.leave()
    a.commit(version)
    w.member("B").commit(version)


def while_rebalanced(w):
    a, b = w.member("A"), w.member("B")
    a.enter(9)
    a.commit(9)
    a.sync(5, give=[(a, b"x")])
    a.commit(9)
    waiting = b.join(3, wait=False)
    w.members(2)
    a.commit(9)
    a.commit(9, generation_id_or_member_epoch=2)
    w.member("C").commit(9)
    a.join(9)
    waiting.answer()
    b.commit(9)
    a.commit(9, generation_id_or_member_epoch=1)
    a.commit(9)
    w.member("C").commit(9)


def static_commits(w):
    a = w.member("A", group_instance_id="i")
    a.enter(9)
    a.sync(5, give=[(a, b"x")])
    a.commit(7)
    a.commit(7, group_instance_id=None)
    a.commit(7, member_id=STRANGER)
    a.commit(7, group_instance_id="other")
    a.commit(7, member_id="")


def of_consumer(w, version):
    a = consumer(w, "A")
    a.begin(["three"])
    a.commit(version, [("three", 0, 9)], generation_id_or_member_epoch=a.epoch)
    for epoch in (a.epoch + 1, a.epoch - 1, 0, -1, -2):
        a.commit(version, [("three", 0, 1)], generation_id_or_member_epoch=epoch)
    b = consumer(w, "B")
    b.commit(version, [("three", 0, 2)], generation_id_or_member_epoch=a.epoch)
    w.member("C").commit(version, [("three", 0, 2)])
    w.member("C").commit(version, [("three", 0, 2)], generation_id_or_member_epoch=a.epoch)
    a.pulse(member_epoch=-1)
    a.commit(version, [("three", 0, 1)], generation_id_or_member_epoch=2)
    w.member("C").commit(version, [("three", 0, 2)])
    a.fetch(9)


def older_epochs(w):
    a, b = consumer(w, "A"), consumer(w, "B")
    a.begin(["three"])
    a.pulse(topic_partitions=owns(w, three=[0, 1, 2]))
    b.begin(["six"])
    a.pulse(subscribed_topic_names=["three", "one"])
    a.pulse(topic_partitions=owns(w, three=[0, 1, 2], one=[0]))
    for epoch in (1, 2, 3, a.epoch, a.epoch + 1):
        a.commit(9, [("three", 0, epoch)], generation_id_or_member_epoch=epoch)
        a.commit(9, [("three", 0, epoch), ("one", 0, epoch)], generation_id_or_member_epoch=epoch)
        a.commit(9, [("six", 0, epoch)], generation_id_or_member_epoch=epoch)
    a.fetch(9)


def fetches(w, version):
    a = w.member("A")
    a.fetch(version, {"one": [0]})
    a.commit(9, [("one", 0, 7), ("three", 2, {
        "committed_offset": 5, "committed_leader_epoch": 0, "committed_metadata": "words"})])
    a.fetch(version, {"one": [0], "three": [0, 1, 2, 7, -1]})
    a.fetch(version, {"one": [0, 0]})
    a.fetch(version, {"one": []})
    a.fetch(version, {})
    if version >= 2:
        a.fetch(version)
    unknown = UNKNOWN_TOPIC if version >= 10 else "unknown"
    a.fetch(version, {unknown: [0], "one": [0]})
    a.fetch(version, {"six": [5]}, group="")
    a.fetch(version, {"one": [0]}, group=f"{w.group}-none")


def many_groups(w, version):
    a = w.member("A")
    a.commit(9)
    topic = {"topic_id": w.id_of("one")} if version >= 10 else {"name": "one"}
    some = [topic | {"partition_indexes": [0, 1]}]
    a.ask("offset_fetch", version, groups=[{"group_id": w.group, "topics": some}, {"group_id": f"{w.group}-x", "topics": some},
                                           {"group_id": f"{w.group}-y", "topics": None}])
    a.ask("offset_fetch", version, groups=[])
    a.ask("offset_fetch", version, groups=[{"group_id": w.group, "topics": some}, {"group_id": w.group, "topics": None}])
    a.ask("offset_fetch", version, groups=[{"group_id": w.group, "topics": some + some}])


def fetch_members(w):
    a = consumer(w, "A")
    a.begin(["three"])
    a.commit(9, [("three", 0, 9)], generation_id_or_member_epoch=a.epoch)
    for member, epoch in ((a.id, a.epoch), (a.id, a.epoch + 1), (a.id, a.epoch - 1), ("x", a.epoch), (None, a.epoch),
                          (a.id, -1), (None, -1), ("", -1), ("", 0), ("x", -1)):
        a.fetch(9, {"three": [0]}, member_id=member, member_epoch=epoch)
    a.fetch(9, {"three": [0]}, group=f"{w.group}-none", member_id="x", member_epoch=1)
    classic, = formed(w_of(w, "-classic"), "C")
    for member, epoch in ((classic.id, 1), (classic.id, 2), (classic.id, 0), ("x", 1), (None, -1), ("", 1)):
        classic.fetch(9, {"three": [0]}, member_id=member, member_epoch=epoch)


def w_of(w, more):
    """The same world, about another group from here on."""
    w.group += more
    w.groups.append(w.group)
    return w


def fetch_deleted(w):
    topic = w.topic("gone", 2)
    a = w.member("A")
    a.commit(9, [(topic, 0, 4), (topic, 1, 5), ("one", 0, 6)])
    topic_id = w.id_of(topic)
    w.drop(topic)
    w.until(lambda: a.fetch(9), lambda f: len(f["groups"][0]["topics"]) == 1, "the offsets to go")
    a.fetch(9, {topic: [0, 1]})
    a.fetch(10, {topic_id: [0]})
    a.fetch(10)
    a.commit(9, [(topic, 0, 4)])


def delete(w, *topics, group=None):
    return w.server.ask("offset_delete", 0, group_id=w.group if group is None else group, topics=[
        {"name": t, "partitions": [{"partition_index": p} for p in partitions]} for t, partitions in topics])


def delete_simple(w):
    delete(w, ("one", [0]))
    delete(w, ("one", [0]), group="")
    a = w.member("A")
    a.commit(9, [("one", 0, 4), ("three", 0, 4), ("three", 1, 4)])
    delete(w, ("three", [0, 2, 7]), ("unknown", [0]), ("a b", [0]))
    delete(w)
    delete(w, ("one", []))
    delete(w, ("one", [0, 0]))
    a.fetch(9)
    delete(w, ("three", [1]))
    lists(w)
    delete(w, ("three", [1]))


def delete_classic(w):
    a, b = formed(w, "A", "B", protocols=[protocol("range", "one")])
    a.commit(9, [("one", 0, 4), ("three", 0, 4)])
    delete(w, ("one", [0]), ("three", [0]))
    a.fetch(9)
    a.join(9, wait=False)
    w.in_state("PreparingRebalance")
    delete(w, ("one", [0]), ("three", [0]))
    a.close()
    b.leave()
    w.server.leave(5, members=[{"member_id": a.id}])
    delete(w, ("one", [0]))
    lists(w)


def delete_connect(w):
    a = w.member("A", protocol_type="connect", protocols=[{"name": "v1", "metadata": b"no subscription"}])
    a.enter(9)
    a.sync(5, protocol_type="connect", protocol_name="v1", give=[(a, b"x")])
    a.commit(9)
    delete(w, ("one", [0]))
    a.leave()
    delete(w, ("one", [0]))


def delete_consumer(w):
    a = consumer(w, "A")
    a.begin(["one"])
    a.commit(9, [("one", 0, 4), ("three", 0, 4)], generation_id_or_member_epoch=a.epoch)
    delete(w, ("one", [0]), ("three", [0]))
    a.fetch(9)
    a.pulse(member_epoch=-1)
    delete(w, ("one", [0]))
    lists(w)
