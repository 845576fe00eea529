"""What a case of the group comparison talks to: one server, seen by several members at once.

    def case(w):                                    # w: World
        a, b = w.member("A"), w.member("B")
        a.join(5)                                   # asks and waits; the answer is written down
        waiting = b.join(5, wait=False)             # parked at the server
        w.members(2)                                # until the group has two
        a.join(5), waiting.answer()

Every answer is written down under a label ("3 A JoinGroup v5"), made comparable: ids by who has them, times, addresses and
wordings by their kind. What is written down is what the two servers are compared by, and the records of the group.
"""
import itertools
import json
import re
import threading
import time
import uuid

from codec import SCHEMA, Api, Message, Peer
import compare
import group_records

WAIT_S = 15
RANDOM_IDS = (re.compile(r"^(.*-)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
              re.compile(r"^()[\w-]{22}$"))
NOWHERE = "00000000-0000-0000-0000-000000000000"
SORT_BY = ("key", "group_id", "name", "topic_name", "topic", "topic_id", "member_id", "partition_index",
           "resource_name", "group")
AS_THEY_CAME = ("protocols", "supported_protocols", "records")
SETS = ("partitions", "subscribed_topic_names", "topics")  # of plain values
APIS, APIS_LOCK = {}, threading.Lock()


def api_of(name):
    with APIS_LOCK:
        if name not in APIS:
            APIS[name] = Api.load(name)
        return APIS[name]


class Names:
    """What ids of a server are called in what is compared. Shared by all cases of a server."""

    def __init__(self):
        self.topics = {NOWHERE: "no id"}

    def topic(self, name, topic_id):
        self.topics[topic_id] = f"id of {name}"


class World:
    def __init__(self, address, group, names, words=False):
        self.address, self.group, self.names, self.words = address, group, names, words
        self.groups = [group]
        self.ids, self.steps, self.everyone, self.quiet = {}, {}, [], False
        self.lock = threading.Lock()
        self.server = Client(self, "-")

    def member(self, name, **fields):
        return Client(self, name, **fields)

    def close(self):
        for client in self.everyone:
            client.close()

    # ---- writing down ----

    def note(self, label, value):
        if not self.quiet:
            self.steps[f"{len(self.steps):02} {label}"] = value

    def call(self, identity, name):
        """Names an id that a server made, and what stands before the random part."""
        if identity and identity not in self.ids:
            found = next((m for m in (r.match(identity) for r in RANDOM_IDS) if m), None)
            count = sum(1 for n in self.ids.values() if n.split()[0].split("#")[0] == name)
            before = found[1] if found else "something odd"
            self.ids[identity] = (f"{name}#{count + 1}" if count else name) + (f" behind {before}" if before else "")

    def comparable(self, value, key=None):
        if isinstance(value, dict):
            return {k: self.comparable(v, k) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            found = [self.comparable(v, key) for v in value]
            if key in SETS and all(isinstance(v, (int, str)) for v in found):
                return sorted(found)
            return found if key in AS_THEY_CAME else in_order(found)
        if isinstance(value, str) and key not in ("group_id", "state", "group"):
            if value in self.ids:
                return self.ids[value]
            if value in self.names.topics:
                return self.names.topics[value]
        if key == "client_host" or (self.words and key == "error_message"):
            return value
        return compare.marked(key, 0 if key == "throttle_time_ms" else value)

    # ---- waiting ----

    def until(self, ask, is_there, what="it"):
        """Asks, without writing it down, until the answer is as wanted; the answer."""
        end = time.monotonic() + WAIT_S
        was, self.quiet = self.quiet, True
        try:
            while True:
                answer = ask()
                if is_there(answer):
                    return answer
                if time.monotonic() > end:
                    raise ValueError(f"{what} has not come after {WAIT_S} s: {self.comparable(answer)}")
                time.sleep(0.02)
        finally:
            self.quiet = was

    def described(self, group=None):
        return self.server.ask_quietly("describe_groups", 5, groups=[group or self.group])["groups"][0]

    def members(self, count, state=None):
        self.until(self.described, lambda d: len(d["members"]) == count and state in (None, d["group_state"]),
                   f"{count} members, {state or 'any state'},")

    def in_state(self, state):
        self.until(self.described, lambda d: d["group_state"] == state, state)

    def neighbour(self, name):
        """A group that lives beside ours, in the same partition."""
        return next(g for g in (f"{self.group}-{name}{i}" for i in range(10000))
                    if group_records.partition_of(g) == group_records.partition_of(self.group))

    def fence(self):
        """All that was written about the group so far is durable, and seen: a commit in its partition has been answered."""
        self.server.ask_quietly("offset_commit", 9, group_id=self.neighbour("fence"), member_id="", topics=[
            {"name": "one", "partitions": [{"partition_index": 0, "committed_offset": 0, "committed_metadata": ""}]}])

    def written(self):
        """The records about our groups."""
        was, found = self.group, []
        for self.group in self.groups:
            self.fence()
            found += group_records.of_group(self.server, self.group)
        self.group = was
        return found

    # ---- topics ----

    def topic(self, name, partitions=1):
        """Makes a topic, of this case alone, and waits until it can be used. Its name."""
        name = f"{self.group}-{name}"
        made = self.server.ask_quietly("create_topics", 7, timeout_ms=10000, topics=[
            {"name": name, "num_partitions": partitions, "replication_factor": 1}])
        if made["topics"][0]["error_code"] != "NONE":
            raise ValueError(f"{name}: {made}")
        self.arrived(name, partitions)
        return self.coordinated(name, partitions)

    def coordinated(self, name, partitions):
        """Waits until the coordinator of the group has heard of it too: another group there is assigned as many partitions."""
        other = self.neighbour("probe")
        client = Client(self, "probe", id=new_id())
        self.until(lambda: client.begin([name], group_id=other), lambda a: not a or a["error_code"] != "NONE" or sum(
            len(t["partitions"]) for t in a["assignment"]["topic_partitions"]) == partitions, f"{name} at the coordinator")
        quietly(self, lambda: client.pulse(member_epoch=-1, group_id=other))
        self.server.ask_quietly("delete_groups", 2, groups_names=[other])
        return name

    def arrived(self, name, partitions):
        found = self.until(lambda: self.metadata(name), lambda t: len(
            [p for p in t["partitions"] if p["leader_id"] >= 0]) == partitions, name)
        self.names.topic(name.removeprefix(self.group + "-"), found["topic_id"])
        return name

    def metadata(self, name):
        return self.server.ask_quietly("metadata", 12, topics=[{"name": name}], allow_auto_topic_creation=False)["topics"][0]

    def id_of(self, name):
        return self.metadata(name)["topic_id"]

    def grow(self, name, partitions):
        self.server.ask_quietly("create_partitions", 3, timeout_ms=10000, topics=[
            {"name": name, "count": partitions, "assignments": None}])
        self.arrived(name, partitions)
        self.coordinated(name, partitions)

    def drop(self, name):
        self.server.ask_quietly("delete_topics", 6, timeout_ms=10000, topics=[{"name": name}])
        self.until(lambda: self.metadata(name), lambda t: t["error_code"] != "NONE", f"the end of {name}")
        self.coordinated(name, 0)


def in_order(items):
    if items and isinstance(items[0], dict):
        key = next((k for k in SORT_BY if k in items[0]), None)
        return sorted(items, key=lambda i: (str(i[key]), str(i))) if key else items
    return items


class Parked:
    """A request on its way; answer() once."""

    def __init__(self, client, api, version, label):
        self.client, self.api, self.version, self.label = client, api, version, label

    def answer(self):
        found = self.client.peer.receive(self.api, self.version)
        if found is None:
            self.client.close()
        self.client.learn(self.api.name, found)
        self.client.world.note(self.label, found)
        return found


class Client:
    """A connection and the member that speaks on it: remembers id, generation and epoch that it was given."""

    def __init__(self, world, name, **fields):
        self.world, self.name, self.fields, self.peer = world, name, fields, None
        self.id, self.generation, self.epoch, self.sent = fields.pop("id", ""), -1, 0, 0
        if self.id:
            world.ids[self.id] = name
        world.everyone.append(self)

    def close(self):
        if self.peer:
            self.peer.socket.close()
        self.peer = None

    def send(self, name, version, **value):
        api = api_of(name)
        if self.peer is None:
            self.peer = Peer(self.world.address)
        self.peer.send_bytes(api, version, api.request.write(value, version))
        return Parked(self, api, version, f"{self.name} {api.name} v{version}")

    def ask(self, name, version, **value):
        return self.send(name, version, **value).answer()

    def ask_quietly(self, name, version, **value):
        was, self.world.quiet = self.world.quiet, True
        try:
            return self.ask(name, version, **value)
        finally:
            self.world.quiet = was

    def learn(self, api, found):
        if not found or api not in ("JoinGroup", "ConsumerGroupHeartbeat") or not found.get("member_id"):
            return
        self.world.call(found["member_id"], self.name)
        if found["error_code"] in ("NONE", "MEMBER_ID_REQUIRED"):
            self.id = found["member_id"]
        if found["error_code"] == "NONE":
            self.generation = self.epoch = found.get("generation_id", found.get("member_epoch"))

    def asking(self, name, version, wait, defaults, fields):
        value = {k: v for k, v in (defaults | self.fields | fields).items() if v is not LEFT_OUT}
        known = {f["name"] for f in api_of(name).request.fields}
        sent = self.send(name, version, **{k: v for k, v in value.items() if k in known or k in fields})
        return sent.answer() if wait else sent

    # ---- classic ----

    def join(self, version=9, wait=True, **fields):
        return self.asking("join_group", version, wait, {
            "group_id": self.world.group, "session_timeout_ms": 30000, "rebalance_timeout_ms": 20000, "member_id": self.id,
            "protocol_type": "consumer", "protocols": [protocol("range", "one")]}, fields)

    def enter(self, version=9, **fields):
        """Joins, twice where the first answer is an id; not written down."""
        return quietly(self.world, self.enters, version, fields)

    def enters(self, version, fields):
        found = self.join(version, **fields)
        return self.join(version, **fields) if found["error_code"] == "MEMBER_ID_REQUIRED" else found

    def sync(self, version=5, wait=True, give=(), **fields):
        """give: [(member, bytes)]"""
        return self.asking("sync_group", version, wait, {
            "group_id": self.world.group, "generation_id": self.generation, "member_id": self.id, "protocol_type": "consumer",
            "protocol_name": "range", "assignments": [
                {"member_id": m if isinstance(m, str) else m.id, "assignment": d} for m, d in give]}, fields)

    def beat(self, version=4, **fields):
        return self.asking("heartbeat", version, True, {
            "group_id": self.world.group, "generation_id": self.generation, "member_id": self.id}, fields)

    def leave(self, version=5, **fields):
        return self.asking("leave_group", version, True, {
            "group_id": self.world.group, "member_id": self.id, "members": [
                {"member_id": self.id, "group_instance_id": self.fields.get("group_instance_id")}]}, fields)

    # ---- offsets ----

    def commit(self, version=9, offsets=(("one", 0, 5),), **fields):
        """offsets: [(topic, partition, offset or fields of the partition)]"""
        return self.asking("offset_commit", version, True, {
            "group_id": self.world.group, "generation_id_or_member_epoch": self.generation, "member_id": self.id,
            "topics": [self.named(version, topic) | {"partitions": [committed(*o) for o in some]}
                       for topic, some in itertools.groupby(offsets, lambda o: o[0])]}, fields)

    def named(self, version, topic):
        if version < 10:
            return {"name": topic}
        return {"topic_id": topic if len(topic) == 36 and topic.count("-") == 4 else self.world.id_of(topic)}

    def fetch(self, version=9, topics=None, **fields):
        """topics: {topic: [partition]} or None for all."""
        names = None if topics is None else [
            self.named(version, t) | {"partition_indexes": p} for t, p in topics.items()]
        group = {"group_id": fields.pop("group", self.world.group), "topics": names}
        inner = {k: fields.pop(k) for k in ("member_id", "member_epoch") if k in fields}
        value = {"groups": [group | inner]} if version >= 8 else group
        return self.ask("offset_fetch", version, **(value | fields))

    # ---- consumer ----

    def pulse(self, version=1, wait=True, **fields):
        """A heartbeat that says nothing new, or what is given."""
        return self.asking("consumer_group_heartbeat", version, wait, {
            "group_id": self.world.group, "member_id": self.id, "member_epoch": self.epoch}, fields)

    def begin(self, topics=("one",), version=1, **fields):
        """The first heartbeat of a member."""
        return self.pulse(version, **({"member_epoch": 0, "rebalance_timeout_ms": 20000, "topic_partitions": [],
                                       "subscribed_topic_names": list(topics)} | fields))


LEFT_OUT = object()


def committed(_, partition, offset):
    part = offset if isinstance(offset, dict) else {"committed_offset": offset, "committed_metadata": ""}
    return {"partition_index": partition} | part


def quietly(world, function, *arguments):
    was, world.quiet = world.quiet, True
    try:
        return function(*arguments)
    finally:
        world.quiet = was


def protocol(name, *topics, version=0, **fields):
    return {"name": name, "metadata": subscription(*topics, version=version, **fields)}


CONSUMER_PROTOCOL = {m["name"]: Message(m["fields"], m.get("structs", {}), m["flexible"])
                     for m in json.loads((SCHEMA / "consumer_protocol.json").read_text())["messages"]}


def subscription(*topics, version=0, **fields):
    return version.to_bytes(2, "big") + CONSUMER_PROTOCOL["ConsumerProtocolSubscription"].write(
        {"topics": list(topics)} | fields, version)


def assignment(version=0, **topics):
    return version.to_bytes(2, "big") + CONSUMER_PROTOCOL["ConsumerProtocolAssignment"].write(
        {"assigned_partitions": [{"topic": t, "partitions": list(p)} for t, p in topics.items()]}, version)


def new_id():
    return str(uuid.uuid4())
