"""The cases of compare.py about settings that are changed: IncrementalAlterConfigs, AlterConfigs, ListConfigResources,
and what DescribeConfigs says afterwards."""
import time

TOPIC, BROKER, LOGGER, METRICS, GROUP = 2, 4, 8, 16, 32
SET, DELETE, APPEND, SUBTRACT = range(4)
SETTLE_S = 10
HEARTBEAT, SESSION = "consumer.heartbeat.interval.ms", "consumer.session.timeout.ms"
THROTTLED = "leader.replication.throttled.replicas"


def alters(*things, version=1, validate_only=False):
    """things: (type, name, [(key, operation, value)])"""
    value = {"validate_only": validate_only, "resources": [
        {"resource_type": kind, "resource_name": name, "configs": [
            {"name": key, "config_operation": operation, "value": text} for key, operation, text in changes]}
        for kind, name, changes in things]}
    return lambda server: server.ask("incremental_alter_configs", version, value)


def replaces(*things, version=2, validate_only=False):
    """things: (type, name, [(key, value)])"""
    value = {"validate_only": validate_only, "resources": [
        {"resource_type": kind, "resource_name": name, "configs": [
            {"name": key, "value": text} for key, text in settings]} for kind, name, settings in things]}
    return lambda server: server.ask("alter_configs", version, value)


def becomes(kind, name, **expected):
    """The settings of a thing, as soon as they are as expected (Kafka's brokers hear of a change later than clients).
    Dots in keys are written as __."""
    keys = [key.replace("__", ".") for key in expected]
    request = {"include_synonyms": True, "resources": [
        {"resource_type": kind, "resource_name": name, "configuration_keys": keys}]}

    def ask(server):
        end = time.monotonic() + SETTLE_S
        while True:
            values = {c["name"]: c["value"] for c in server.raw("describe_configs", 4, request)["results"][0]["configs"]}
            if values == dict(zip(keys, expected.values())) or time.monotonic() > end:
                return server.ask("describe_configs", 4, request)
            time.sleep(0.05)
    return ask


def one_key(kind, name, key, operation, value):
    return alters((kind, name, [(key, operation, value)]))


def topics():
    yield "Alter: create altered", lambda s: s.ask("create_topics", 7, {
        "topics": [{"name": "altered", "num_partitions": 1, "replication_factor": 1}], "timeout_ms": 10000})
    for version in (0, 1):
        yield f"Alter v{version}: set", alters((TOPIC, "altered", [("segment.ms", SET, str(version + 5))]), version=version)
    yield "Alter: is set", becomes(TOPIC, "altered", segment__ms="6")
    for name, key, operation, value in (
            ("delete", "segment.ms", DELETE, None), ("delete what is not set", "segment.ms", DELETE, None),
            ("delete with a value", "segment.ms", DELETE, "5"), ("delete an unknown key", "no.such", DELETE, None),
            ("unknown key", "no.such", SET, "x"), ("null", "segment.ms", SET, None), ("a word", "segment.ms", SET, "abc"),
            ("nothing", "segment.ms", SET, ""), ("too small", "segment.ms", SET, "0"),
            ("none of the choices", "compression.type", SET, "foo"), ("append to a number", "segment.ms", APPEND, "5"),
            ("subtract from a number", "segment.ms", SUBTRACT, "5"), ("append to an unknown key", "no.such", APPEND, "a"),
            ("append null", "cleanup.policy", APPEND, None), ("append what is no choice", "cleanup.policy", APPEND, "foo"),
            ("throttled replicas that are none", THROTTLED, SET, "foo"), ("no such operation", "segment.ms", 9, "1")):
        yield f"Alter: {name}", one_key(TOPIC, "altered", key, operation, value)
    for value, operation, after in (("compact", APPEND, "delete,compact"), ("compact", APPEND, "delete,compact"),
                                    ("delete", SUBTRACT, "compact"), ("delete", SUBTRACT, "compact"),
                                    ("compact", SUBTRACT, ""), ("compact, delete", APPEND, "compact,delete")):
        yield f"Alter: policy {operation} {value} for {after}", one_key(TOPIC, "altered", "cleanup.policy", operation, value)
        yield f"Alter: policy after {operation} {value} is {after}", becomes(TOPIC, "altered", cleanup__policy=after)
    yield "Alter: throttled", one_key(TOPIC, "altered", THROTTLED, APPEND, "0:1")
    yield "Alter: throttled more", one_key(TOPIC, "altered", THROTTLED, APPEND, "0:2")
    yield "Alter: throttled all", one_key(TOPIC, "altered", THROTTLED, SET, "*")
    yield "Alter: a key twice", alters((TOPIC, "altered", [("segment.ms", SET, "1"), ("segment.ms", DELETE, None)]))
    yield "Alter: a topic twice", alters(*[(TOPIC, "altered", [("segment.ms", SET, "1")])] * 2)
    for kind, name in ((TOPIC, "unknown"), (TOPIC, "a b"), (TOPIC, ""), (3, "altered"), (0, "altered"), (99, "altered")):
        yield f"Alter: type {kind} '{name}'", one_key(kind, name, "segment.ms", SET, "1")
    yield "Alter: no settings", alters((TOPIC, "altered", []))
    yield "Alter: nothing at all", alters()
    yield "Alter: only looked at", alters((TOPIC, "altered", [("segment.ms", SET, "77")]), validate_only=True)
    yield "Alter: only looked at, bad", alters((TOPIC, "altered", [("segment.ms", SET, "x")]), validate_only=True)
    yield "Alter: the least above the most", alters(
        (TOPIC, "altered", [("min.compaction.lag.ms", SET, "100"), ("max.compaction.lag.ms", SET, "50")]))
    yield "Alter: good, bad and unknown", alters(
        (TOPIC, "altered", [("retention.bytes", SET, "5"), ("segment.ms", SET, "x")]),
        (TOPIC, "unknown", [("retention.bytes", SET, "5")]), (TOPIC, "one", [("retention.bytes", SET, "555555")]))
    yield "Alter: the bad one has changed nothing", becomes(TOPIC, "altered", retention__bytes="-1")
    yield "Alter: the good one has", becomes(TOPIC, "one", retention__bytes="555555")
    yield "Alter: one as before", one_key(TOPIC, "one", "retention.bytes", DELETE, None)


def brokers():
    yield "Alter: broker", one_key(BROKER, "1", "background.threads", SET, "9")
    yield "Alter: broker is set", becomes(BROKER, "1", background__threads="9")
    yield "Alter: all brokers", one_key(BROKER, "", "message.max.bytes", SET, "2000000")
    yield "Alter: all brokers are set", becomes(BROKER, "", message__max__bytes="2000000")
    yield "Alter: and so are topics", becomes(TOPIC, "one", max__message__bytes="2000000")
    yield "Alter: this broker above all", one_key(BROKER, "1", "message.max.bytes", SET, "3000000")
    yield "Alter: this broker above all is set", becomes(BROKER, "1", message__max__bytes="3000000")
    for name, of, key, operation, value in (
            ("read-only", "1", "log.dirs", SET, "/x"), ("read-only, all", "", "num.partitions", SET, "3"),
            ("a word", "1", "background.threads", SET, "x"), ("too small", "1", "background.threads", SET, "0"),
            ("a word, all", "", "background.threads", SET, "x"), ("another", "7", "background.threads", SET, "6"),
            ("no number", "abc", "background.threads", SET, "6"), ("a secret", "1", "ssl.key.password", SET, "abc"),
            ("a keystore, all", "", "ssl.keystore.location", SET, "/x"),
            ("append to a number", "1", "background.threads", APPEND, "3")):
        yield f"Alter: broker: {name}", one_key(BROKER, of, key, operation, value)
    yield "Alter: broker: only looked at", alters((BROKER, "1", [("background.threads", SET, "12")]), validate_only=True)
    yield "Alter: broker as before", alters(
        (BROKER, "1", [("background.threads", DELETE, None), ("message.max.bytes", DELETE, None)]),
        (BROKER, "", [("message.max.bytes", DELETE, None)]))
    yield "Alter: topics as before", becomes(TOPIC, "one", max__message__bytes="1048588")


def groups():
    described = {"resources": [{"resource_type": GROUP, "resource_name": "g", "configuration_keys": None}],
                 "include_synonyms": True}
    yield "Alter: group before", lambda s: s.ask("describe_configs", 4, described)
    yield "Alter: group", one_key(GROUP, "g", SESSION, SET, "50000")
    yield "Alter: group is set", becomes(GROUP, "g", consumer__session__timeout__ms="50000")
    for key, value in (
            (SESSION, "44999"), (SESSION, "60001"), (SESSION, "0"), (SESSION, "x"), (HEARTBEAT, "4999"), (HEARTBEAT, "15001"),
            (HEARTBEAT, "6000"), ("consumer.assignment.interval.ms", "15001"), ("consumer.assignment.interval.ms", "-1"),
            ("consumer.assignor.offload.enable", "false"), ("consumer.assignor.offload.enable", "x"), ("no.such", "1"),
            ("share.session.timeout.ms", "1"), ("share.record.lock.duration.ms", "1"), ("share.delivery.count.limit", "50"),
            ("share.auto.offset.reset", "by_duration:PT1H"), ("share.auto.offset.reset", "by_duration:x"),
            ("share.isolation.level", "READ_COMMITTED"), ("streams.num.standby.replicas", "9"),
            ("streams.assignor.name", "foo"), ("streams.num.warmup.replicas", "99"),
            ("streams.task.offset.interval.ms", "1"), ("streams.rack.aware.assignment.tags", "a,b"), (SESSION, None)):
        yield f"Alter: group: {key}={value}", one_key(GROUP, "g", key, SET, value)
    yield "Alter: group: append to a number", one_key(GROUP, "g", SESSION, APPEND, "50000")
    yield "Alter: group: delete an unknown key", one_key(GROUP, "g", "no.such", DELETE, None)
    yield "Alter: group: no name", one_key(GROUP, "", SESSION, SET, "50000")
    yield "Alter: group: its heartbeats", becomes(GROUP, "g", consumer__heartbeat__interval__ms="6000")
    yield "Alter: group after", lambda s: s.ask("describe_configs", 4, described)


def replaced():
    yield "Replace: set", replaces((TOPIC, "altered", [("retention.bytes", "1000")]))
    yield "Replace: is set", becomes(TOPIC, "altered", retention__bytes="1000", cleanup__policy="delete")
    for version in range(3):
        yield f"Replace v{version}: set", replaces((TOPIC, "altered", [("segment.ms", "1000")]), version=version)
    yield "Replace: the other is not", becomes(TOPIC, "altered", retention__bytes="-1", segment__ms="1000")
    for name, settings in (("a key twice", [("segment.ms", "1"), ("segment.ms", "2")]), ("null", [("segment.ms", None)]),
                           ("unknown key", [("no.such", "1")]), ("a word", [("segment.ms", "x")])):
        yield f"Replace: {name}", replaces((TOPIC, "altered", settings))
    for kind, name, settings in ((TOPIC, "unknown", []), (0, "x", [("a", "b")]), (LOGGER, "1", [("a", "INFO")]),
                                 (BROKER, "1", [("log.dirs", "/x")]), (BROKER, "1", [("background.threads", "7")]),
                                 (BROKER, "1", []), (GROUP, "g", [(SESSION, "1")]), (GROUP, "", [(SESSION, "46000")]),
                                 (GROUP, "g", [(SESSION, "46000")])):
        yield f"Replace: type {kind} '{name}' {settings}", replaces((kind, name, settings))
    yield "Replace: group is set", becomes(
        GROUP, "g", consumer__session__timeout__ms="46000", consumer__heartbeat__interval__ms="5000")
    yield "Replace: only looked at", replaces((TOPIC, "altered", [("segment.ms", "5")]), validate_only=True)
    yield "Replace: by nothing", replaces((TOPIC, "altered", []))
    yield "Replace: nothing is set", becomes(TOPIC, "altered", segment__ms="604800000")


def listed():
    def lists(version, types):
        return lambda s: s.ask("list_config_resources", version, {"resource_types": types} if version else {})

    yield "ListConfigResources v0", lists(0, None)
    for types in ([TOPIC], [BROKER], [GROUP], [METRICS], [GROUP, GROUP], [BROKER, GROUP], [3], [GROUP, 3]):
        yield f"ListConfigResources v1: {types}", lists(1, types)
    yield "ListConfigResources: group as before", alters((GROUP, "g", [(SESSION, DELETE, None)]))


def config_changes():
    for part in (topics, brokers, groups, replaced, listed):
        yield from part()
