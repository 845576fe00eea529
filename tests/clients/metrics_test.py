#!/usr/bin/env python3
"""GET /metrics: what Prometheus reads of topics, groups and the node itself, while members come and go."""
import re
import socket
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request

from node import WAIT_S, WEIR, Node, Tests, free_port, missing, run

LINE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-z_]+="(?:\\[\\"n]|[^"\\\n])*",?)*)\})? (-?\d+)')


def get(node, path="/metrics", method="GET"):
    request = urllib.request.Request(f"http://127.0.0.1:{node.metrics_port}{path}", method=method)
    with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
        return answer.read().decode(), answer.headers


def numbers(node):
    """{(name, labels): value}; every line must be a line of the format, every name must have its type once."""
    values, types = {}, {}
    for line in get(node)[0].splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert name not in types and kind in ("counter", "gauge"), line
            assert (kind == "counter") == name.endswith("_total"), line
            types[name] = kind
        elif not line.startswith("# HELP "):
            found = LINE.fullmatch(line)
            assert found and found.group(1) in types, line
            key = (found.group(1), found.group(2) or "")
            assert key not in values, line
            values[key] = int(found.group(3))
    return values


def of(node, group):
    """Without the label of the group."""
    label = f'consumergroup="{group}"'
    return {(name, labels.replace(label, "").strip(",")): value
            for (name, labels), value in numbers(node).items() if label in labels}


def wait_for(node, group, name, value):
    for _ in range(WAIT_S * 10):
        if of(node, group).get((name, "")) == value:
            return
        time.sleep(0.1)
    raise AssertionError(f"{name} does not become {value}: {of(node, group)}")


def produce(node, topic, partition, count):
    run("kcat", "-b", node.at, "-P", "-t", topic, "-p", str(partition), stdin=b"x\n" * count)


def weir(node, *arguments):
    return run(WEIR, *arguments, "-b", node.at)


def the_node_tells_its_own_numbers(node):
    produce(node, "orders", 0, 10)
    first = numbers(node)
    run("kcat", "-b", node.at, "-L")
    second = numbers(node)
    assert first[("kafka_brokers", "")] == 1
    for name, labels in (("weir_connections_accepted_total", ""), ("weir_requests_total", 'api="Metadata"'),
                         ("weir_bytes_in_total", "")):
        assert second[(name, labels)] > first[(name, labels)], name
    assert all(value >= first[key] for key, value in second.items() if key[0].endswith("_total"))


def topics_show_their_partitions_and_offsets(node):
    produce(node, "orders", 2, 7)
    told = numbers(node)
    assert told[("kafka_topic_partitions", 'topic="orders"')] == 3
    ends = [told[("kafka_topic_partition_current_offset", f'topic="orders",partition="{p}"')] for p in range(3)]
    starts = [told[("kafka_topic_partition_oldest_offset", f'topic="orders",partition="{p}"')] for p in range(3)]
    assert ends == [10, 0, 7] and starts == [0, 0, 0], (ends, starts)


def a_group_without_members_shows_where_it_stands(node):
    weir(node, "group", "seek", "billing", "--to", "4", "--topic", "orders", "--yes")
    told = of(node, "billing")
    places = [told[("kafka_consumergroup_current_offset", f'topic="orders",partition="{p}"')] for p in (0, 1, 2)]
    lags = [told[("kafka_consumergroup_lag", f'topic="orders",partition="{p}"')] for p in (0, 1, 2)]
    assert [end - place for end, place in zip((10, 0, 7), places)] == lags, (places, lags)
    assert told[("kafka_consumergroup_lag_sum", 'topic="orders"')] == sum(lags)
    assert told[("kafka_consumergroup_current_offset_sum", 'topic="orders"')] == sum(places)
    assert told[("kafka_consumergroup_members", "")] == 0


def lag_follows_what_is_written(node):
    name = ("kafka_consumergroup_lag_sum", 'topic="orders"')
    before = of(node, "billing")[name]
    produce(node, "orders", 1, 5)
    assert of(node, "billing")[name] == before + 5


def members_and_generations_are_counted(node):
    member = ["kcat", "-b", node.at, "-q", "-X", "session.timeout.ms=6000", "-G", "team", "orders"]
    with subprocess.Popen(member, stdout=subprocess.DEVNULL) as one:
        wait_for(node, "team", "kafka_consumergroup_members", 1)
        first = of(node, "team")[("weir_group_generation", "")]
        with subprocess.Popen(member, stdout=subprocess.DEVNULL) as two:
            wait_for(node, "team", "kafka_consumergroup_members", 2)
            wait_for(node, "team", "weir_group_generation", first + 1)
            two.terminate()
        wait_for(node, "team", "kafka_consumergroup_members", 1)
        one.terminate()
    wait_for(node, "team", "kafka_consumergroup_members", 0)


def heartbeat(node, group, member, epoch):
    """ConsumerGroupHeartbeat 0, asking for the topic; the member's id and its epoch."""
    def text(value):
        return bytes([len(value) + 1]) + value.encode()
    first = epoch == 0
    body = text(group) + text(member) + struct.pack(">i", epoch) + b"\0\0" + struct.pack(">i", 60000 if first else -1)
    body += (b"\2" + text("orders") if first else b"\0") + b"\0" + (b"\1" if first else b"\0") + b"\0"
    frame = struct.pack(">hhih", 68, 0, 1, -1) + b"\0" + body
    with socket.create_connection(("127.0.0.1", node.port), timeout=WAIT_S) as s, s.makefile("rb") as answers:
        s.sendall(struct.pack(">i", len(frame)) + frame)
        answer = answers.read(struct.unpack(">i", answers.read(4))[0])[4 + 1 + 4:]
    assert answer[:3] == b"\0\0\0", answer  # no error, no message
    end = 3 + answer[3]
    return answer[4:end].decode(), struct.unpack(">i", answer[end:end + 4])[0]


def members_of_the_consumer_protocol_are_counted_as_well(node):
    member, epoch = heartbeat(node, "modern", "", 0)
    told = of(node, "modern")
    assert told[("kafka_consumergroup_members", "")] == 1 and epoch > 0, (told, epoch)
    assert told[("weir_group_generation", "")] == epoch, (told, epoch)
    heartbeat(node, "modern", member, -1)
    told = of(node, "modern")
    assert told[("kafka_consumergroup_members", "")] == 0, told
    assert told[("weir_group_generation", "")] > epoch, told


def names_are_escaped(node):
    group = 'a\\b "c"\nd\u00e4'
    weir(node, "group", "seek", group, "--to", "1", "--topic", "orders", "--yes")
    told = of(node, r'a\\b \"c\"\nd' + "\u00e4")
    assert ("kafka_consumergroup_lag_sum", 'topic="orders"') in told, told


def a_topic_that_is_gone_has_no_lag(node):
    produce(node, "short", 0, 3)
    weir(node, "group", "seek", "reader", "--to", "1", "--topic", "short", "--yes")
    assert of(node, "reader")[("kafka_consumergroup_lag", 'topic="short",partition="0"')] == 2
    weir(node, "topic", "delete", "short", "--yes")
    assert not any("short" in labels for name, labels in numbers(node) if name != "kafka_consumergroup_current_offset")


def what_is_not_there_is_refused(node):
    assert get(node, "/healthz")[0] == "ok\n"
    for path, method, status in (("/", "GET", 404), ("/metrics", "POST", 405), ("/metrics", "HEAD", 405)):
        try:
            get(node, path, method)
        except urllib.error.HTTPError as refused:
            assert refused.code == status, (path, method, refused.code)
        else:
            raise AssertionError(f"{method} {path} was answered")


def many_scrapers_at_once_are_all_answered(node):
    texts = []
    threads = [threading.Thread(target=lambda: texts.append(get(node)[0])) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts) == 40 and all("\nkafka_brokers 1\n" in text for text in texts)


def everything_is_there_after_kill_9(node):
    before = of(node, "billing")
    node.kill9()
    node.start()
    wait_for(node, "billing", "kafka_consumergroup_members", 0)
    assert of(node, "billing") == before


def promtool_finds_nothing_wrong(node):
    """But for the two names that end as those of histograms do, because dashboards know them so."""
    page = "".join(line + "\n" for line in get(node)[0].splitlines() if not re.search(r"^(# \w+ )?kafka_\w+_sum\b", line))
    run("promtool", "check", "metrics", stdin=page.encode())


def main():
    tests = Tests()
    if missing("kcat"):
        tests.skip("metrics", "kcat is not installed")
        tests.end()
    port = free_port()
    with Node(f"weir.metrics.listener=127.0.0.1:{port}", "num.partitions=3",
              "group.initial.rebalance.delay.ms=0") as node:
        node.metrics_port = port
        for function in (the_node_tells_its_own_numbers, topics_show_their_partitions_and_offsets,
                         a_group_without_members_shows_where_it_stands, lag_follows_what_is_written,
                         members_and_generations_are_counted, members_of_the_consumer_protocol_are_counted_as_well,
                         names_are_escaped, a_topic_that_is_gone_has_no_lag, what_is_not_there_is_refused, many_scrapers_at_once_are_all_answered,
                         everything_is_there_after_kill_9):
            tests.test(function, node)
        if missing("promtool"):
            tests.skip("promtool finds nothing wrong", "it is not installed")
        else:
            tests.test(promtool_finds_nothing_wrong, node)
    tests.end()


main()
