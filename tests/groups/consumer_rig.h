/* tests/groups/consumer_rig.h: members of the consumer protocol (KIP-848) in a few words.
 *
 * Group "g". Partitions are of topic "t" and stand as digits: "013"; "" none, "-" (or NULL) not said.
 */
#pragma once

#include "broker/groups/consumer.h"
#include "schema/consumer_group_heartbeat.h"
#include "tests/groups/fake_host.h"

enum { TEN_SECONDS = 10000, SESSION = 45000 };

/* One heartbeat. What is not named is not said; an epoch of 0 joins, with a timeout and with nothing owned. */
struct beat {
    const char *member, *instance, *topic, *regex, *assignor, *rack, *owned;
    const char *group;         /* NULL: "g" */
    int32_t epoch, timeout_ms; /* timeout 0: ten seconds at a join, else not said */
    bool old;                  /* version 0 */
};

struct fake_call *consumer_beat_start(struct fake_host *h, const struct beat *b);
const struct consumer_group_heartbeat_response *consumer_beat(struct fake_host *h,
                                                              const struct beat *b);
#define BEAT(h_, ...) consumer_beat((h_), &(struct beat){__VA_ARGS__})
/* "<epoch> <partitions>" of an answer, or "<error number> <message>" */
struct bytes consumer_said(struct fake_host *h, const struct consumer_group_heartbeat_response *r);
#define CHECK_BEAT(h_, want_, ...) \
    CHECK_BYTES_EQ(consumer_said((h_), BEAT((h_), __VA_ARGS__)), bytes_of(want_))

/* All that ConsumerGroupDescribe shows: "Stable 3/3 a@3 01 -> 01, b@3 23 -> 23". */
struct bytes consumer_shown(struct fake_host *h);

/* A host with a topic "t" of four partitions; targets are computed at once. */
struct fake_host *consumer_host(struct arena *arena);
