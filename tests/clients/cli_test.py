#!/usr/bin/env python3
"""The command line against a broker of its own: what each command prints, in which form, and how it ends."""
import base64
import csv
import glob
import io
import json
import os
import re
import select
import signal
import subprocess
import tempfile
import time

from node import Node, Tests, WAIT_S, WEIR, free_port

OK, REFUSED, USAGE, NO_SERVER, NOT_FOUND, PARTLY, CHECK, INTERRUPTED = 0, 1, 2, 3, 4, 6, 7, 130
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def weir(node, *arguments, stdin=b"", expect=OK, env=None):
    """(standard output, standard error) of a command that must end so."""
    environment = dict(os.environ, **({"WEIR_BOOTSTRAP": node.at} if node else {}), **(env or {}))
    done = subprocess.run([WEIR, *arguments], input=stdin, capture_output=True, timeout=WAIT_S, check=False,
                          env=environment)
    out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    assert done.returncode == expect, f"{arguments}: status {done.returncode}, not {expect}\n{out[-2000:]}\n{err[-2000:]}"
    return out, err


def out(node, *arguments, **how):
    return weir(node, *arguments, **how)[0]


def begin(node, *arguments):
    return subprocess.Popen([WEIR, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env=dict(os.environ, WEIR_BOOTSTRAP=node.at))


def read_line(process):
    assert select.select([process.stdout], [], [], WAIT_S)[0], "nothing was printed"
    return process.stdout.readline()


def murmur2(key):
    mask, m = 0xffffffff, 0x5bd1e995
    h = (0x9747b28c ^ len(key)) & mask
    for i in range(0, len(key) - 3, 4):
        k = int.from_bytes(key[i:i + 4], "little") * m & mask
        h = (h * m & mask) ^ ((k ^ k >> 24) * m & mask)
    tail = key[len(key) // 4 * 4:]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


# ---- the command line itself ----

def every_command_has_help_and_an_example(_):
    listed = re.findall(r"^  (\S+) +(\S*) ", out(None, "help"), re.M)
    commands = re.findall(r"^  (broker|dev|topic|produce|consume|offsets|group|log|help|version) (?: *)([a-z-]*)  ",
                          out(None, "help"), re.M)
    assert len(listed) == 22 and len(commands) == 22, (listed, commands)
    for noun, verb in commands:
        words = [noun] + ([verb] if verb else [])
        text = out(None, *words, "--help")
        assert text.startswith(f"usage: weir {' '.join(words)}") and "\nexample:\n  " in text, text
        assert text == out(None, "help", *words)


def plurals_and_short_verbs_are_understood(node):
    assert out(node, "topics", "ls") == out(node, "topic", "list")


def a_wrong_command_line_is_told_so(node):
    for arguments, said in [(["nonsense"], "there is no command 'nonsense'"),
                            (["topic"], "needs one of: list create describe delete add-partitions"),
                            (["topic", "list", "--nope"], "there is no option --nope"),
                            (["topic", "list", "--key", "x"], "does not take -k"),
                            (["topic", "create"], "usage: weir topic create TOPIC"),
                            (["topic", "list", "-o"], "needs a value"),
                            (["topic", "list", "-o", "xml"], "use table, json"),
                            (["consume", "x", "-o", "table"], "records are printed as"),
                            (["consume", "x", "-o", "%y"], "after a percent sign"),
                            (["consume", "x", "--from", "noon"], "'noon' is not a position"),
                            (["produce", "x", "--acks", "2"], "all, 1 or 0"),
                            (["produce", "x", "-z", "rar"], "none, gzip, snappy"),
                            (["offsets", "x", "--at", "12"], "--at 12: a time")]:
        err = weir(node, *arguments, expect=USAGE)[1]
        assert said in err, (arguments, err)


def without_a_broker_it_says_how_to_start_one(_):
    at = f"127.0.0.1:{free_port()}"
    err = weir(None, "topic", "list", "-b", at, expect=NO_SERVER)[1]
    assert at in err and "weir dev" in err, err


# ---- broker ----

def a_mistyped_setting_is_not_taken(_):
    err = weir(None, "broker", "--set", "log.dir.s=/tmp", expect=USAGE)[1]
    assert "did you mean 'log.dirs'?" in err, err
    with tempfile.NamedTemporaryFile("w", suffix=".properties") as file:
        file.write("num.partitons=3\n")
        file.flush()
        err = weir(None, "broker", "-c", file.name, expect=USAGE)[1]
        assert "num.partitons" in err and "did you mean 'num.partitions'?" in err, err
    assert "nowhere.properties" in weir(None, "broker", "-c", "/nowhere.properties", expect=NOT_FOUND)[1]


def file_environment_and_command_line_win_in_this_order(_):
    with tempfile.TemporaryDirectory(prefix="weir-test-") as folder:
        settings = os.path.join(folder, "server.properties")
        with open(settings, "w", encoding="utf-8") as file:
            file.write("num.partitions=2\nnum.network.threads=3\nlog.retention.hours=24\nmessage.max.bytes=1000\n")
        environment = dict(os.environ, KAFKA_NUM_PARTITIONS="3", KAFKA_LOG_RETENTION_HOURS="48")
        port = free_port()
        broker = subprocess.Popen([WEIR, "broker", "-c", settings, "--data", f"{folder}/a/b", "--set",
                                   "log.retention.hours=72", "--set", f"listeners=PLAINTEXT://127.0.0.1:{port}"],
                                  env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            assert read_line(broker).startswith(b"ready in ")
            node = type("At", (), {"at": f"127.0.0.1:{port}"})
            out(node, "topic", "create", "t")
            told = json.loads(out(node, "topic", "describe", "t", "-o", "json"))[0]
            assert len(told["partitions"]) == 3, told
            values = {c["name"]: c["value"] for c in told["configs"]}
            assert values.get("retention.ms") == str(72 * 3600 * 1000), values
            assert values.get("max.message.bytes") == "1000", values
        finally:
            broker.send_signal(signal.SIGTERM)
            err = broker.communicate(timeout=WAIT_S)[1].decode()
        assert "ignored: num.network.threads" in err, err
        assert broker.returncode == 0, err


def dev_keeps_its_data_below_the_home_folder(_):
    with tempfile.TemporaryDirectory(prefix="weir-test-") as home:
        environment = {k: v for k, v in os.environ.items() if k != "XDG_DATA_HOME"} | {"HOME": home}
        dev = subprocess.Popen([WEIR, "dev", "--port", "0"], env=environment, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
        line = read_line(dev).decode()
        dev.send_signal(signal.SIGTERM)
        dev.communicate(timeout=WAIT_S)
        assert re.match(rf"ready in \d+ ms  kafka localhost:\d+  data {home}/.local/share/weir/dev\n", line), line


# ---- topics ----

def topics_are_created_listed_and_described(node):
    text = out(node, "topic", "create", "orders", "-p", "3", "-c", "retention.ms=7d", "-c", "segment.bytes=1MiB")
    assert re.match(r"TOPIC +RESULT +PARTITIONS +REPLICAS +ID\norders +created +3 +1 +\S{22}\n$", text), text
    row = json.loads(out(node, "topic", "list", "ord*", "-o", "json"))
    assert [(r["topic"], r["partitions"], r["replicas"]) for r in row] == [("orders", 3, 1)], row
    assert out(node, "topic", "list", "-o", "name") == "orders\n"
    assert out(node, "topic", "list", "nothing*", "-o", "json") == "[]\n"
    rows = list(csv.DictReader(io.StringIO(out(node, "topic", "list", "-o", "csv"))))
    assert rows[0]["topic"] == "orders" and rows[0]["id"] == row[0]["id"], rows
    text = out(node, "topic", "describe", "orders")
    assert text.startswith(f"orders: 3 partitions, 1 replica, id {row[0]['id']}\n"), text
    assert "  retention.ms=604800000 (topic)\n" in text and "  segment.bytes=1048576 (topic)\n" in text, text
    assert re.search(r"^orders +2 +1 +1 +1 +0 +0$", text, re.M), text
    told = json.loads(out(node, "topic", "describe", "orders", "-o", "jsonl"))
    assert [p["partition"] for p in told["partitions"]] == [0, 1, 2] and told["partitions"][0]["isr"] == [1], told


def what_the_server_refuses_is_told_and_counted(node):
    assert "TOPIC_ALREADY_EXISTS" in weir(node, "topic", "create", "orders", expect=REFUSED)[1]
    done, err = weir(node, "topic", "create", "orders", "second", expect=PARTLY)
    assert "second" in done and "orders: TOPIC_ALREADY_EXISTS (36)" in err, (done, err)
    assert "INVALID_CONFIG" in weir(node, "topic", "create", "x", "-c", "retention.ms=soon", expect=REFUSED)[1]
    assert "weir topic create none" in weir(node, "topic", "describe", "none", expect=NOT_FOUND)[1]
    weir(node, "topic", "describe", "none", "orders", expect=PARTLY)


def a_dry_run_changes_nothing(node):
    assert "would be created" in out(node, "topic", "create", "ghost", "--dry-run")
    assert "would grow" in out(node, "topic", "add-partitions", "second", "5", "--dry-run")
    assert out(node, "topic", "delete", "second", "--dry-run") == "second: 1 partition, 0 records\n"
    assert out(node, "topic", "list", "-o", "name") == "orders\nsecond\n"


def topics_grow_but_do_not_shrink(node):
    assert re.search(r"^second +grown +4$", out(node, "topic", "add-partitions", "second", "4"), re.M)
    assert "INVALID_PARTITIONS" in weir(node, "topic", "add-partitions", "second", "2", expect=REFUSED)[1]
    weir(node, "topic", "add-partitions", "second", "many", expect=USAGE)


def deleting_wants_to_be_confirmed(node):
    assert "--yes" in weir(node, "topic", "delete", "second", expect=USAGE)[1]
    assert re.search(r"^second +deleted$", out(node, "topic", "delete", "second", "--yes"), re.M)
    weir(node, "topic", "delete", "second", "--yes", expect=NOT_FOUND)
    assert out(node, "topic", "list", "-o", "name") == "orders\n"


# ---- records ----

def a_single_record_says_where_it_went(node):
    place = murmur2(b"user-1") % 2**31 % 3
    assert out(node, "produce", "orders", "{\"id\":1}", "-k", "user-1", "-H", "trace=abc") == f"orders[{place}] @ 0\n"
    line = json.loads(out(node, "consume", "orders", "-e", "-o", "jsonl"))
    assert abs(line.pop("timestamp") - time.time() * 1000) < 60000, line
    assert line == {"topic": "orders", "partition": place, "offset": 0, "key": "user-1", "value": "{\"id\":1}",
                    "headers": [{"key": "trace", "value": "abc"}]}, line


def keys_land_where_the_java_producer_puts_them(node):
    out(node, "topic", "create", "keys", "-p", "7")
    keys = [f"key-{i}" * (i % 5 + 1) for i in range(100)]
    lines = "".join(json.dumps({"key": k, "value": k}) + "\n" for k in keys)
    assert out(node, "produce", "keys", "--input", "jsonl", stdin=lines.encode()).startswith("100 sent, 0 failed, ")
    for line in out(node, "consume", "keys", "-e", "-o", "%p %k\n").splitlines():
        partition, key = line.split()
        assert int(partition) == murmur2(key.encode()) % 2**31 % 7, line


def lines_are_written_and_read_with(node, codec):
    lines = "".join(f"{codec}-{i}-{'x' * (i % 90)}\n" for i in range(20000))
    out(node, "topic", "create", f"lines-{codec}")
    assert out(node, "produce", f"lines-{codec}", "-z", codec, stdin=lines.encode()).startswith("20000 sent, 0 failed")
    assert out(node, "consume", f"lines-{codec}", "-e") == lines
    assert out(node, "consume", f"lines-{codec}", "--from", "19997", "--to", "19999", "-o", "%o\\n") == "19997\n19998\n"


def acks_one_and_zero_are_taken(node):
    out(node, "topic", "create", "acks")
    assert out(node, "produce", "acks", "one", "--acks", "1") == "acks[0] @ 0\n"
    assert out(node, "produce", "acks", "none", "--acks", "0") == "acks[0] sent\n"
    assert out(node, "consume", "acks", "-n", "2") == "one\nnone\n"


def any_bytes_survive_a_pipe_of_json(node):
    records = [{"key_base64": base64.b64encode(b"\xff\0").decode(), "value": None, "timestamp": 1000, "partition": 1},
               {"key": None, "value": "gr\u00fc\u00df \u20ac \0\n\"", "timestamp": 2000, "partition": 2,
                "headers": [{"key": "a", "value_base64": "/w=="}, {"key": "a", "value": None}]}]
    for topic in ("from", "to"):
        out(node, "topic", "create", topic, "-p", "3")
    out(node, "produce", "from", "--input", "jsonl", stdin="\n".join(map(json.dumps, records)).encode())
    first = out(node, "consume", "from", "-e", "-o", "jsonl")
    out(node, "produce", "to", "--input", "jsonl", stdin=first.encode())
    second = out(node, "consume", "to", "-e", "-o", "jsonl")
    assert second.replace('"topic":"to"', '"topic":"from"') == first, (first, second)
    told = [json.loads(line) for line in first.splitlines()]
    told.sort(key=lambda r: r["timestamp"])
    for sent, got in zip(records, told):
        assert sent.items() - {("headers", None)} <= {**got, "headers": None}.items() if "headers" not in sent else \
            got["headers"] == sent["headers"] and got["value"] == sent["value"], (sent, got)
    assert json.loads(out(node, "consume", "from", "-e", "-o", "json"))[0] == json.loads(first.splitlines()[0])


def a_wrong_line_ends_the_reading_and_keeps_what_came_before(node):
    out(node, "topic", "create", "wrong")
    done, err = weir(node, "produce", "wrong", "--input", "jsonl", stdin=b'{"value":"good"}\n{"vlaue":1}\n{"value":2}\n',
                     expect=PARTLY)
    assert "record 2: a record has no \"vlaue\"" in err and done == "wrong[0] @ 0\n", (done, err)
    assert "has no partition 5: it has 0 to 0" in weir(node, "produce", "wrong", "x", "-p", "5", expect=USAGE)[1]
    assert out(node, "consume", "wrong", "-e") == "good\n"


def a_batch_too_large_for_the_topic_is_cut(node):
    out(node, "topic", "create", "small", "-c", "max.message.bytes=2000")
    lines = "".join(f"{i}-{'y' * 100}\n" for i in range(1000))
    assert out(node, "produce", "small", stdin=lines.encode()).startswith("1000 sent, 0 failed, ")
    assert out(node, "consume", "small", "-e") == lines
    err = weir(node, "produce", "small", "z" * 3000, expect=REFUSED)[1]
    assert "small[0]: MESSAGE_TOO_LARGE" in err, err


def results_of_produce_have_all_forms(node):
    assert json.loads(out(node, "produce", "acks", "a", "b", "-o", "json")) == [
        {"topic": "acks", "partition": 0, "first": 2, "last": 3, "records": 2}]


def lines_leave_as_they_come(node):
    out(node, "topic", "create", "trickle")
    reader, writer = begin(node, "consume", "trickle"), begin(node, "produce", "trickle")
    for word in (b"one\n", b"two\n"):
        writer.stdin.write(word)
        writer.stdin.flush()
        assert read_line(reader) == word
    writer.stdin.write(b"three")
    writer.stdin.close()
    assert read_line(reader) == b"three\n"
    assert writer.wait(timeout=WAIT_S) == OK
    reader.send_signal(signal.SIGINT)
    assert reader.wait(timeout=WAIT_S) == INTERRUPTED
    for process in (reader, writer):
        process.stdout.close()
        process.stderr.close()


def a_stop_signal_sends_what_was_read(node):
    writer = begin(node, "produce", "trickle")
    writer.stdin.write(b"four\n")
    writer.stdin.flush()
    assert out(node, "consume", "trickle", "--from", "3", "-n", "1") == "four\n"
    writer.send_signal(signal.SIGINT)
    assert writer.wait(timeout=WAIT_S) == INTERRUPTED
    for pipe in (writer.stdin, writer.stdout, writer.stderr):
        pipe.close()


def a_broker_that_starts_anew_loses_nobody(node):
    out(node, "topic", "create", "again")
    reader, writer = begin(node, "consume", "again", "-n", "3"), begin(node, "produce", "again")
    for i, word in enumerate((b"one\n", b"two\n", b"three\n")):
        if i == 1:
            node.kill9()
            node.start()
        writer.stdin.write(word)
        writer.stdin.flush()
        assert read_line(reader) == word
    writer.stdin.close()
    assert writer.wait(timeout=WAIT_S) == OK and reader.wait(timeout=WAIT_S) == OK
    assert out(node, "consume", "again", "-e") == "one\ntwo\nthree\n"
    for process in (reader, writer):
        process.stdout.close()
        process.stderr.close()


# ---- positions ----

def positions_are_understood(node):
    out(node, "topic", "create", "places", "-p", "2")
    lines = [json.dumps({"value": f"{p}-{i}", "partition": p, "timestamp": 1000000 + i * 1000})
             for p in (0, 1) for i in range(10)]
    out(node, "produce", "places", "--input", "jsonl", stdin="\n".join(lines).encode())

    def read(*options):
        return out(node, "consume", "places", "-p", "1", "-o", "%o ", *options)

    assert read("-e") == "0 1 2 3 4 5 6 7 8 9 "
    assert read("-e", "--from", "-3") == "7 8 9 "
    assert read("--from", "+3", "--to", "-4") == "3 4 5 "
    assert read("--from", "8", "--to", "end") == "8 9 "
    assert read("--from", "start", "-n", "2") == "0 1 "
    assert read("--from", "@1003500", "--to", "@1006000") == "4 5 "
    assert read("--from", "@1970-01-01T00:16:48Z", "-e") == "8 9 "
    assert read("--from", "@-1m", "-e") == ""
    assert read("--from", "end", "-e") == ""
    assert out(node, "consume", "places", "-e", "-p", "0-1", "-o", "%v\n").count("\n") == 20
    text = out(node, "consume", "places", "-p", "0", "-n", "1", "-o", "%T{iso} %p:%o [%k] %v %s %S %%\\n")
    assert text == "1970-01-01T00:16:40.000Z 0:0 [] 0-0 3 -1 %\n", text
    rows = list(csv.DictReader(io.StringIO(out(node, "consume", "places", "-n", "1", "-p", "1", "-o", "csv"))))
    assert rows == [{"topic": "places", "partition": "1", "offset": "0", "timestamp": "1000000", "key": "",
                     "value": "1-0"}], rows


def an_offset_that_is_not_there_says_what_is(node):
    err = weir(node, "consume", "places", "--from", "1000", "-p", "0", expect=REFUSED)[1]
    assert "places[0]: offset 1000 is not there, the log goes from 0 to 10" in err and "--from 10" in err, err
    assert "it has 0 to 1" in weir(node, "consume", "places", "-p", "2", "-e", expect=NOT_FOUND)[1]


def offsets_are_shown_and_found_by_time(node):
    text = out(node, "offsets", "places")
    assert re.fullmatch(r"TOPIC +PARTITION +START +STABLE +END\nplaces +0 +0 +10 +10\nplaces +1 +0 +10 +10\n", text), text
    text = out(node, "offsets", "places", "--at", "@1005500")
    assert re.search(r"^places +0 +6 +1970-01-01T00:16:46.000Z$", text, re.M), text
    rows = json.loads(out(node, "offsets", "places", "--at", "@-1m", "-o", "json"))
    assert rows == [{"topic": "places", "partition": p, "offset": None, "timestamp": None} for p in (0, 1)], rows
    weir(node, "offsets", "none", expect=NOT_FOUND)
    weir(node, "offsets", "none", "places", expect=PARTLY)


# ---- files ----

def segments(node, topic):
    return sorted(glob.glob(f"{node.data}/data/topics/{topic}/*/*.log"))


def segment_files_are_dumped(node):
    node.stop()
    file = segments(node, "again")[0]
    rows = json.loads(out(None, "log", "dump", file, "-o", "json"))
    assert [r["flags"] for r in rows] == ["internal", None, None, None], rows
    assert [r["base_offset"] for r in rows] == [0, 0, 1, 2] and {r["crc"] for r in rows} == {"ok"}, rows
    assert all(r["base_sequence"] == i for i, r in enumerate(rows[1:])), rows
    rows = json.loads(out(None, "log", "dump", file, "--records", "-o", "json"))
    assert [r["type"] for r in rows] == ["segment header", "record", "record", "record"], rows
    assert [r["value"] for r in rows[1:]] == ["one", "two", "three"] and "partition 0" in rows[0]["value"], rows
    compressed = json.loads(out(None, "log", "dump", segments(node, "lines-zstd")[0], "-o", "json"))
    assert {r["codec"] for r in compressed[1:]} == {"zstd"}, compressed


def metadata_is_dumped_in_words(node):
    rows = json.loads(out(None, "log", "dump", segments(node, "__cluster_metadata")[0], "--records", "-o", "json"))
    topics = [json.loads(r["value"])["name"] for r in rows if r["type"] == "TopicRecord"]
    assert "orders" in topics and "places" in topics, topics
    assert {"PartitionRecord", "ConfigRecord", "RemoveTopicRecord", "ProducerIdsRecord"} <= {r["type"] for r in rows}


def whole_logs_are_found_good(node):
    text = out(None, "log", "verify", f"{node.data}/data")
    assert re.fullmatch(r"\d+ segments, [\d.]+ MiB, 0 bad\n", text), text


def damage_is_found_and_ends_with_seven(node):
    file = segments(node, "lines-none")[0]
    with open(file, "rb") as source:
        good = source.read()
    with tempfile.TemporaryDirectory(prefix="weir-test-") as folder:
        copy = os.path.join(folder, os.path.basename(file))

        def verify(content, expect=CHECK):
            with open(copy, "wb") as target:
                target.write(content)
            return json.loads(out(None, "log", "verify", folder, "-o", "json", expect=expect))

        batches = json.loads(out(None, "log", "dump", file, "-o", "json"))
        assert len(batches) > 2, batches
        at, size = batches[1]["position"], batches[1]["size"]
        assert verify(good, OK) == []
        assert verify(good + bytes(5000), OK) == []
        bad = verify(good[:at + 100] + bytes([good[at + 100] ^ 1]) + good[at + 101:])
        assert [(b["position"], b["bytes"], b["offset"], b["what"]) for b in bad] == [(at, size, 0, "bad checksum")], bad
        bad = verify(good[:at + 8] + b"\xff" + good[at + 9:])  # its length
        assert [(b["position"], b["bytes"], b["what"]) for b in bad] == [(at, size, "not a batch")], bad
        bad = verify(good[:-10])
        assert [b["what"] for b in bad] == ["batch goes on past the end"], bad
        bad = verify(good[:at] + good[at + size:])
        assert [b["what"] for b in bad] == ["offsets are missing"], bad
        bad = verify(good + good[at:at + size])
        assert [b["what"] for b in bad] == ["offset goes back"], bad
        text, err = weir(None, "log", "dump", copy, expect=OK)
        assert text.count("\n") == len(batches) + 2 and err == "", (text, err)
    weir(None, "log", "verify", "/nowhere", expect=NOT_FOUND)
    weir(None, "log", "dump", "/nowhere", expect=NOT_FOUND)


def main():
    tests = Tests()
    for test in (every_command_has_help_and_an_example, without_a_broker_it_says_how_to_start_one,
                 a_mistyped_setting_is_not_taken, file_environment_and_command_line_win_in_this_order,
                 dev_keeps_its_data_below_the_home_folder):
        tests.test(test, ())
    with Node() as node:
        for test in (a_wrong_command_line_is_told_so, topics_are_created_listed_and_described,
                     plurals_and_short_verbs_are_understood, what_the_server_refuses_is_told_and_counted,
                     a_dry_run_changes_nothing, topics_grow_but_do_not_shrink, deleting_wants_to_be_confirmed,
                     a_single_record_says_where_it_went, keys_land_where_the_java_producer_puts_them):
            tests.test(test, node)
        for codec in CODECS:
            tests.test(lines_are_written_and_read_with, node, codec)
        for test in (acks_one_and_zero_are_taken, any_bytes_survive_a_pipe_of_json,
                     a_wrong_line_ends_the_reading_and_keeps_what_came_before, a_batch_too_large_for_the_topic_is_cut,
                     results_of_produce_have_all_forms, lines_leave_as_they_come, a_stop_signal_sends_what_was_read,
                     a_broker_that_starts_anew_loses_nobody, positions_are_understood,
                     an_offset_that_is_not_there_says_what_is, offsets_are_shown_and_found_by_time,
                     segment_files_are_dumped, metadata_is_dumped_in_words, whole_logs_are_found_good,
                     damage_is_found_and_ends_with_seven):
            tests.test(test, node)
    tests.end()


if __name__ == "__main__":
    main()
