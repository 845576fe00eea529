"""Cases: classic and consumer members in one group, groups that change their kind, and kinds that do not go together."""
from group_classic import describe as describe_classic
from group_classic import formed
from group_consumer import IDS, consumer, describe, owned, owns
from group_world import assignment, protocol


def cases():
    yield "Kinds: a consumer joins a Stable classic group", upgraded
    yield "Kinds: a consumer joins an empty classic group", upgraded_empty
    yield "Kinds: a consumer joins a group that only has offsets", upgraded_offsets
    yield "Kinds: a consumer joins while it is rebalanced", upgraded_preparing
    yield "Kinds: a consumer joins, assignments that nobody can read", upgraded_unreadable
    yield "Kinds: a consumer joins a connect group", connect
    yield "Kinds: a classic member joins a consumer group", classic_joins
    yield "Kinds: a classic member joins with what does not fit", classic_unfit
    yield "Kinds: a classic member joins an empty consumer group", classic_joins_empty
    yield "Kinds: a static classic member becomes a consumer", static_becomes
    yield "Kinds: the last consumer leaves", downgraded
    yield "Kinds: requests for the other kind", other_kind
    for version in (0, 3, 5, 9):
        yield f"Kinds: a classic member joins a consumer group, v{version}", lambda w, v=version: joins_by(w, v)
    yield "Kinds: classic members with several protocols", several_protocols
    yield "Kinds: static classic members in a consumer group", statics
    yield "Kinds: a static classic member returns to a consumer group", static_returns
    yield "Kinds: cooperative classic members are upgraded", cooperative
    yield "Kinds: a classic member joins a full consumer group", full_consumer
    yield "Kinds: a consumer joins a full classic group", full_classic
    yield "Kinds: a classic member whose session runs out", classic_session


def classic_member(w, name, *topics, owns_now=(), generation=-1, **fields):
    return w.member(name, protocols=[subscribed(*topics, owns_now=owns_now, generation=generation)], **fields)


def subscribed(*topics, owns_now=(), generation=-1):
    return protocol("range", *topics, version=3, user_data=None, generation_id=generation,
                    owned_partitions=[{"topic": t, "partitions": list(p)} for t, p in owns_now])


def classic_group(w, give, *names, topic="four", **fields):
    """A Stable classic group of members that subscribe to a topic; not written down."""
    return formed(w, *names, give=give, protocols=[subscribed(topic)], **fields)


def upgraded(w):
    a, b = classic_group(w, lambda i: assignment(six=range(3 * i, 3 * i + 3)), "A", "B", topic="six")
    c = consumer(w, "C")
    c.begin(["six"])
    describe(w)
    w.server.ask("describe_groups", 5, groups=[w.group])
    a.beat()
    b.beat()
    c.pulse()
    a.sync()
    a.join(9, protocols=[subscribed("six", owns_now=[("six", [0, 1, 2])], generation=a.generation)])
    a.beat()
    a.sync()
    a.beat()
    a.join(9, protocols=[subscribed("six", owns_now=[("six", [0, 1])], generation=a.generation)])
    a.sync()
    a.beat()
    b.join(9, protocols=[subscribed("six", owns_now=[("six", [3, 4])], generation=b.generation)])
    b.sync()
    b.beat()
    c.pulse()
    describe(w)
    a.commit(9, [("six", 0, 3)])
    a.commit(9, [("six", 0, 3)], generation_id_or_member_epoch=a.generation + 1)
    a.commit(9, [("six", 0, 3)], generation_id_or_member_epoch=a.generation - 1)
    b.leave()
    a.beat()
    describe(w)


def upgraded_empty(w):
    a, = formed(w, "A")
    a.commit(9)
    a.leave()
    c = consumer(w, "C")
    c.begin(["one"])
    c.fetch(9)
    describe(w)


def upgraded_offsets(w):
    w.member("A").commit(9)
    c = consumer(w, "C")
    c.begin(["one"])
    c.fetch(9)
    describe(w)


def upgraded_preparing(w):
    a, = formed(w, "A", protocols=[protocol("range", "one")], give=assignment(one=[0]) and b"")
    b = w.member("B")
    waiting = b.join(3, wait=False)
    w.members(2)
    c = consumer(w, "C")
    c.begin(["one"])
    describe(w)
    describe_classic(w)
    waiting.answer()
    a.beat()


def upgraded_unreadable(w):
    a, = formed(w, "A", give=b"\xff\xff words ")
    consumer(w, "C").begin(["one"])
    describe(w)
    a.beat()


def connect(w):
    a = w.member("A", protocol_type="connect", protocols=[{"name": "v1", "metadata": b"x"}])
    a.enter(9)
    consumer(w, "C").begin(["one"])
    a.leave()
    describe_classic(w)
    consumer(w, "C").begin(["one"])
    describe(w)


def classic_joins(w):
    c = consumer(w, "C")
    c.begin(["four"])
    c.pulse(topic_partitions=owns(w, four=[0, 1, 2, 3]))
    a = classic_member(w, "A", "four")
    a.join(9)
    describe(w)
    a.join(9)
    describe(w)
    a.beat()
    a.sync()
    less = c.pulse()
    c.pulse(topic_partitions=owned(less))
    a.beat()
    a.join(9, protocols=[subscribed("four", generation=a.generation)])
    a.sync()
    a.beat()
    describe(w)
    a.beat(generation_id=a.generation + 1)
    a.beat(member_id="x")
    a.sync(generation_id=a.generation + 1)
    a.sync(protocol_name="sticky")
    a.sync(protocol_type="connect")
    a.leave()
    a.leave()
    c.pulse()
    describe(w)


def classic_unfit(w):
    consumer(w, "C").begin(["four"])
    a = w.member("A")
    a.join(9, protocol_type="connect")
    a.join(9, protocols=[])
    a.join(9, protocols=[{"name": "range", "metadata": b""}])
    a.join(9, protocols=[{"name": "range", "metadata": b"\x00\x00\xff"}])
    a.join(9, member_id="x")
    a.join(9, session_timeout_ms=10)
    a.join(3, protocols=[protocol("odd", "four")])
    describe(w)


def classic_joins_empty(w):
    c = consumer(w, "C")
    c.begin(["four"])
    c.commit(9, [("four", 0, 3)], generation_id_or_member_epoch=c.epoch)
    c.pulse(member_epoch=-1)
    a = w.member("A")
    a.join(9)
    a.join(9)
    describe_classic(w)
    a.sync(give=[(a, b"x")])
    a.fetch(9)
    c.begin(["four"], group_id=f"{w.group}-other")
    b = w.member("B", protocol_type="connect", protocols=[{"name": "v1", "metadata": b"x"}])
    c.pulse(member_epoch=-1, group_id=f"{w.group}-other")
    b.join(3, group_id=f"{w.group}-other")
    w.groups.append(f"{w.group}-other")


def static_becomes(w):
    a, = classic_group(w, lambda i: assignment(four=[0, 1, 2, 3]), "A", group_instance_id="i")
    c = consumer(w, "C", instance_id="i")
    c.begin(["four"])
    describe(w)
    a.beat(group_instance_id="i")
    c.pulse(member_epoch=-2)
    again = classic_member(w, "A2", "four", group_instance_id="i")
    again.join(9)
    describe(w)
    describe_classic(w)


def downgraded(w):
    c = consumer(w, "C")
    c.begin(["four"])
    c.pulse(topic_partitions=owns(w, four=[0, 1, 2, 3]))
    a = classic_member(w, "A", "four")
    a.enter(9)
    c.pulse(member_epoch=-1)
    describe(w)
    describe_classic(w)
    a.beat()
    a.join(9)
    a.sync(give=[(a, assignment(four=[0, 1, 2, 3]))])
    describe_classic(w)


def other_kind(w):
    c = consumer(w, "C")
    c.begin(["four"])
    c.beat(generation_id=c.epoch)
    c.sync(generation_id=c.epoch)
    c.join(9)
    c.leave()
    describe(w)
    a, = formed_in(w, "-classic", "A")
    a.pulse(member_epoch=1)
    a.pulse(member_epoch=-1)
    a.pulse(member_epoch=-2, instance_id="i")
    describe_classic(w)


def formed_in(w, more, *names):
    w.group += more
    w.groups.append(w.group)
    return formed(w, *names)


def full_consumer(w):
    for name in "ABCD":
        consumer(w, name).begin()
    e = w.member("E")
    e.join(9)
    e.join(3)
    w.member("F").join(9, group_instance_id="f")


def full_classic(w):
    classic_group(w, lambda i: assignment(four=[i]), "A", "B", "C", "D")
    consumer(w, "E").begin(["four"])
    w.note("state", w.described()["group_state"])


def classic_session(w):
    c = consumer(w, "C")
    c.begin(["four"])
    a = classic_member(w, "A", "four", session_timeout_ms=1000)
    a.enter(9)
    w.until(lambda: w.server.ask_quietly("consumer_group_describe", 1, group_ids=[w.group])["groups"][0],
            lambda g: len(g["members"]) == 1, "the end of A")
    a.beat()
    c.pulse()
    describe(w)


def joins_by(w, version):
    consumer(w, "C").begin(["one"])
    a = classic_member(w, "A", "four")
    a.enter(version)
    describe(w)
    a.sync(min(version, 5))
    a.beat(min(version, 4))
    a.commit(min(version + 2, 9), [("four", 1, 5)])
    a.fetch(9)
    a.leave(min(version, 5))
    describe(w)


def several_protocols(w):
    consumer(w, "C").begin(["one"])
    a = w.member("A", protocols=[protocol("sticky", "four", version=1), protocol("range", "four")])
    a.enter(9)
    a.join(9)
    b = w.member("B", protocols=[protocol("range", "four"), protocol("sticky", "four")])
    b.join(3)
    b.sync(5)
    w.member("D").join(3, protocols=[protocol("roundrobin", "four")])
    a.sync(5, protocol_name="range")
    a.sync(5, protocol_name="sticky")
    describe(w)
    w.server.ask("list_groups", 5, states_filter=["nothing"])


def statics(w):
    consumer(w, "C").begin(["one"])
    a = classic_member(w, "A", "four", group_instance_id="a")
    a.join(9)
    describe(w)
    w.server.beat(4, member_id="x", group_instance_id="a", generation_id=a.generation)
    w.server.sync(5, member_id="x", group_instance_id="a", generation_id=a.generation)
    w.server.join(9, member_id="x", group_instance_id="a")
    w.server.commit(9, member_id="x", group_instance_id="a", generation_id_or_member_epoch=a.generation)
    a.beat(group_instance_id="nobody")
    a.sync(group_instance_id="a")
    w.server.leave(5, members=[{"member_id": "x", "group_instance_id": "a"}, {"member_id": "", "group_instance_id": "nobody"}])
    w.server.leave(5, members=[{"member_id": "", "group_instance_id": "a"}, {"member_id": IDS["C"]}, {"member_id": IDS["C"]},
                               {"member_id": "", "group_instance_id": "a"}])
    describe(w)
    w.groups = []  # whose tombstones come first is anybody's choice


def static_returns(w):
    consumer(w, "C").begin(["one"])
    a = classic_member(w, "A", "four", group_instance_id="a")
    a.join(9)
    a.sync(group_instance_id="a")
    again = classic_member(w, "A2", "four", group_instance_id="a")
    again.join(9)
    again.sync(group_instance_id="a")
    a.beat(group_instance_id="a")
    other = classic_member(w, "A3", "six", group_instance_id="a")
    other.join(9)
    describe(w)
    consumer(w, "B", instance_id="a").begin(["six"])
    describe(w)


def cooperative(w):
    a, = formed(w, "A", give=lambda i: assignment(four=[0, 1, 2, 3], version=1), protocols=[
        protocol("cooperative-sticky", "four", version=1, user_data=b"u", owned_partitions=[])])
    a.commit(9, [("four", 0, 7)])
    c = consumer(w, "C")
    c.begin(["four"])
    a.beat()
    a.join(9, protocols=[protocol("cooperative-sticky", "four", version=1, user_data=b"u", owned_partitions=[
        {"topic": "four", "partitions": [0, 1, 2, 3]}])])
    a.sync(protocol_name="cooperative-sticky")
    a.beat()
    a.join(9, protocols=[protocol("cooperative-sticky", "four", version=1, user_data=b"u", owned_partitions=[
        {"topic": "four", "partitions": [0, 1]}])])
    a.sync(protocol_name="cooperative-sticky")
    a.beat()
    c.pulse()
    c.pulse(member_epoch=-1)
    describe_classic(w)
    a.beat()
