"""Cases out of chance: a seed is a script of consumer members and offsets that nobody would write down.

The assignor is range, whose choice does not depend on the order of members. What a member does next depends on the seed and on
what it was told, so two servers stay together until their first difference. WEIR_ORACLE_SEEDS=100 plays so many.
"""
import os
import random

from group_consumer import IDS, consumer, describe
from group_moves import got
from group_offsets import delete

SEEDS = int(os.environ.get("WEIR_ORACLE_SEEDS", "12"))
STEPS = 80
TOPICS = ("one", "four", "six")
NAMES = "ABCDE"  # one more than group.consumer.max.size
INSTANCES = {"D": "d", "E": "d"}


def cases():
    for seed in range(SEEDS):
        yield f"Random: seed {seed}", lambda w, s=seed: Script(w, s).play()


class Script:
    def __init__(self, world, seed):
        self.world, self.chance = world, random.Random(seed)
        self.members = [self.member(n) for n in NAMES]
        self.told = {m: [] for m in self.members}
        self.before = {m: 0 for m in self.members}

    def member(self, name):
        fixed = {"instance_id": INSTANCES[name]} if name in INSTANCES else {}
        return consumer(self.world, name, **fixed)

    def play(self):
        steps = (self.begin, self.begin, self.say_nothing, self.acknowledge, self.acknowledge, self.acknowledge, self.own_some,
                 self.wrong_epoch, self.leave, self.resubscribe, self.full, self.commit, self.commit, self.fetch, self.forget,
                 self.describe)
        for _ in range(STEPS):
            step, member = self.chance.choice(steps), self.chance.choice(self.members)
            if member.epoch <= 0 and self.chance.random() < 0.6:
                step = self.begin
            step(member)
        describe(self.world)

    def pulse(self, member, **fields):
        epoch = member.epoch
        answer = member.pulse(**fields)
        if answer and answer["assignment"] is not None:
            self.told[member] = got(self.world, answer)
        if member.epoch != epoch:
            self.before[member] = epoch

    def topics(self):
        return self.chance.sample(TOPICS, self.chance.randint(1, len(TOPICS)))

    def begin(self, member):
        self.told[member] = []
        self.pulse(member, member_epoch=0, rebalance_timeout_ms=60000, topic_partitions=[], server_assignor="range",
                   subscribed_topic_names=self.topics())

    def say_nothing(self, member):
        self.pulse(member)

    def acknowledge(self, member):
        self.pulse(member, topic_partitions=self.told[member])

    def own_some(self, member):
        some = [{"topic_id": t["topic_id"], "partitions": [p for p in sorted(t["partitions"]) if self.chance.random() < 0.5]}
                for t in sorted(self.told[member], key=lambda t: self.world.names.topics[t["topic_id"]])]
        self.pulse(member, topic_partitions=some)

    def wrong_epoch(self, member):
        epoch = self.chance.choice((member.epoch + 1, member.epoch - 1, self.before[member], 1))
        self.pulse(member, member_epoch=max(epoch, 1), topic_partitions=self.told[member])

    def leave(self, member):
        self.pulse(member, member_epoch=-2 if member.name in INSTANCES and self.chance.random() < 0.7 else -1)

    def resubscribe(self, member):
        self.pulse(member, subscribed_topic_names=self.topics(), topic_partitions=self.told[member])

    def full(self, member):
        self.pulse(member, rebalance_timeout_ms=60000, subscribed_topic_names=self.topics(), server_assignor="range",
                   topic_partitions=self.told[member])

    def commit(self, member):
        epoch = self.chance.choice((member.epoch, member.epoch, self.before[member], member.epoch + 1, -1))
        topic = self.chance.choice(TOPICS)
        member.commit(self.chance.choice((9, 9, 10, 7)), [(topic, self.chance.randint(0, 6), self.chance.randint(0, 99))],
                      generation_id_or_member_epoch=epoch, member_id=self.chance.choice((member.id, member.id, "", IDS["A"])))

    def fetch(self, member):
        member.fetch(9)

    def forget(self, _):
        delete(self.world, (self.chance.choice(TOPICS), [self.chance.randint(0, 3)]))

    def describe(self, _):
        describe(self.world)
