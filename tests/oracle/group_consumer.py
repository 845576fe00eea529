"""Cases: ConsumerGroupHeartbeat and ConsumerGroupDescribe, of members that come, go and are wrong."""
import time

from group_records import of_group
from group_world import LEFT_OUT, quietly

IDS = {name: f"{name * 8}-0000-4000-8000-000000000000".lower() for name in "ABCDEF"}
RESOLVED = "ConsumerGroupRegularExpression"
UNKNOWN_TOPIC = "11111111-2222-3333-4444-555555555555"


def consumer(w, name, **fields):
    return w.member(name, id=IDS[name], **fields)


def owns(w, **partitions):
    return [{"topic_id": w.id_of(t), "partitions": list(p)} for t, p in partitions.items()]


def owned(answer):
    return (answer["assignment"] or {}).get("topic_partitions")


def describe(w, version=1):
    found = w.server.ask_quietly("consumer_group_describe", version, group_ids=[w.group], include_authorized_operations=False)
    w.note(f"described v{version}", found["groups"][0])


def cases():
    yield "ConsumerGroupHeartbeat: a member from join to leave", whole_life
    yield "ConsumerGroupHeartbeat v0: ids of the server", v0_ids
    yield "ConsumerGroupHeartbeat v0: an id of its own", lambda w: consumer(w, "A").begin(version=0)
    for what, fields in BAD.items():
        yield f"ConsumerGroupHeartbeat: {what}", lambda w, f=fields: bad(w, f)
    yield "ConsumerGroupHeartbeat: no such group", no_group
    yield "ConsumerGroupHeartbeat: unknown members", unknown_members
    yield "ConsumerGroupHeartbeat: epochs", epochs
    yield "ConsumerGroupHeartbeat: join again", join_again
    yield "ConsumerGroupHeartbeat: what a member says it owns", says_owned
    yield "ConsumerGroupHeartbeat: a full request", full_request
    yield "ConsumerGroupHeartbeat: topics that do not exist", missing_topics
    yield "ConsumerGroupHeartbeat: subscription changes", subscription_changes
    yield "ConsumerGroupHeartbeat: too many members", too_many
    yield "ConsumerGroupHeartbeat: session runs out", session_runs_out
    yield "ConsumerGroupHeartbeat: static member leaves and returns", static_returns
    yield "ConsumerGroupHeartbeat: static member, errors", static_errors
    yield "ConsumerGroupHeartbeat: static member leaves for good", static_for_good
    yield "ConsumerGroupHeartbeat: patterns", patterns
    yield "ConsumerGroupHeartbeat: pattern and names", pattern_and_names
    yield "ConsumerGroupHeartbeat: pattern to nothing", pattern_to_nothing
    for pattern in (*BAD_PATTERNS, *MATCHES):
        yield f"ConsumerGroupHeartbeat: pattern {pattern!r}", lambda w, p=pattern: one_pattern(w, p)
    yield "ConsumerGroupDescribe: others", describe_others
    yield "ConsumerGroupDescribe: v0", describe_v0


BAD_PATTERNS = ("(", "[", "a(?=b)", "\\1", "*", "", "a{2,1}", "a\\C", "o{1001}", "one(?#x)?")
MATCHES = {  # how many of the topics that all cases share
    "(?P<n>a)": 0, "(?<n>a)": 0, "\\d": 0, "on": 0, "(?i)ONE": 1, "^one$": 1, "one|six": 2, "o.e": 1, "[[:alpha:]]+": 4,
    "\\Qone\\E": 1, "(?s)o.*": 1, "\\pL+": 4, "one\\z": 1, "(?:one)?": 1, "\\bone": 1}

BAD = {
    "empty group id": {"group_id": ""},
    "blank group id": {"group_id": "  "},
    "empty member id": {"member_id": ""},
    "blank member id": {"member_id": " "},
    "epoch -3": {"member_epoch": -3},
    "no rebalance timeout": {"rebalance_timeout_ms": -1},
    "rebalance timeout 0": {"rebalance_timeout_ms": 0},
    "rebalance timeout -2": {"rebalance_timeout_ms": -2},
    "no subscription": {"subscribed_topic_names": None},
    "empty subscription": {"subscribed_topic_names": []},
    "empty name": {"subscribed_topic_names": [""]},
    "bad name": {"subscribed_topic_names": ["a b"]},
    "same name twice": {"subscribed_topic_names": ["one", "one"]},
    "no owned partitions": {"topic_partitions": None},
    "owned partitions": {"topic_partitions": [{"topic_id": UNKNOWN_TOPIC, "partitions": [0]}]},
    "empty instance id": {"instance_id": ""},
    "empty rack": {"rack_id": ""},
    "rack": {"rack_id": "r1"},
    "unknown assignor": {"server_assignor": "magic"},
    "empty assignor": {"server_assignor": ""},
    "assignor range": {"server_assignor": "range"},
    "assignor in capitals": {"server_assignor": "UNIFORM"},
    "epoch 1 at once": {"member_epoch": 1},
    "epoch -1 at once": {"member_epoch": -1},
    "epoch -2 at once": {"member_epoch": -2},
    "epoch -2 with an instance": {"member_epoch": -2, "instance_id": "i"},
    "epoch -1 with an instance": {"member_epoch": -1, "instance_id": "i"},
    "a word as id": {"member_id": "me"},
    "a long id": {"member_id": "m" * 300},
    "a long instance": {"instance_id": "i" * 300},
}


def bad(w, fields):
    a = consumer(w, "A")
    a.begin(**fields)
    describe(w)


def whole_life(w):
    a = consumer(w, "A")
    a.begin(["three"])
    describe(w)
    a.pulse(topic_partitions=owns(w, three=[0, 1, 2]))
    a.pulse()
    describe(w)
    a.pulse(member_epoch=-1)
    describe(w)


def v0_ids(w):
    a, b = w.member("A"), w.member("B")
    a.begin(["three"], version=0)
    b.begin(["three"], version=0, member_id=LEFT_OUT)
    a.pulse(0)
    b.pulse(0, member_epoch=-1)
    a.pulse(0, member_epoch=-1)
    c = consumer(w, "C", instance_id="i")
    c.begin(["three"])
    for epoch in (-1, -2):
        for name in ("i", "other", None):
            w.server.pulse(0, member_id="", member_epoch=epoch, instance_id=name)
    c.pulse(0, member_epoch=-2)


def no_group(w):
    a = consumer(w, "A")
    a.pulse(member_epoch=1)
    a.pulse(member_epoch=-1)
    a.pulse(member_epoch=-2, instance_id="i")


def unknown_members(w):
    consumer(w, "A").begin()
    b = consumer(w, "B")
    b.pulse(member_epoch=1)
    b.pulse(member_epoch=-1)
    b.pulse(member_epoch=-2, instance_id="i")
    b.pulse(member_epoch=3, instance_id="i")


def epochs(w):
    a, b = consumer(w, "A"), consumer(w, "B")
    a.begin(["three"])
    for epoch in (a.epoch + 1, a.epoch - 1, 77):
        a.pulse(member_epoch=epoch)
    a.pulse(subscribed_topic_names=["three", "six"])
    first, now = a.epoch - 1, a.epoch
    describe(w)
    a.pulse(member_epoch=first)
    a.pulse(member_epoch=first, topic_partitions=owns(w, three=[0, 1]))
    a.epoch = now
    a.pulse(topic_partitions=owns(w, three=[0, 1, 2], six=[0, 1, 2, 3, 4, 5]))
    a.pulse(member_epoch=first, topic_partitions=owns(w, three=[0, 1], four=[0]))
    a.pulse(member_epoch=first, topic_partitions=[])
    a.epoch = now
    b.begin(["three"])
    a.pulse(member_epoch=now - 1)
    a.pulse(member_epoch=now)


def join_again(w):
    a = consumer(w, "A")
    a.begin(["three"])
    a.begin(["three"])
    a.pulse(topic_partitions=owns(w, three=[0, 1, 2]))
    a.begin(["three"])
    a.begin(["six"])
    a.begin(["six"], rebalance_timeout_ms=7000, rack_id="r", server_assignor="range")
    describe(w)


def says_owned(w):
    a = consumer(w, "A")
    a.begin(["three"])
    a.pulse(topic_partitions=owns(w, three=[0]))
    a.pulse(topic_partitions=[])
    a.pulse(topic_partitions=owns(w, six=[0]))
    a.pulse(topic_partitions=[{"topic_id": UNKNOWN_TOPIC, "partitions": [0]}])
    a.pulse(topic_partitions=owns(w, three=[0, 1, 2, 77]))
    describe(w)


def full_request(w):
    a = consumer(w, "A")
    a.begin(["three"])
    a.pulse(topic_partitions=owns(w, three=[0, 1, 2]))
    a.pulse(rebalance_timeout_ms=20000, subscribed_topic_names=["three"], topic_partitions=owns(w, three=[0, 1, 2]))
    a.pulse(rebalance_timeout_ms=20000, subscribed_topic_names=["three"], topic_partitions=owns(w, three=[0]))
    a.pulse(rebalance_timeout_ms=20000, subscribed_topic_names=["three"])
    a.pulse(subscribed_topic_names=["three"])
    a.pulse(rebalance_timeout_ms=30000)
    a.pulse(rack_id="r")
    a.pulse(server_assignor="range")
    a.pulse(server_assignor="magic")
    a.pulse(instance_id="i")
    describe(w)


def missing_topics(w):
    a = consumer(w, "A")
    a.begin(["nowhere", "three"])
    describe(w)
    b = consumer(w, "B")
    b.begin(["nowhere"])
    describe(w)


def subscription_changes(w):
    a = consumer(w, "A")
    a.begin(["three"])
    a.pulse(topic_partitions=owns(w, three=[0, 1, 2]))
    a.pulse(subscribed_topic_names=["three"])
    a.pulse(subscribed_topic_names=["one", "three"])
    a.pulse(topic_partitions=owns(w, three=[0, 1, 2], one=[0]))
    a.pulse(subscribed_topic_names=["one"])
    describe(w)
    a.pulse(topic_partitions=owns(w, one=[0]))
    a.pulse(subscribed_topic_names=[])
    describe(w)
    a.pulse(topic_partitions=[])
    describe(w)


def too_many(w):
    for name in "ABCD":
        consumer(w, name).begin()
    consumer(w, "E").begin()
    consumer(w, "F").begin(instance_id="f")


def session_runs_out(w):
    w.server.ask("incremental_alter_configs", 1, validate_only=False, resources=[
        {"resource_type": 32, "resource_name": w.group, "configs": [
            {"name": "consumer.session.timeout.ms", "config_operation": 0, "value": "1000"},
            {"name": "consumer.heartbeat.interval.ms", "config_operation": 0, "value": "700"}]}])
    w.until(lambda: w.server.ask_quietly("describe_configs", 4, resources=[
        {"resource_type": 32, "resource_name": w.group, "configuration_keys": None}])["results"][0]["configs"],
        lambda c: any(x["name"] == "consumer.session.timeout.ms" and x["value"] == "1000" for x in c), "the setting")
    a, b = consumer(w, "A"), consumer(w, "B", instance_id="b")
    a.begin()
    b.begin()
    gone = w.until(lambda: w.server.ask_quietly("consumer_group_describe", 1, group_ids=[w.group])["groups"][0],
                   lambda g: not g["members"], "the end of the session")
    w.note("gone", gone)
    a.pulse()
    b.pulse()


def static_returns(w):
    a = consumer(w, "A", instance_id="i")
    a.begin(["three"])
    a.pulse(topic_partitions=owns(w, three=[0, 1, 2]))
    a.pulse(member_epoch=-2)
    describe(w)
    b = consumer(w, "B", instance_id="i")
    b.begin(["three"])
    describe(w)
    b.pulse(topic_partitions=owns(w, three=[0, 1, 2]))
    b.pulse(member_epoch=-2)
    c = consumer(w, "C", instance_id="i")
    c.begin(["six"])
    describe(w)


def static_errors(w):
    a, b = consumer(w, "A", instance_id="i"), consumer(w, "B", instance_id="i")
    a.begin(["three"])
    b.begin(["three"])
    b.pulse(member_epoch=1)
    b.pulse(member_epoch=-1)
    b.pulse(member_epoch=-2)
    a.pulse(instance_id="other")
    a.pulse(instance_id=None)
    a.pulse(member_epoch=-1, instance_id="other")
    a.pulse(member_epoch=-2, instance_id=None)
    epoch = a.epoch
    a.pulse(member_epoch=-2)
    a.pulse(member_epoch=-2)
    a.pulse(member_epoch=epoch)
    a.commit(9, [("three", 0, 1)], generation_id_or_member_epoch=epoch)
    a.commit(9, [("three", 0, 1)], generation_id_or_member_epoch=-2)
    a.begin(["three"])
    b.pulse(member_epoch=-1, instance_id=None)
    describe(w)


def static_for_good(w):
    a = consumer(w, "A", instance_id="i")
    a.begin(["three"])
    a.pulse(member_epoch=-1)
    describe(w)
    b = consumer(w, "B", instance_id="i")
    b.begin(["three"])
    b.pulse(member_epoch=-2)
    w.server.leave(5, members=[{"member_id": "", "group_instance_id": "i"}])
    describe(w)


def resolved(w, member, names, pattern, topics):
    """Begins with a pattern. Kafka looks for its topics later, we at once: what comes of it is the same."""
    quietly(w, lambda: member.begin(subscribed_topic_names=names, subscribed_topic_regex=pattern))

    def settled(group):
        found = next((m for m in group["members"] if m["member_id"] == member.id), None)
        return found and group["group_epoch"] == found["member_epoch"] and (
            len(found["assignment"]["topic_partitions"]) == topics)

    def ask():
        member.pulse()
        return w.server.ask("consumer_group_describe", 1, group_ids=[w.group])["groups"][0]
    w.until(ask, settled, f"the topics of {pattern}")
    w.groups = []


def patterns(w):
    w.topic("p1", 2), w.topic("other", 2)
    a, b = consumer(w, "A"), consumer(w, "B")
    resolved(w, a, None, f"{w.group}-p.*", 1)
    describe(w)
    b.begin([], subscribed_topic_names=None, subscribed_topic_regex=f"{w.group}-p.*")
    describe(w)
    b.pulse(member_epoch=-1)
    a.pulse(member_epoch=-1)


def pattern_and_names(w):
    topic = w.topic("p1", 2)
    a = consumer(w, "A")
    resolved(w, a, ["one"], topic, 2)
    describe(w)
    a.pulse(subscribed_topic_regex="")
    describe(w)
    a.pulse(subscribed_topic_names=[])
    describe(w)


def pattern_to_nothing(w):
    """Its old topics are still somebody's, when its new pattern stands for none."""
    topic = w.topic("p1", 2)
    a, b = consumer(w, "A"), consumer(w, "B")
    resolved(w, a, None, f"{w.group}-p[12]", 1)
    b.begin([topic])
    for _ in range(3):
        a.pulse(), b.pulse()
    describe(w)
    a.pulse(subscribed_topic_regex=f"{w.group}-p2")
    time.sleep(3)  # Kafka looks for the topics of a pattern later
    for _ in range(3):
        a.pulse(), b.pulse()
    describe(w)


def one_pattern(w, pattern):
    a = consumer(w, "A")
    if pattern not in MATCHES:
        a.begin(subscribed_topic_names=None, subscribed_topic_regex=pattern)
        return
    resolved(w, a, None, pattern, MATCHES[pattern])
    w.until(lambda: of_group(w.server, w.group), lambda r: any(x["type"] == RESOLVED for x in r), "what it means")
    describe(w)
    a.begin(["one"])


def describe_others(w):
    consumer(w, "A").begin()
    ask = w.server.ask
    ask("consumer_group_describe", 1, group_ids=[w.group, f"{w.group}-none"], include_authorized_operations=True)
    ask("consumer_group_describe", 1, group_ids=[], include_authorized_operations=True)
    ask("consumer_group_describe", 1, group_ids=[""])
    ask("describe_groups", 5, groups=[w.group])
    ask("describe_groups", 6, groups=[w.group])
    ask("consumer_group_describe", 1, group_ids=[w.group, w.group])
    classic = w.member("C")
    classic.join(3, group_id=f"{w.group}-classic")
    ask("consumer_group_describe", 1, group_ids=[f"{w.group}-classic"])
    w.groups.append(f"{w.group}-classic")


def describe_v0(w):
    consumer(w, "A", rack_id="r", instance_id="i").begin(["three"])
    describe(w, 0)
    describe(w, 1)
