"""Cases: partitions that move between members of a consumer group, step by step; topics that change under it."""
from group_consumer import consumer, describe, owned, owns
from group_lists import SET, alter, configs
from group_records import of_group


def cases():
    yield "Moves: revoked before they are assigned", two_members
    yield "Moves: a member that leaves in the middle", leaves_in_the_middle
    yield "Moves: a member that does not give up in time", rebalance_timeout
    yield "Moves: three members, range", lambda w: three_members(w, "range", "six", "four")
    yield "Moves: three members, uniform", lambda w: three_members(w, "uniform", "six")
    yield "Moves: different subscriptions", different
    yield "Moves: a topic grows", topic_grows
    yield "Moves: a topic is deleted", topic_deleted
    yield "Moves: a topic appears", topic_appears
    yield "Moves: a topic is deleted and made again", topic_again
    yield "Moves: members vote for the assignor", assignor_votes
    yield "Moves: a while between two assignments", interval


def got(w, answer):
    """What was assigned as an argument of the next heartbeat."""
    return [{"topic_id": t["topic_id"], "partitions": t["partitions"]} for t in owned(answer) or []]


def settle(w, *members):
    """Every member does what it is told until nobody is told anything; what they own is written down."""
    was, w.quiet = w.quiet, True
    own = {m: None for m in members}
    for _ in range(12):
        busy = False
        for m in members:
            epoch = m.epoch
            answer = m.pulse(topic_partitions=own[m]) if own[m] is not None else m.pulse()
            busy |= answer["assignment"] is not None or m.epoch != epoch
            own[m] = got(w, answer) if answer["assignment"] is not None else own[m]
        if not busy:
            break
    w.quiet = was
    w.note("settled at", {m.name: m.epoch for m in members})


def two_members(w):
    a, b = consumer(w, "A"), consumer(w, "B")
    first = a.begin(["four"])
    a.pulse(topic_partitions=got(w, first))
    b.begin(["four"])
    describe(w)
    b.pulse(topic_partitions=[])
    less = a.pulse()
    describe(w)
    a.pulse()
    a.pulse(topic_partitions=got(w, first))
    b.pulse()
    a.pulse(topic_partitions=got(w, less))
    describe(w)
    more = b.pulse()
    describe(w)
    b.pulse(topic_partitions=got(w, more))
    a.pulse(), b.pulse()
    describe(w)


def leaves_in_the_middle(w):
    a, b, c = consumer(w, "A"), consumer(w, "B"), consumer(w, "C")
    first = a.begin(["six"])
    a.pulse(topic_partitions=got(w, first))
    b.begin(["six"])
    a.pulse()
    c.begin(["six"])
    describe(w)
    b.pulse(member_epoch=-1)
    a.pulse()
    c.pulse()
    describe(w)
    a.pulse(member_epoch=-1)
    c.pulse()
    describe(w)


def rebalance_timeout(w):
    a, b = consumer(w, "A"), consumer(w, "B")
    a.begin(["four"], rebalance_timeout_ms=1000)
    b.begin(["four"])
    a.pulse()
    described = w.until(lambda: w.server.ask_quietly("consumer_group_describe", 1, group_ids=[w.group])["groups"][0],
                        lambda g: len(g["members"]) == 1, "the end of A")
    w.note("alone", described)
    w.note("listed", [g for g in w.server.ask_quietly("list_groups", 5, states_filter=["assigning"])["groups"]
                      if g["group_id"] == w.group])
    a.pulse()
    b.pulse()
    describe(w)


def three_members(w, assignor, *topics):
    members = [consumer(w, n, server_assignor=assignor) for n in "ABC"]
    for m in members:
        m.begin(topics, server_assignor=assignor)
    for m in members:
        m.fields.pop("server_assignor")
    settle(w, *members)
    describe(w)
    members[1].pulse(member_epoch=-1)
    settle(w, members[0], members[2])
    describe(w)


def different(w):
    """Who gets which is anybody's choice here: how many is compared."""
    a, b, c = consumer(w, "A"), consumer(w, "B"), consumer(w, "C")
    was, w.quiet = w.quiet, True
    a.begin(["six", "one"])
    b.begin(["four", "one"])
    c.begin(["six", "four"])
    w.quiet = was
    settle(w, a, b, c)
    found = w.server.ask_quietly("consumer_group_describe", 1, group_ids=[w.group])["groups"][0]["members"]
    w.note("how many each", sorted(sum(len(t["partitions"]) for t in m["assignment"]["topic_partitions"]) for m in found))
    w.note("all are assigned as was meant", all(m["assignment"] == m["target_assignment"] for m in found))
    w.groups = []


def topic_grows(w):
    topic = w.topic("grows", 2)
    a = consumer(w, "A")
    a.pulse(topic_partitions=got(w, a.begin([topic])))
    w.grow(topic, 4)
    w.until(a.pulse, lambda f: sum(len(t["partitions"]) for t in owned(f) or []) == 4, "four partitions")
    describe(w)


def topic_deleted(w):
    topic = w.topic("goes", 2)
    a = consumer(w, "A")
    first = a.begin([topic, "one"])
    a.pulse(topic_partitions=got(w, first))
    a.commit(9, [(topic, 0, 4), ("one", 0, 5)], generation_id_or_member_epoch=a.epoch)
    w.drop(topic)
    less = w.until(a.pulse, owned, "the smaller assignment")
    describe(w)
    a.pulse(topic_partitions=got(w, less))
    describe(w)
    w.until(lambda: of_group(w.server, w.group), lambda r: any(
        x["type"] == "OffsetCommit" and x["value"] is None for x in r), "the tombstone of the offset")
    a.fetch(9)


def topic_appears(w):
    a = consumer(w, "A")
    a.begin([f"{w.group}-later"])
    describe(w)
    w.topic("later", 2)
    w.until(a.pulse, owned, "the topic")
    describe(w)


def topic_again(w):
    topic = w.topic("again", 2)
    a = consumer(w, "A")
    a.pulse(topic_partitions=got(w, a.begin([topic])))
    w.drop(topic)
    w.topic("again", 3)
    w.until(a.pulse, lambda f: f["assignment"] is not None, "something else")
    settle(w, a)
    describe(w)


def assignor_votes(w):
    a, b, c = consumer(w, "A"), consumer(w, "B"), consumer(w, "C")
    a.begin(["four"], server_assignor="range")
    describe(w)
    b.begin(["four"], server_assignor="range")
    describe(w)
    c.begin(["four"], server_assignor="uniform")
    describe(w)
    a.pulse(server_assignor="uniform")
    describe(w)



def interval(w):
    alter(w, w.group, (SET, "consumer.assignment.interval.ms", "1500"))
    w.until(lambda: configs(w, w.group), lambda c: any(x["value"] == "1500" for x in c["configs"]), "the setting")
    a, b = consumer(w, "A"), consumer(w, "B")
    first = a.begin(["four"])
    a.pulse(topic_partitions=got(w, first))
    b.begin(["four"])
    describe(w)
    a.pulse()
    b.pulse()
    describe(w)
    w.until(b.pulse, lambda f: b.epoch == 3, "the next assignment")
    describe(w)
    a.pulse()
    b.pulse(member_epoch=-1)
    a.pulse()
    describe(w)
