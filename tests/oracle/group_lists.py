"""Cases: FindCoordinator, ListGroups, DescribeGroups, DeleteGroups, and the settings of groups."""
from group_classic import formed
from group_consumer import consumer, owns
from group_offsets import delete

GROUP = 32
SET, DELETE, APPEND, SUBTRACT = range(4)


def cases():
    for version in range(7):
        yield f"FindCoordinator v{version}", lambda w, v=version: find(w, v)
    for version in range(6):
        yield f"ListGroups v{version}", lambda w, v=version: lists(w, v)
    yield "ListGroups: filters", filters
    for version in range(7):
        yield f"DescribeGroups v{version}", lambda w, v=version: describes(w, v)
    yield "DescribeGroups: consumer groups", describe_consumer
    for version in range(4):
        yield f"DeleteGroups v{version}", lambda w, v=version: deletes(w, v)
    yield "DeleteGroups: consumer groups", delete_consumer
    yield "DeleteGroups: what is left behind", delete_leaves
    yield "DescribeConfigs: a group", describe_configs
    for what, (operation, name, value) in CHANGES.items():
        yield f"IncrementalAlterConfigs: {what}", lambda w, o=operation, n=name, v=value: change(w, o, n, v)
    yield "IncrementalAlterConfigs: no group name", lambda w: alter(w, "", (SET, "consumer.session.timeout.ms", "50000"))
    yield "IncrementalAlterConfigs: heartbeat above the session", heartbeat_above


def find(w, version):
    """Of groups only the first key type exists in v0, later ones name others, good and bad."""
    def ask(key_type, *keys):
        if version >= 4:
            return w.server.ask("find_coordinator", version, key_type=key_type, coordinator_keys=list(keys))
        return w.server.ask("find_coordinator", version, key_type=key_type, key=keys[0] if keys else "")

    ask(0, w.group)
    ask(0, "")
    if version >= 4:
        ask(0)
        ask(0, "a", "b", "a", "")
    for key_type in (2, 3, -1) if version >= 1 else ():
        ask(key_type, w.group)
    if version >= 6:
        topic = "AAAAAAAAAAAAAAAAAAAAAA"
        for key in ("", "g", "g:t", f"g:{topic}:0", f"g:{topic}:x", ":::", f"g:{topic}:-1", f"a:b:{topic}:0"):
            w.server.ask("find_coordinator", 6, key_type=2, coordinator_keys=[key])


def mine(w, version, **filters_of):
    """Only groups of this case, since others are being played."""
    found = w.server.ask_quietly("list_groups", version, **filters_of)
    w.note(f"v{version} {filters_of}", found | {
        "groups": [g for g in found["groups"] if g["group_id"].startswith(f"{w.group}-")]})


def several(w):
    """Groups in several states; not written down."""
    was, w.quiet, name = w.quiet, True, w.group
    for state in ("stable", "empty", "completing", "commit", "consumer", "connect"):
        w.group = f"{name}-{state}"
        if state == "completing":
            w.member("A").enter(9)
        elif state == "commit":
            w.member("A").commit(9)
        elif state == "consumer":
            consumer(w, "B").begin()
        elif state == "connect":
            w.member("A", protocol_type="connect").enter(9)
        else:
            a, = formed(w, "A")
            if state == "empty":
                a.leave()
    w.group, w.quiet = name, was


def lists(w, version):
    several(w)
    mine(w, version)
    if version >= 4:
        mine(w, version, states_filter=["Stable"])
    if version >= 5:
        mine(w, version, types_filter=["consumer"])


def filters(w):
    several(w)
    for states in (["stable"], ["STABLE", "Empty"], ["Completing Rebalance"], ["CompletingRebalance"], ["nonsense"], ["Dead"],
                   [""], ["Stable", "nonsense"], ["Assigning", "Reconciling"]):
        mine(w, 4, states_filter=states)
    for types in (["Consumer"], ["classic"], ["CLASSIC", "consumer"], ["share"], ["streams"], ["nonsense"], [""], ["unknown"]):
        mine(w, 5, types_filter=types)
    mine(w, 5, types_filter=["classic"], states_filter=["stable"])


def describes(w, version):
    several(w)
    groups = [f"{w.group}-{s}" for s in ("stable", "empty", "completing", "commit", "consumer", "connect", "none")]
    w.server.ask("describe_groups", version, groups=groups, include_authorized_operations=False)
    w.server.ask("describe_groups", version, groups=[f"{w.group}-stable", f"{w.group}-none"],
                 include_authorized_operations=True)
    w.server.ask("describe_groups", version, groups=[])
    w.server.ask("describe_groups", version, groups=[f"{w.group}-no"] * 2)


def describe_consumer(w):
    a = consumer(w, "A")
    a.begin()
    for version in (0, 5, 6):
        w.server.ask("describe_groups", version, groups=[w.group])
    a.pulse(member_epoch=-1)
    for version in (0, 5, 6):
        w.server.ask("describe_groups", version, groups=[w.group])


def deletes(w, version):
    several(w)
    def groups(*states):
        return w.server.ask("delete_groups", version, groups_names=[f"{w.group}-{s}" for s in states])

    groups("stable", "empty", "completing", "commit", "consumer", "connect", "none")
    groups("empty")
    groups("none", "none")
    groups()
    w.server.ask("delete_groups", version, groups_names=[f"{w.group}-"])
    mine(w, 5)


def delete_consumer(w):
    a = consumer(w, "A")
    a.begin(["three"])
    a.commit(9, [("three", 0, 4), ("three", 1, 4)], generation_id_or_member_epoch=a.epoch)
    w.server.ask("delete_groups", 2, groups_names=[w.group])
    a.pulse(member_epoch=-1)
    w.server.ask("delete_groups", 2, groups_names=[w.group])
    a.fetch(9)
    a.pulse()
    a.begin(["three"])


def delete_leaves(w):
    a, = formed(w, "A")
    a.commit(9, [("one", 0, 4), ("three", 2, 5)])
    a.leave()
    w.server.ask("delete_groups", 2, groups_names=[w.group])
    a.fetch(9)
    a.beat()
    a.commit(9)
    w.server.ask("describe_groups", 5, groups=[w.group])
    w.server.ask("describe_groups", 6, groups=[w.group])
    w.member("B").commit(9)
    delete(w, ("one", [0]))
    w.member("C").join(9)


# ---- settings ----

CHANGES = {
    "session": (SET, "consumer.session.timeout.ms", "50000"),
    "session too short": (SET, "consumer.session.timeout.ms", "10"),
    "session too long": (SET, "consumer.session.timeout.ms", "60001"),
    "session is a word": (SET, "consumer.session.timeout.ms", "long"),
    "session is null": (SET, "consumer.session.timeout.ms", None),
    "session is empty": (SET, "consumer.session.timeout.ms", ""),
    "session added to": (APPEND, "consumer.session.timeout.ms", "1"),
    "session deleted": (DELETE, "consumer.session.timeout.ms", None),
    "unknown operation": (9, "consumer.session.timeout.ms", "50000"),
    "heartbeat": (SET, "consumer.heartbeat.interval.ms", "6000"),
    "heartbeat too short": (SET, "consumer.heartbeat.interval.ms", "1"),
    "heartbeat too long": (SET, "consumer.heartbeat.interval.ms", "15001"),
    "assignment interval": (SET, "consumer.assignment.interval.ms", "100"),
    "assignment interval too long": (SET, "consumer.assignment.interval.ms", "15001"),
    "assignment interval -1": (SET, "consumer.assignment.interval.ms", "-1"),
    "offload": (SET, "consumer.assignor.offload.enable", "false"),
    "unknown key": (SET, "no.such.key", "1"),
    "empty key": (SET, "", "1"),
    "a topic's key": (SET, "retention.ms", "1"),
    "share": (SET, "share.auto.offset.reset", "earliest"),
    "share, bad": (SET, "share.auto.offset.reset", "sometimes"),
}


def alter(w, group, *changes, validate_only=False):
    return w.server.ask("incremental_alter_configs", 1, validate_only=validate_only, resources=[
        {"resource_type": GROUP, "resource_name": group, "configs": [
            {"name": n, "config_operation": o, "value": v} for o, n, v in changes]}])


def configs(w, group, keys=None, **more):
    return w.server.ask_quietly("describe_configs", 4, resources=[
        {"resource_type": GROUP, "resource_name": group, "configuration_keys": keys}], **more)["results"][0]


def change(w, operation, name, value):
    alter(w, w.group, (operation, name, value), validate_only=True)
    done = alter(w, w.group, (operation, name, value))
    if done["responses"][0]["error_code"] == "NONE" and operation == SET:
        w.until(lambda: configs(w, w.group), lambda c: any(
            x["name"] == name and x["value"] == value for x in c["configs"]), "the setting")
    found = configs(w, w.group, [name], include_synonyms=True)
    w.note("described", found)
    if operation == SET and done["responses"][0]["error_code"] == "NONE":
        alter(w, w.group, (DELETE, name, None))
        w.until(lambda: configs(w, w.group), lambda c: all(
            x["name"] != name or x["config_source"] != 8 for x in c["configs"]), "the default")


def describe_configs(w):
    w.note("all", configs(w, w.group))
    w.note("synonyms", configs(w, w.group, ["consumer.session.timeout.ms", "unknown"], include_synonyms=True))
    w.note("no name", configs(w, ""))
    w.server.ask("describe_configs", 1, resources=[
        {"resource_type": GROUP, "resource_name": w.group, "configuration_keys": None}])
    alter(w, w.group, (SET, "consumer.session.timeout.ms", "50000"), (SET, "consumer.heartbeat.interval.ms", "7000"))
    w.until(lambda: configs(w, w.group), lambda c: sum(x["value"] in ("50000", "7000") for x in c["configs"]) == 2, "both")
    a = consumer(w, "A")
    a.begin()
    w.server.ask("alter_configs", 2, validate_only=False, resources=[
        {"resource_type": GROUP, "resource_name": w.group, "configs": [
            {"name": "consumer.heartbeat.interval.ms", "value": "8000"}]}])
    w.until(lambda: configs(w, w.group), lambda c: any(x["value"] == "8000" for x in c["configs"]), "8000")
    w.note("described", configs(w, w.group))
    a.pulse(topic_partitions=owns(w, one=[0]))
    listed = w.server.ask_quietly("list_config_resources", 1, resource_types=[GROUP])
    w.note("listed", [r for r in listed["config_resources"] if r["resource_name"] == w.group])


def heartbeat_above(w):
    alter(w, w.group, (SET, "consumer.session.timeout.ms", "5000"), (SET, "consumer.heartbeat.interval.ms", "5000"))
    alter(w, w.group, (SET, "consumer.session.timeout.ms", "5000"), (SET, "consumer.heartbeat.interval.ms", "6000"))
    alter(w, w.group, (SET, "consumer.session.timeout.ms", "5000"), (SET, "consumer.session.timeout.ms", "6000"))
