#!/usr/bin/env python3
"""`weir group ...` against a broker of its own: lists, lag in records and in time, seeking and undoing, deleting, and
what happened. Members are kcat, and Java's console consumer for the newer protocol."""
import csv
import glob
import io
import json
import os
import pathlib
import re
import select
import signal
import subprocess
import tempfile
import time

from node import Node, Tests, WAIT_S, WEIR, missing

OK, REFUSED, USAGE, NOT_FOUND, PARTLY, CHECK, INTERRUPTED = 0, 1, 2, 4, 6, 7, 130
KAFKA = str(pathlib.Path(__file__).resolve().parents[1] / "oracle" / "kafka")
HOUR_MS = 3600000
MANY = 1000


def weir(node, *arguments, stdin=b"", expect=OK):
    """(standard output, standard error) of a command that must end so. It runs in a folder of the node's own."""
    done = subprocess.run([WEIR, *arguments], input=stdin, capture_output=True, timeout=WAIT_S, check=False,
                          env=dict(os.environ, WEIR_BOOTSTRAP=node.at), cwd=node.folder)
    out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    assert done.returncode == expect, f"{arguments}: status {done.returncode}, not {expect}\n{out[-2000:]}\n{err[-2000:]}"
    return out, err


def out(node, *arguments, **how):
    return weir(node, *arguments, **how)[0]


def rows(node, *arguments, **how):
    return json.loads(out(node, *arguments, "-o", "json", **how))


def until(what, *arguments):
    """Waits for something to be true, and gives it."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if found := what(*arguments):
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what.__name__} never came true")


def fill(node, topic, partitions, count, age_ms=0):
    """A topic whose every partition has so many records, a second apart, the last of them so old."""
    out(node, "topic", "create", topic, "-p", str(partitions))
    until(lambda: topic in out(node, "topic", "list", "-o", "name").split())
    now = int(time.time() * 1000) - age_ms
    lines = [json.dumps({"value": str(i), "partition": p, "timestamp": now - (count - 1 - i) * 1000})
             for p in range(partitions) for i in range(count)]
    out(node, "produce", topic, "--input", "jsonl", stdin="\n".join(lines).encode())
    return now


def state(node, group):
    return {r["group"]: r for r in rows(node, "group", "list")}.get(group)


class Member:
    """A member of a classic group, as long as the block."""

    def __init__(self, node, group, topic):
        self.command = ["kcat", "-b", node.at, "-X", "client.id=tester", "-X", "auto.commit.interval.ms=100",
                        "-G", group, topic]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=WAIT_S)


# ---- looking ----

def nothing_is_there_at_first(node):
    assert rows(node, "group", "list") == []
    err = weir(node, "group", "describe", "billing", expect=NOT_FOUND)[1]
    assert "there is no group billing" in err and "weir group list" in err, err
    assert weir(node, "group", "events", "billing", expect=NOT_FOUND)[0] == ""
    weir(node, "group", "lag", "billing", expect=NOT_FOUND)
    weir(node, "group", "seek", "billing", "--to", "start", "--yes", expect=NOT_FOUND)


def a_wrong_command_line_is_told_so(node):
    for arguments, said in [(["group"], "needs one of: list describe members lag seek delete prune events"),
                            (["group", "lag", "--fail-if", "lag"], "is no condition"),
                            (["group", "lag", "--fail-if", "lag>1", "--fail-if", "lag>2"], "one condition"),
                            (["group", "lag", "--fail-if", "lag>soon"], "'soon' is not a number"),
                            (["group", "lag", "--watch=often"], "a time is needed"),
                            (["group", "lag", "--watch", "-o", "json"], "-o jsonl"),
                            (["group", "list", "-r", "("], "not a regular expression"),
                            (["group", "seek", "g"], "--to POSITION or --undo FILE"),
                            (["group", "seek", "g", "--to", "noon"], "is not a position"),
                            (["group", "seek", "g", "--to", "end", "-p", "x"], "names no partitions"),
                            (["group", "seek", "g", "--undo", "f", "-t", "t"], "--undo puts back all"),
                            (["group", "prune", "--older-than", "old"], "a time is needed"),
                            (["topic", "list", "-r", "."], "does not take -r"),
                            (["offsets"], "usage: weir offsets TOPIC"),
                            (["offsets", "-g", "g", "--at", "@1"], "--at and --group")]:
        err = weir(node, *arguments, expect=USAGE)[1]
        assert said in err, (arguments, err)


def a_seek_makes_a_group_and_the_list_shows_it(node):
    node.newest_ms = fill(node, "orders", 3, 100)
    text, err = weir(node, "group", "seek", "billing", "--to", "60", "--topic", "orders", "--yes")
    assert re.fullmatch(r"TOPIC +PARTITION +OLD +NEW +DELTA\n(orders +[012] +- +60 +-\n){3}", text), text
    assert re.search(r"^undo with: weir group seek billing --undo weir-undo-billing-\S+\.jsonl$", err, re.M), err
    text = out(node, "groups", "ls")
    assert re.fullmatch(r"GROUP +TYPE +STATE +MEMBERS +TOPICS +LAG +LAG-TIME +STATUS\n"
                        r"billing +classic +Empty +0 +1 +120 +(39|[45]\d)\.\d s +unread\n", text), text
    row = rows(node, "group", "list", "bil*")[0]
    assert 39000 <= row.pop("lag_ms") < 60000, row
    assert row == {"group": "billing", "type": "classic", "state": "Empty", "members": 0, "topics": 1, "lag": 120,
                   "status": "unread"}, row
    assert out(node, "group", "list", "-r", "^b.l", "-o", "name") == "billing\n"
    assert rows(node, "group", "list", "x*") == []
    weir(node, "group", "list", "nobody", "billing", expect=PARTLY)


def lag_is_shown_in_records_and_in_time(node):
    text = out(node, "group", "lag", "billing", "--interval", "0")
    assert re.fullmatch(r"TOPIC +PARTITION +COMMITTED +END +LAG +LAG-TIME +RATE +TREND +MEMBER +HOST\n"
                        r"(orders +[012] +60 +100 +40 +\d\d\.\d s +- +- +- +-\n){3}"
                        r"total 120, \d\d\.\d s behind\n", text), text
    told = rows(node, "group", "lag", "billing")
    assert [(r["group"], r["partition"], r["committed"], r["end"], r["lag"], r["rate"], r["trend"]) for r in told] == [
        ("billing", p, 60, 100, 40, 0.0, "no commit") for p in range(3)], told
    table = list(csv.DictReader(io.StringIO(out(node, "group", "lag", "-o", "csv"))))
    assert [r["lag"] for r in table] == ["40"] * 3 and table[0]["rate"] == "", table


def a_condition_picks_rows_and_ends_with_seven(node):
    fill(node, "stale", 1, 10, age_ms=HOUR_MS)
    out(node, "group", "seek", "slow", "--to", "5", "--topic", "stale", "--yes")
    text = out(node, "group", "lag", "-r", ".", "--fail-if", "lag_time>60m", expect=CHECK)
    assert re.search(r"^slow +stale +0 +5 +10 +5 +1h00m", text, re.M) and "billing" not in text, text
    assert out(node, "group", "lag", "-r", ".", "--fail-if", "lag_time>2h") == ""
    told = rows(node, "group", "lag", "--fail-if", "lag>39", expect=CHECK)
    assert [r["group"] for r in told] == ["billing"] * 3, told
    assert rows(node, "group", "lag", "billing", "--fail-if", "lag>40") == []


def two_looks_say_when_it_will_be_done(node):
    fill(node, "busy", 1, 2000)
    out(node, "group", "seek", "fast", "--to", "100", "--topic", "busy", "--yes")
    watch = subprocess.Popen([WEIR, "group", "lag", "fast", "--watch=1s"], stdout=subprocess.PIPE,
                             env=dict(os.environ, WEIR_BOOTSTRAP=node.at))
    end, found = 100, None
    while not found and end < 2000:
        assert select.select([watch.stdout], [], [], WAIT_S)[0], "nothing was printed"
        line = watch.stdout.readline().decode()
        if line.startswith("total"):
            found = re.fullmatch(r"total 1 \d{3}, \d+m\d\ds behind, catching up, done in ~\d+( s|m\d\ds)\n", line)
            end += 100
            out(node, "group", "seek", "fast", "--to", str(end), "--yes")
    watch.send_signal(signal.SIGINT)
    assert watch.wait(timeout=WAIT_S) == INTERRUPTED
    watch.stdout.close()
    assert found, "it never caught up"


def time_is_told_for_packed_and_large_batches(node):
    fill(node, "packed", 1, 0)
    now = int(time.time() * 1000)
    lines = [json.dumps({"value": "x" * 3000, "timestamp": now - (100 - i) * 60000}) for i in range(100)]
    out(node, "produce", "packed", "-z", "gzip", "--input", "jsonl", stdin="\n".join(lines).encode())
    for at in (0, 1, 50, 99):
        out(node, "group", "seek", f"packed-{at}", "--to", str(at), "--topic", "packed", "--yes")
    told = {r["group"]: r["lag_ms"] for r in rows(node, "group", "lag", "packed-*")}
    for at in (0, 1, 50, 99):
        age = told[f"packed-{at}"] - (100 - at) * 60000
        assert 0 <= age < 60000, (at, told)


def offsets_show_what_groups_committed(node):
    text = out(node, "offsets", "orders", "--group", "billing")
    assert re.fullmatch(r"TOPIC +PARTITION +START +STABLE +END +GROUP +COMMITTED +LAG\n"
                        r"(orders +[012] +0 +100 +100 +billing +60 +40\n){3}", text), text
    told = rows(node, "offsets", "-g", "billing", "-g", "slow")
    assert [(r["topic"], r["group"], r["committed"], r["lag"]) for r in told if r["partition"] == 0] == [
        ("orders", "billing", 60, 40), ("orders", "slow", None, None), ("stale", "billing", None, None),
        ("stale", "slow", 5, 5)], told
    weir(node, "offsets", "-g", "nobody", expect=NOT_FOUND)


# ---- seeking ----

def committed(node, group):
    return [r["committed"] for r in rows(node, "group", "lag", group, "--interval", "0")]


def every_position_is_understood(node):
    for to, want in [("start", 0), ("end", 100), ("42", 42), ("-10", 90), ("+7", 7), ("100000", 100), ("@-2h", 0),
                     ("@-0s", 100)]:
        plan = rows(node, "group", "seek", "billing", "--to", to, "--topic", "orders", "--dry-run")
        assert [r["new"] for r in plan] == [want] * 3, (to, plan)
    plan = rows(node, "group", "seek", "billing", "--to", f"@{node.newest_ms - 49500}", "--dry-run")
    assert [(r["new"], r["delta"]) for r in plan] == [(50, -10)] * 3, plan
    plan = rows(node, "group", "seek", "billing", "--to", "start", "-t", "orders", "-t", "orders", "--dry-run")
    assert [r["partition"] for r in plan] == [0, 1, 2], plan
    plan = rows(node, "group", "seek", "billing", "--to", "start", "-p", "0,2", "--dry-run")
    assert [r["partition"] for r in plan] == [0, 2], plan
    assert committed(node, "billing") == [60] * 3


def a_seek_can_be_undone(node):
    assert "--yes" in weir(node, "group", "seek", "billing", "--to", "start", expect=USAGE)[1]
    assert committed(node, "billing") == [60] * 3
    err = weir(node, "group", "seek", "billing", "--to", "start", "-p", "1-2", "--yes")[1]
    file = re.search(r"--undo (\S+)", err).group(1)
    assert committed(node, "billing") == [60, 0, 0]
    with open(f"{node.folder}/{file}", encoding="utf-8") as undo:
        assert [json.loads(line) for line in undo] == [
            {"group": "billing", "topic": "orders", "partition": p, "offset": 60, "metadata": ""} for p in (1, 2)]
    assert "of group billing, not of slow" in weir(node, "group", "seek", "slow", "--undo", file, "--yes",
                                                   expect=USAGE)[1]
    text = out(node, "group", "seek", "billing", "--undo", file, "--yes")
    assert re.search(r"^orders +1 +0 +60 +60$", text, re.M), text
    assert committed(node, "billing") == [60] * 3
    with open(f"{node.folder}/wrong", "w", encoding="utf-8") as wrong:
        wrong.write('{"group":"billing","topic":"orders","partition":0,"ofset":1}\n')
    assert 'line 1: there is no "ofset"' in weir(node, "group", "seek", "billing", "--undo", "wrong", "--yes",
                                                 expect=REFUSED)[1]
    weir(node, "group", "seek", "billing", "--undo", "nowhere", "--yes", expect=NOT_FOUND)


def undoing_a_first_commit_takes_it_away(node):
    err = weir(node, "group", "seek", "brief", "--to", "start", "--topic", "orders", "--yes")[1]
    out(node, "group", "seek", "brief", "--undo", re.search(r"--undo (\S+)", err).group(1), "--yes")
    assert rows(node, "group", "lag", "-r", "^brief$") == []


def a_name_may_be_anything(node):
    for name in ("odd 'name'", "-n", "\x1b[31mred", "two\nlines", "größe", "all*"):
        err = weir(node, "group", "seek", "--to", "start", "--topic", "orders", "--yes", "--", name)[1]
        assert "\x1b" not in err and err.count("\n") == 1, err
        undo = err.removeprefix("undo with: ")
        if name.isprintable():  # the line can be given to a shell
            subprocess.run(undo.strip().replace("weir", WEIR, 1) + " --yes" if name != "-n" else
                           undo.strip().replace("weir", WEIR, 1).replace(" -- ", " --yes -- "), shell=True, check=True,
                           cwd=node.folder, env=dict(os.environ, WEIR_BOOTSTRAP=node.at), capture_output=True)
            weir(node, "group", "seek", "--to", "start", "--topic", "orders", "--yes", "--", name)
        for verb in ("list", "describe", "lag", "members", "events"):
            text = out(node, "group", verb, "--", name)
            assert "\x1b" not in text and "two\nlines" not in text, text
        told = json.loads(out(node, "group", "describe", "-o", "json", "--", name))
        assert [r["group"] for r in told] == [name], told
    assert "\\x1b[31mred " in out(node, "group", "list") and "two\\x0alines " in out(node, "group", "list")


def a_group_that_is_named_like_a_pattern_goes_alone(node):
    out(node, "group", "seek", "allies", "--to", "start", "--topic", "orders", "--yes")
    assert out(node, "group", "delete", "all*", "--yes", "-o", "name") == "all*\n"
    assert out(node, "group", "delete", "all*", "--yes", "-o", "name") == "allies\n"
    names = out(node, "group", "describe", "-r", "odd|^-n|red|two|gr", "-o", "name")
    assert len(names.splitlines()) == 6, names
    out(node, "group", "delete", "--yes", "--", "odd 'name'", "-n", "\x1b[31mred", "two\nlines", "größe")


def help_is_there_for_a_noun(node):
    text = out(node, "group", "--help")
    assert "weir group seek GROUP\n" in text and "weir group members [GROUP...]\n" in text, text
    assert out(node, "groups", "-h") == text


def more_committed_than_there_is_is_told(node):
    with open(f"{node.folder}/past", "w", encoding="utf-8") as undo:
        for partition, offset in ((0, 101), (1, 100)):
            undo.write(json.dumps({"group": "lost", "topic": "orders", "partition": partition, "offset": offset}) + "\n")
    out(node, "group", "seek", "lost", "--undo", "past", "--yes")
    told = rows(node, "group", "lag", "lost", "--interval", "0")
    assert [(r["lag"], r["trend"]) for r in told] == [(0, "past the end"), (0, "caught up")], told
    assert state(node, "lost")["status"] == "past end"
    out(node, "group", "delete", "lost", "--yes")


# ---- members ----

def members_are_shown_with_their_partitions(node):
    with Member(node, "billing", "orders"):
        until(lambda: (state(node, "billing") or {}).get("state") == "Stable")
        until(lambda: committed(node, "billing") == [100] * 3)
        row = state(node, "billing")
        assert (row["members"], row["lag"], row["lag_ms"], row["status"]) == (1, 0, 0, "ok"), row
        text = out(node, "group", "members", "billing")
        assert re.fullmatch(r"MEMBER +INSTANCE +CLIENT +HOST +EPOCH +PARTITIONS +TARGET\n"
                            r"tester-\S+ +- +tester +/127\.0\.0\.1 +- +orders\[0-2\] +-\n", text), text
        text = out(node, "group", "describe", "billing")
        assert text.startswith("billing: classic, Stable, 1 member, coordinator 1\n  protocol consumer\n"), text
        told = rows(node, "group", "describe", "billing")[0]
        assert told["assignor"] == "range" and len(told["offsets"]) == 3 and told["lag"] == 0, told
        assert told["members"][0]["partitions"] == [{"topic": "orders", "partition": p} for p in range(3)], told
        assert {o["member"] for o in told["offsets"]} == {told["members"][0]["member"]}, told
        text = out(node, "group", "lag", "billing", "--interval", "0")
        assert re.search(r"^orders +2 +100 +100 +0 +0 ms +- +caught up +tester-\S+ +/127\.0\.0\.1$", text, re.M), text
        assert text.endswith("total 0, caught up\n"), text


def nothing_is_moved_or_deleted_under_a_member(node):
    with Member(node, "billing", "orders"):
        until(lambda: (state(node, "billing") or {}).get("members") == 1)
        before = sorted(glob.glob(f"{node.folder}/weir-undo*"))
        text, err = weir(node, "group", "seek", "billing", "--to", "@-2h", "--topic", "orders", "--yes", expect=REFUSED)
        assert "PARTITION" in text and "DELTA" in text, text
        assert "billing has 1 active member on 127.0.0.1: stop them" in err, err
        assert sorted(glob.glob(f"{node.folder}/weir-undo*")) == before
        err = weir(node, "group", "seek", "billing", "--to", "start", "--dry-run")[1]
        assert "1 active member on 127.0.0.1" in err, err
        err = weir(node, "group", "delete", "billing", "--yes", expect=REFUSED)[1]
        assert "NON_EMPTY_GROUP" in err and "1 active member on 127.0.0.1: stop them first" in err, err
        err = weir(node, "group", "delete", "billing", "--topic", "orders", "--yes", expect=REFUSED)[1]
        assert "GROUP_SUBSCRIBED_TO_TOPIC" in err, err
    until(lambda: state(node, "billing")["state"] == "Empty")


def events_tell_who_came_and_went(node):
    fill(node, "lately", 2, 1)
    with Member(node, "party", "lately"):
        until(lambda: (state(node, "party") or {}).get("state") == "Stable")
        with Member(node, "party", "lately"):
            until(lambda: (state(node, "party") or {}).get("members") == 2 and state(node, "party")["state"] == "Stable")
        until(lambda: state(node, "party")["members"] == 1 and state(node, "party")["state"] == "Stable")
    until(lambda: state(node, "party")["state"] == "Empty")
    told = rows(node, "group", "events", "party", "-n", "1000")
    kinds = [e["event"] for e in told]
    assert kinds.count("joined") == 2 and kinds.count("left") == 2 and kinds[-1] == "empty", told
    assert kinds.count("rebalanced") >= 3, told
    assert [e["epoch"] for e in told] == sorted(e["epoch"] for e in told), told
    joined = [e for e in told if e["event"] == "joined"]
    assert all(e["client"] == "tester" and e["host"] == "/127.0.0.1" for e in joined), joined
    assert all(abs(e["time"] - time.time() * 1000) < 60000 for e in told), told
    text = out(node, "group", "events", "party", "-n", "1")
    assert re.fullmatch(r"TIME +EVENT +EPOCH +MEMBERS +MEMBER +CLIENT +HOST +PAUSE +REASON\n\S+Z +empty .*\n", text), text


def rebalances_say_why_and_how_long(node):
    told = [e for e in rows(node, "group", "events", "party", "-n", "1000") if e["event"] == "rebalanced"]
    assert all(e["reason"] for e in told), told
    assert all(isinstance(e["pause_ms"], int) and e["pause_ms"] >= 0 for e in told), told


def kafka(node, name, *arguments):
    done = subprocess.run([KAFKA, "run", name, "--bootstrap-server", node.at, *arguments], capture_output=True,
                          timeout=WAIT_S, check=False, text=True)
    assert done.returncode == 0, f"{name} {arguments}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def kafkas_tool_shows_the_same(node):
    out(node, "group", "seek", "shared", "--to", "50", "--topic", "orders", "--yes")
    with Member(node, "shared", "orders"):
        until(lambda: (state(node, "shared") or {}).get("state") == "Stable")
        until(lambda: committed(node, "shared") == [100] * 3)
        for group in ("shared", "billing"):
            text = kafka(node, "consumer-groups", "--describe", "--group", group)
            theirs = [line.split()[1:6] for line in text.splitlines() if line.startswith(group)]
            ours = [[r["topic"], *(str(r[k]) for k in ("partition", "committed", "end", "lag"))]
                    for r in rows(node, "group", "lag", group, "--interval", "0")]
            assert ours and sorted(theirs) == ours, (text, ours)
        text = kafka(node, "consumer-groups", "--describe", "--group", "shared", "--members")
        member = rows(node, "group", "members", "shared")[0]
        assert re.search(rf"^shared +{re.escape(member['member'])} +/127.0.0.1 +tester +3", text, re.M), text


def the_newer_protocol_is_shown(node):
    consumer = subprocess.Popen(
        [KAFKA, "run", "console-consumer", "--bootstrap-server", node.at, "--topic", "orders", "--group", "modern",
         "--from-beginning", "--command-property", "group.protocol=consumer", "--command-property",
         "auto.commit.interval.ms=100"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        until(lambda: (state(node, "modern") or {}).get("lag") == 0)
        row = state(node, "modern")
        assert (row["type"], row["state"], row["members"], row["status"]) == ("consumer", "Stable", 1, "ok"), row
        member = rows(node, "group", "members", "modern")[0]
        assert member["partitions"] == member["target"] == "orders[0-2]" and member["epoch"] >= 1, member
        told = rows(node, "group", "describe", "modern")[0]
        assert told["assignor"] == "uniform" and told["epoch"] == told["assignment_epoch"] >= 1, told
        assert told["members"][0]["topics"] == ["orders"], told
    finally:
        os.killpg(consumer.pid, signal.SIGTERM)
        consumer.wait(timeout=WAIT_S)
    until(lambda: state(node, "modern")["state"] == "Empty")
    kinds = [e["event"] for e in rows(node, "group", "events", "modern")]
    assert kinds[0] == "joined" and "rebalanced" in kinds and kinds[-2:] == ["left", "empty"], kinds
    out(node, "group", "seek", "modern", "--to", "10", "--yes")
    assert committed(node, "modern") == [10] * 3


# ---- the end of groups ----

def groups_and_their_commits_are_deleted(node):
    text = out(node, "group", "delete", "slow", "--dry-run")
    assert text == "slow: classic, Empty, 1 committed offset\n", text
    assert "--yes" in weir(node, "group", "delete", "slow", expect=USAGE)[1]
    text = out(node, "group", "delete", "slow", "--yes")
    assert re.search(r"^slow +deleted$", text, re.M), text
    weir(node, "group", "delete", "slow", "--yes", expect=NOT_FOUND)
    for topic in ("orders", "stale"):
        out(node, "group", "seek", "both", "--to", "start", "--topic", topic, "--yes")
    text = out(node, "group", "delete", "both", "--topic", "orders", "--yes")
    assert len(re.findall(r"^both +orders +[012] +deleted$", text, re.M)) == 3, text
    assert [r["topic"] for r in rows(node, "group", "lag", "both", "--interval", "0")] == ["stale"]
    weir(node, "group", "delete", "both", "slow", "--yes", expect=PARTLY)


def prune_takes_what_nobody_misses(node):
    fill(node, "doomed", 1, 1)
    out(node, "group", "seek", "orphan", "--to", "start", "--topic", "doomed", "--yes")
    names = set(out(node, "group", "list", "-o", "name").split())
    assert rows(node, "group", "prune", "--older-than", "1h") == []
    told = rows(node, "group", "prune", "--older-than", "0s", "--dry-run", "pack*")
    assert [r["why"] for r in told] == ["no sign of life"] * 4, told
    assert all(abs(r["last_sign"] - time.time() * 1000) < 600000 for r in told), told
    assert "--yes" in weir(node, "group", "prune", "--older-than", "0s", "pack*", expect=USAGE)[1]
    assert set(out(node, "group", "list", "-o", "name").split()) == names
    text = out(node, "group", "prune", "--older-than", "0s", "pack*", "--yes")
    assert text.count("deleted") == 4, text
    assert set(out(node, "group", "list", "-o", "name").split()) == names - {r["group"] for r in told}


# ---- many ----

def a_thousand_groups_are_quick(node):
    fill(node, "crowd", 1, 100)
    commit = [f"many-{i}" for i in range(MANY)]
    for first in range(0, MANY, 8):
        running = [subprocess.Popen([WEIR, "group", "seek", name, "--to", str(i % 100), "--topic", "crowd", "--yes"],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=node.folder,
                                    env=dict(os.environ, WEIR_BOOTSTRAP=node.at))
                   for i, name in enumerate(commit[first:first + 8], first)]
        assert [p.wait(timeout=WAIT_S) for p in running] == [OK] * len(running)
    best = WAIT_S
    for _ in range(3):
        begun = time.monotonic()
        told = rows(node, "group", "lag", "many-*")
        best = min(best, time.monotonic() - begun)
    assert len(told) == MANY, len(told)
    for row in told:
        i = int(row["group"].split("-")[1])
        assert row["lag"] == 100 - i % 100 and row["lag_ms"] >= (99 - i % 100) * 1000, row
    limit = 0.2 if "release" in WEIR else 2  # sanitizers take their time
    assert best < limit, f"{best:.3f} s"


def everything_is_there_after_kill_9(node):
    before = rows(node, "group", "lag", "-r", ".")
    node.kill9()
    node.start()
    after = rows(node, "group", "lag", "-r", ".")
    assert [(r["group"], r["topic"], r["partition"], r["committed"]) for r in before] == [
        (r["group"], r["topic"], r["partition"], r["committed"]) for r in after]


def main():
    tests = Tests()
    with Node() as node, tempfile.TemporaryDirectory(prefix="weir-test-") as folder:
        node.folder = folder
        for function in (nothing_is_there_at_first, a_wrong_command_line_is_told_so,
                         a_seek_makes_a_group_and_the_list_shows_it, lag_is_shown_in_records_and_in_time,
                         a_condition_picks_rows_and_ends_with_seven, two_looks_say_when_it_will_be_done,
                         time_is_told_for_packed_and_large_batches, offsets_show_what_groups_committed,
                         every_position_is_understood, a_seek_can_be_undone, undoing_a_first_commit_takes_it_away,
                         a_name_may_be_anything, a_group_that_is_named_like_a_pattern_goes_alone, help_is_there_for_a_noun,
                         more_committed_than_there_is_is_told):
            tests.test(function, node)
        if missing("kcat"):
            tests.skip("members", "kcat is not installed")
        else:
            for function in (members_are_shown_with_their_partitions, nothing_is_moved_or_deleted_under_a_member,
                             events_tell_who_came_and_went, rebalances_say_why_and_how_long):
                tests.test(function, node)
        if missing("java", "mvn", "kcat") or subprocess.run([KAFKA, "get"], capture_output=True, check=False).returncode:
            tests.skip("Kafka's tools, the newer protocol", "they are not there")
        else:
            for function in (kafkas_tool_shows_the_same, the_newer_protocol_is_shown):
                tests.test(function, node)
        for function in (groups_and_their_commits_are_deleted, prune_takes_what_nobody_misses,
                         a_thousand_groups_are_quick, everything_is_there_after_kill_9):
            tests.test(function, node)
    tests.end()


main()
