"""Cases: classic members with a group instance id."""
from group_classic import STRANGER, describe, formed
from group_world import protocol


def cases():
    for version in range(5, 10):
        yield f"Static v{version}: the leader returns", lambda w, v=version: leader_returns(w, v)
        yield f"Static v{version}: a follower returns", lambda w, v=version: follower_returns(w, v)
    yield "Static: returns with another subscription", other_subscription
    yield "Static: returns with another protocol", other_protocol
    yield "Static: returns while PreparingRebalance", returns_preparing
    yield "Static: returns while CompletingRebalance", returns_completing
    yield "Static: fenced in every request", fenced
    yield "Static: unknown instance ids", unknown
    yield "Static: twice at once", twice_at_once
    yield "Static: rejoins with its id", rejoins_with_id
    yield "Static: leaves", leaves
    yield "Static: session runs out", session_runs_out
    yield "Static: a dynamic member beside it", dynamic_beside


def pair(w, version=9):
    """A static leader A and a static follower B, Stable; not written down."""
    return formed_static(w, version, "A", "B")


def formed_static(w, version, *names):
    was, w.quiet = w.quiet, True
    members = [w.member(n, group_instance_id=f"instance-{n}") for n in names]
    members[0].join(version)
    for i, member in enumerate(members[1:], 2):
        found = member.join(version, wait=False)
        w.members(i, "PreparingRebalance")
        waiting = [m.join(version, wait=False) for m in members[:i - 1]]
        found.answer()
        for parked in waiting:
            parked.answer()
    for member in members:
        member.sync(give=[(m, b"for " + m.name.encode()) for m in members] if member is members[0] else ())
    w.in_state("Stable")
    w.quiet = was
    return members


def leader_returns(w, version):
    a, b = pair(w, version)
    again = w.member("A2", group_instance_id="instance-A")
    again.join(version)
    describe(w)
    again.sync(min(version, 5), give=[] if version >= 9 else [(again, b"new")])
    again.beat()
    a.beat(group_instance_id="instance-A")
    a.beat()
    b.beat(group_instance_id="instance-B")
    b.join(version)
    w.note("state", w.described()["group_state"])


def follower_returns(w, version):
    a, b = pair(w, version)
    again = w.member("B2", group_instance_id="instance-B")
    again.join(version)
    again.sync(min(version, 5))
    again.beat()
    b.sync(min(version, 5))
    b.beat(group_instance_id="instance-B")
    a.beat()
    describe(w)


def other_subscription(w):
    a, _ = pair(w)
    again = w.member("B2", group_instance_id="instance-B", protocols=[protocol("range", "three")])
    again.join(9)
    describe(w)
    a.beat()
    again.join(9, protocols=[protocol("sticky", "one"), protocol("range", "three")], wait=False)
    w.in_state("PreparingRebalance")


def other_protocol(w):
    pair(w)
    w.member("B2", group_instance_id="instance-B", protocols=[protocol("sticky", "one")]).join(9)
    w.member("B3", group_instance_id="instance-B", protocol_type="connect").join(9)
    describe(w)


def returns_preparing(w):
    a, b = pair(w)
    c = w.member("C")
    third = c.join(3, wait=False)
    w.members(3, "PreparingRebalance")
    again = w.member("B2", group_instance_id="instance-B")
    waiting = again.join(9, wait=False)
    w.until(w.described, lambda d: b.id not in [m["member_id"] for m in d["members"]], "the new id of B")
    b.join(9)
    a.join(9)
    waiting.answer()
    third.answer()


def returns_completing(w):
    a, b = w.member("A", group_instance_id="instance-A"), w.member("B", group_instance_id="instance-B")
    a.join(9)
    waiting = b.join(9, wait=False)
    w.members(2)
    a.join(9)
    waiting.answer()
    stale = b.sync(5, wait=False)
    again = w.member("B2", group_instance_id="instance-B")
    waiting = again.join(9, wait=False)
    stale.answer()
    w.in_state("PreparingRebalance")
    a.join(9)
    waiting.answer()


def fenced(w):
    a, b = pair(w)
    wrong = {"member_id": b.id, "group_instance_id": "instance-A", "generation_id": a.generation}
    w.server.beat(4, **wrong)
    w.server.sync(5, **wrong)
    w.server.join(9, member_id=b.id, group_instance_id="instance-A")
    w.server.join(9, member_id=STRANGER, group_instance_id="instance-A")
    w.server.commit(9, member_id=b.id, group_instance_id="instance-A", generation_id_or_member_epoch=a.generation)
    w.server.leave(5, members=[{"member_id": b.id, "group_instance_id": "instance-A"}])
    a.beat(generation_id=a.generation + 1)
    describe(w)


def unknown(w):
    a, _ = pair(w)
    for instance in ("nobody", ""):
        a.beat(4, group_instance_id=instance)
        a.sync(5, group_instance_id=instance)
        a.commit(9, group_instance_id=instance)
        a.join(9, group_instance_id=instance)
    w.server.leave(5, members=[{"member_id": "", "group_instance_id": "nobody"}])
    describe(w)


def twice_at_once(w):
    a, = formed(w, "A")
    b, again = w.member("B", group_instance_id="b"), w.member("B2", group_instance_id="b")
    first = b.join(9, wait=False)
    w.members(2, "PreparingRebalance")
    second = again.join(9, wait=False)
    first.answer()
    a.join(9)
    second.answer()
    b.beat(group_instance_id="b", generation_id=2)
    describe(w)


def rejoins_with_id(w):
    a, b = pair(w)
    b.join(9)
    w.note("state", w.described()["group_state"])
    waiting = a.join(9, wait=False)
    w.in_state("PreparingRebalance")
    b.join(9)
    waiting.answer()
    b.join(9, group_instance_id=None)
    describe(w)


def leaves(w):
    a, b = pair(w)
    b.leave(2)
    w.server.leave(5, members=[{"member_id": "", "group_instance_id": "instance-B", "reason": "removed"}])
    a.beat()
    b.beat(group_instance_id="instance-B")
    a.join(9)
    a.leave(4)
    describe(w)


def session_runs_out(w):
    a = w.member("A", group_instance_id="a", session_timeout_ms=1000)
    a.join(9)
    a.sync(5, give=[(a, b"x")])
    w.in_state("Empty")
    a.beat(group_instance_id="a")
    a.join(9)
    a.join(9, member_id="")
    describe(w)


def dynamic_beside(w):
    a, = formed_static(w, 9, "A")
    b = w.member("B")
    b.join(9)
    waiting = b.join(9, wait=False)
    w.members(2, "PreparingRebalance")
    a.join(9)
    waiting.answer()
    a.sync(5, give=[(a, b"a"), (b, b"b")])
    b.sync(5)
    b.join(9, group_instance_id="late")
    b.leave()
    describe(w)
