"""Cases: JoinGroup, SyncGroup of dynamic members."""
from group_world import protocol

STRANGER = "oracle-11111111-2222-3333-4444-555555555555"


def cases():
    for version in range(10):
        yield f"JoinGroup v{version}: alone", lambda w, v=version: alone(w, v)
    for version in (0, 5, 9):
        yield f"JoinGroup v{version}: two members", lambda w, v=version: two(w, v)
        yield f"JoinGroup v{version}: refused", lambda w, v=version: refused(w, v)
    for what, fields in REFUSED.items():
        yield f"JoinGroup: does it make a group, {what}", lambda w, f=fields: makes_a_group(w, f)
    yield "JoinGroup: bad sessions", bad_sessions
    yield "JoinGroup: ids of v4", ids_of_v4
    yield "JoinGroup: protocols that do not fit", unfit
    yield "JoinGroup: too many members", too_many
    yield "JoinGroup: choice of the protocol", choice
    yield "JoinGroup: again while Stable", again_while_stable
    yield "JoinGroup: again while CompletingRebalance", again_while_completing
    yield "JoinGroup: rebalance timeout", rebalance_timeout
    yield "JoinGroup: long reason", lambda w: w.member("A").join(9, reason="r" * 400)
    yield "JoinGroup: leader goes", leader_goes
    yield "JoinGroup: a connection that ends", connection_ends
    for version in range(6):
        yield f"SyncGroup v{version}: errors", lambda w, v=version: sync_errors(w, v)
    yield "SyncGroup: follower first", follower_first
    yield "SyncGroup: left out and unknown members", left_out
    yield "SyncGroup: while PreparingRebalance", sync_preparing
    yield "SyncGroup: follower waits while it starts again", sync_waits_over
    yield "SyncGroup: leader twice", sync_twice
    yield "SyncGroup: a follower that never asks", never_asks
    yield "SyncGroup: a leader that never gives", never_gives
    yield "JoinGroup: an id that is not used in time", id_not_used


def formed(w, *names, version=9, give=b"for ", **fields):
    """A Stable group of members, the first one leading; not written down. Each is given some bytes and its name, or what
    a function gives the first, the second ..."""
    given = give if callable(give) else lambda i: give + names[i].encode()
    was, w.quiet = w.quiet, True
    members = [w.member(n, **fields) for n in names]
    members[0].enter(version)
    for i, member in enumerate(members[1:], 2):
        found = member.join(min(version, 3), wait=False)
        w.members(i, "PreparingRebalance")
        waiting = [m.join(version, wait=False) for m in members[:i - 1]]
        found.answer()
        for parked in waiting:
            parked.answer()
    name = fields["protocols"][0]["name"] if "protocols" in fields else "range"
    for member in members:
        member.sync(protocol_name=name, give=[
            (m, given(i)) for i, m in enumerate(members)] if member is members[0] else ())
    w.in_state("Stable")
    w.quiet = was
    return members


def describe(w):
    w.fence()
    w.note("described", w.described())


def alone(w, version):
    a = w.member("A")
    a.join(version, reason="because")
    if version >= 4:
        a.join(version)
    describe(w)
    a.sync(min(version, 5), give=[(a, b"mine")])
    describe(w)
    a.beat(min(version, 4))
    a.leave(min(version, 5))
    describe(w)


def two(w, version):
    a, b = w.member("A"), w.member("B", protocols=[protocol("range", "three", version=1)])
    a.enter(version)
    a.sync(min(version, 5), give=[(a, b"all")])
    if version >= 4:
        b.join(version)
    waiting = b.join(version, wait=False)
    w.members(2, "PreparingRebalance")
    describe(w)
    a.beat()
    a.join(version)
    waiting.answer()
    waiting = b.sync(min(version, 5), wait=False)
    a.sync(min(version, 5), give=[(b, b"for B"), (a, b"for A")])
    waiting.answer()
    describe(w)
    b.leave(min(version, 5))
    a.beat()
    describe(w)


def refused(w, version):
    a = w.member("A")
    a.join(version, group_id="")
    a.join(version, member_id=STRANGER)
    a.join(version, protocols=[])
    a.join(version, protocol_type="")
    a.join(version, protocol_type="", protocols=[])
    a.join(version, session_timeout_ms=999)
    describe(w)
    if version >= 5:
        a.join(version, group_instance_id="")
        a.join(version, group_instance_id="i" * 250)
        a.join(version, group_instance_id="a b")
        a.join(version, group_instance_id=".")


REFUSED = {
    "unknown member": {"member_id": STRANGER}, "no protocols": {"protocols": []}, "no protocol type": {"protocol_type": ""},
    "short session": {"session_timeout_ms": 1}, "id required": {}, "unknown static member": {
        "member_id": STRANGER, "group_instance_id": "i"}, "bytes that are no subscription": {
            "protocols": [{"name": "range", "metadata": b""}]}}


def makes_a_group(w, fields):
    w.member("A").join(9, **fields)
    w.fence()
    w.server.ask("describe_groups", 6, groups=[w.group])
    w.member("B").commit(9, generation_id_or_member_epoch=1, member_id="x")
    w.server.ask("delete_groups", 2, groups_names=[w.group])


def bad_sessions(w):
    for timeout in (-1, 0, 999, 1000, 60000, 60001):
        a = w.member(f"A{timeout}")
        a.join(5, session_timeout_ms=timeout)
    a = w.member("R")
    a.enter(5, rebalance_timeout_ms=-1)
    w.in_state("Empty")
    describe(w)


def ids_of_v4(w):
    a, b = w.member("A"), w.member("B")
    a.join(4)
    describe(w)
    b.join(4, member_id=STRANGER)
    a.beat(generation_id=0)
    a.commit(8, generation_id_or_member_epoch=0)
    a.join(4)
    a.join(4)
    b.join(4, member_id=STRANGER)
    b.join(4)
    describe(w)


def unfit(w):
    a, b = w.member("A"), w.member("B")
    a.enter(9)
    for version in (3, 9):
        b.join(version, protocol_type="connect")
        b.join(version, protocols=[protocol("roundrobin", "one")])
        b.join(version, protocols=[])
        b.join(version, protocol_type="")
    a.join(9, protocols=[protocol("roundrobin", "one")])
    describe(w)
    a.leave()
    describe(w)
    b.enter(9, protocol_type="connect", protocols=[{"name": "v2", "metadata": b"x"}])
    describe(w)


def too_many(w):
    formed(w, "A", "B", "C", "D")
    for version in (3, 5):
        w.member(f"E{version}").join(version)
        w.member(f"F{version}").join(version, group_instance_id=f"static-{version}")
    w.note("state", w.described()["group_state"])


def choice(w):
    a = w.member("A", protocols=[protocol("range", "one"), protocol("sticky", "one"), protocol("own", "one")])
    b = w.member("B", protocols=[protocol("own", "one"), protocol("sticky", "one")])
    c = w.member("C", protocols=[protocol("sticky", "one"), protocol("own", "one"), protocol("range", "one")])
    a.enter(3)
    first = b.join(3, wait=False)
    w.members(2)
    second = c.join(3, wait=False)
    w.members(3)
    a.join(3)
    first.answer()
    second.answer()
    describe(w)


def again_while_stable(w):
    a, b = formed(w, "A", "B")
    b.join(9)
    w.note("state", w.described()["group_state"])
    b.sync(5)
    b.join(9, protocols=[protocol("range", "one"), protocol("sticky", "one")], wait=False)
    w.in_state("PreparingRebalance")
    b.close()
    a.join(9, wait=False)
    w.in_state("CompletingRebalance")
    a.close()
    describe(w)


def again_while_completing(w):
    a, b = w.member("A"), w.member("B")
    a.enter(9)
    waiting = b.join(3, wait=False)
    w.members(2)
    a.join(9)
    waiting.answer()
    a.join(9)
    b.join(9)
    w.note("state", w.described()["group_state"])
    waiting = b.join(9, protocols=[protocol("range", "three")], wait=False)
    w.in_state("PreparingRebalance")
    a.join(9)
    waiting.answer()


def rebalance_timeout(w):
    a, b = formed(w, "A", "B", rebalance_timeout_ms=1000)
    c = w.member("C", rebalance_timeout_ms=1000)
    waiting = c.join(3, wait=False)
    w.members(3, "PreparingRebalance")
    a.join(9)
    waiting.answer()
    describe(w)
    b.beat()
    b.join(9)
    a.sync(5, give=[(a, b"a"), (c, b"c")])
    c.sync(5)
    d = w.member("D", rebalance_timeout_ms=1000)
    d.join(3)
    describe(w)


def leader_goes(w):
    a, b = formed(w, "A", "B")
    a.leave()
    b.beat()
    b.join(9)
    b.sync(5, give=[(b, b"b")])
    describe(w)


def connection_ends(w):
    a, b = formed(w, "A", "B")
    c = w.member("C")
    c.join(3, wait=False, session_timeout_ms=5000)
    w.members(3)
    w.call(next(m["member_id"] for m in w.described()["members"] if m["member_id"] not in (a.id, b.id)), "C")
    c.close()
    waiting = a.join(9, wait=False)
    b.join(9)
    waiting.answer()
    describe(w)


def sync_errors(w, version):
    a = w.member("A")
    a.sync(version, generation_id=0)
    a.sync(version, group_id="")
    a.sync(version, group_id="", member_id="x")
    a.sync(version, member_id=STRANGER, generation_id=1)
    a.enter(9)
    a.sync(version, generation_id=a.generation + 1)
    a.sync(version, generation_id=a.generation - 1)
    a.sync(version, generation_id=-1)
    a.sync(version, member_id=STRANGER)
    a.sync(version, member_id="")
    a.sync(version, group_instance_id="who")
    for more in ({"protocol_type": "connect"}, {"protocol_name": "sticky"}, {"protocol_type": ""}, {"protocol_name": ""},
                 {"protocol_type": None}, {"protocol_name": None}) if version >= 5 else ():
        a.sync(version, **more)
    a.sync(version, give=[(a, b"mine")])
    a.sync(version)
    a.sync(version, generation_id=a.generation + 1)
    a.leave()
    a.sync(version)


def follower_first(w):
    a, b = w.member("A"), w.member("B")
    a.enter(9)
    waiting = b.join(3, wait=False)
    w.members(2)
    a.join(9)
    waiting.answer()
    waiting = b.sync(5, wait=False, give=[(b, b"not listened to")])
    describe(w)
    a.sync(5, give=[(a, b"for A"), (b, b"for B")])
    waiting.answer()
    b.sync(5)


def left_out(w):
    a, b = w.member("A"), w.member("B")
    a.enter(9)
    waiting = b.join(3, wait=False)
    w.members(2)
    a.join(9)
    waiting.answer()
    a.sync(5, give=[(a, b"first"), (a, b"second"), (STRANGER, b"nobody")])
    b.sync(5)
    describe(w)


def sync_preparing(w):
    a, b = formed(w, "A", "B")
    c = w.member("C")
    waiting = c.join(3, wait=False)
    w.members(3)
    for version in range(6):
        a.sync(version)
    b.sync(5, generation_id=1)
    waiting.client.close()


def sync_waits_over(w):
    a, b = w.member("A"), w.member("B")
    a.enter(9)
    waiting = b.join(3, wait=False)
    w.members(2)
    a.join(9)
    waiting.answer()
    waiting = b.sync(5, wait=False)
    c = w.member("C")
    joins = c.join(3, wait=False)
    w.members(3)
    waiting.answer()
    joins.client.close()


def sync_twice(w):
    a, = formed(w, "A")
    a.sync(5, give=[(a, b"another")])
    describe(w)


def two_joined(w, **fields):
    """A leads, B follows, nobody has asked for an assignment; not written down."""
    was, w.quiet = w.quiet, True
    a, b = w.member("A", **fields), w.member("B", **fields)
    a.enter(9)
    waiting = b.join(3, wait=False)
    w.members(2)
    a.join(9)
    waiting.answer()
    w.quiet = was
    return a, b


def never_asks(w):
    a, b = two_joined(w, rebalance_timeout_ms=1000)
    a.sync(give=[(a, b"a"), (b, b"b")])
    w.in_state("PreparingRebalance")
    describe(w)
    a.beat()
    b.beat()
    a.join(9)


def never_gives(w):
    a, b = two_joined(w, rebalance_timeout_ms=1000)
    b.sync()
    w.in_state("PreparingRebalance")
    describe(w)
    a.beat()
    b.beat()


def id_not_used(w):
    a, = formed(w, "A")
    b = w.member("B", session_timeout_ms=1000)
    b.join(9)
    a.join(9)
    b.join(9)
    describe(w)
