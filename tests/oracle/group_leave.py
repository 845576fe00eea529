"""Cases: Heartbeat, LeaveGroup, sessions of dynamic members."""
from group_classic import STRANGER, describe, formed
from group_world import protocol


def cases():
    for version in range(5):
        yield f"Heartbeat v{version}", lambda w, v=version: heartbeats(w, v)
    yield "Heartbeat: states", heartbeat_states
    yield "Heartbeat: no session runs out while JoinGroup waits", waiting_is_alive
    yield "Heartbeat: session runs out", session_runs_out
    for version in range(6):
        yield f"LeaveGroup v{version}", lambda w, v=version: leaves(w, v)
    yield "LeaveGroup: batches", leave_batches
    yield "LeaveGroup: pending member", leave_pending
    yield "LeaveGroup: last but one while others wait", leave_while_waiting


def heartbeats(w, version):
    a = w.member("A")
    a.beat(version, group_id="", member_id="x", generation_id=1)
    a.beat(version, member_id="x", generation_id=1)
    a.beat(version, member_id="", generation_id=-1)
    a, = formed(w, "A")
    a.beat(version)
    a.beat(version, generation_id=a.generation + 1)
    a.beat(version, generation_id=a.generation - 1)
    a.beat(version, generation_id=-1)
    a.beat(version, member_id=STRANGER)
    a.beat(version, member_id="", generation_id=-1)
    if version >= 3:
        a.beat(version, group_instance_id="who")


def waiting_is_alive(w):
    a, b = formed(w, "A", "B", session_timeout_ms=1000, rebalance_timeout_ms=2500)
    waiting = a.join(9, wait=False, protocols=[protocol("range", "three")])
    w.in_state("PreparingRebalance")
    waiting.answer()
    describe(w)
    b.beat()


def heartbeat_states(w):
    a = w.member("A")
    a.enter(9)
    a.beat()
    a.sync(5, give=[(a, b"x")])
    a.beat()
    b = w.member("B")
    waiting = b.join(3, wait=False)
    w.members(2)
    a.beat()
    a.beat(generation_id=a.generation + 1)
    a.join(9)
    waiting.answer()
    a.beat()
    b.beat()
    b.leave()
    a.leave()
    a.beat()


def session_runs_out(w):
    a = w.member("A", session_timeout_ms=1000)
    a.enter(9)
    a.sync(5, give=[(a, b"x")])
    w.in_state("Empty")
    a.beat()
    a.sync()
    describe(w)
    a.join(9)
    a.join(9, member_id="")


def leaves(w, version):
    a = w.member("A")
    a.leave(version, group_id="", member_id="x")
    a.leave(version, member_id="x", members=[{"member_id": "x", "group_instance_id": None}])
    a, b = formed(w, "A", "B")
    a.leave(version, member_id="x", members=[{"member_id": "x", "group_instance_id": None}])
    if version >= 3:
        a.leave(version, members=[])
    b.leave(version)
    b.leave(version)
    a.beat()
    a.leave(version)
    describe(w)


def leave_batches(w):
    a, b = formed(w, "A", "B")
    c = w.member("C", group_instance_id="the c")
    waiting = c.join(5, wait=False)
    w.members(3)
    w.server.leave(5, members=[
        {"member_id": STRANGER}, {"member_id": "", "group_instance_id": "who"}, {"member_id": "", "group_instance_id": None},
        {"member_id": STRANGER, "group_instance_id": "the c"}, {"member_id": b.id, "reason": "moved out"},
        {"member_id": b.id}, {"member_id": b.id, "group_instance_id": "who"}])
    a.join(9)
    waiting.answer()
    w.server.leave(3, members=[{"member_id": "", "group_instance_id": "the c"}, {"member_id": a.id}])
    describe(w)
    c.beat(group_instance_id="the c")


def leave_pending(w):
    a, b = w.member("A"), w.member("B")
    a.enter(9)
    b.join(9)
    b.leave(5)
    b.join(9)
    c = w.member("C")
    c.join(9)
    c.leave(2)
    c.leave(2)
    describe(w)


def leave_while_waiting(w):
    a, b = formed(w, "A", "B")
    waiting = a.join(9, protocols=[protocol("range", "three")], wait=False)
    w.in_state("PreparingRebalance")
    b.leave(5)
    waiting.answer()
    describe(w)
