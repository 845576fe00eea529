/* tests/groups/consumer_random_test.c: members that come, go, lag behind and lose answers by chance, against the
 * one promise: nobody reads what somebody else still reads; and when all is quiet, everything is read.
 */
#include "tests/groups/consumer_rig.h"

#include <stdio.h>

enum { MEMBERS = 6, STEPS = 250, RUNS = 12, SETTLE_ROUNDS = 40 };

/* A client as Kafka's is: it lets go before it says so, and reads what is new after that. */
struct client {
    char id[8];
    int32_t epoch;
    uint32_t reads; /* a bit per partition */
    bool joined;
};

struct world {
    struct fake_host *h;
    struct client clients[MEMBERS];
    int32_t partitions;
};

static uint32_t bits_of(const struct consumer_group_heartbeat_response_assignment *a)
{
    uint32_t bits = 0;

    for (int32_t i = 0; i < a->topic_partitions.len; i++) {
        for (int32_t k = 0; k < a->topic_partitions.at[i].partitions.len; k++) {
            bits |= 1u << a->topic_partitions.at[i].partitions.at[k];
        }
    }
    return bits;
}

static const char *digits_of(struct world *w, uint32_t bits)
{
    struct bytes text = BYTES("");

    for (int i = 0; i < w->partitions; i++) {
        if ((bits & (1u << i)) != 0) {
            text = arena_format(w->h->arena, "%.*s%d", BYTES_ARG(text), i);
        }
    }
    return (const char *)arena_format(w->h->arena, "%.*s%c", BYTES_ARG(text), 0).at;
}

static void nobody_shares(const struct world *w)
{
    uint32_t all = 0;

    for (int i = 0; i < MEMBERS; i++) {
        CHECK_SAYS((all & w->clients[i].reads) == 0, "partitions %x have two readers",
                   all & w->clients[i].reads);
        all |= w->clients[i].reads;
    }
}

static void join(struct world *w, struct client *c)
{
    c->reads = 0;
    const struct consumer_group_heartbeat_response *r = BEAT(w->h, .member = c->id, .topic = "t");
    CHECK_EQ(r->error_code, KAFKA_NONE);
    c->epoch = r->member_epoch;
    c->joined = true;
    c->reads = bits_of(r->assignment);
}

static void beat(struct world *w, struct client *c, bool says_owned, bool loses_answer)
{
    const struct consumer_group_heartbeat_response *r =
        BEAT(w->h, .member = c->id, .epoch = c->epoch,
             .owned = says_owned ? digits_of(w, c->reads) : NULL);

    if (loses_answer) {
        return;
    }
    if (r->error_code != KAFKA_NONE) {
        CHECK_EQ(r->error_code, KAFKA_FENCED_MEMBER_EPOCH);
        join(w, c);
        return;
    }
    c->epoch = r->member_epoch;
    if (r->assignment != NULL) {
        c->reads = bits_of(r->assignment);
    }
}

/* It joins again and reads nothing meanwhile. */
static void leave(struct world *w, struct client *c)
{
    c->reads = 0;
    CHECK_EQ(BEAT(w->h, .member = c->id, .epoch = -1)->error_code, KAFKA_NONE);
    c->joined = false;
}

static void full_beat(struct world *w, struct client *c)
{
    const struct consumer_group_heartbeat_response *r =
        BEAT(w->h, .member = c->id, .epoch = c->epoch, .topic = "t", .timeout_ms = TEN_SECONDS,
             .owned = digits_of(w, c->reads));

    if (r->error_code != KAFKA_NONE) {
        CHECK_EQ(r->error_code, KAFKA_FENCED_MEMBER_EPOCH);
        join(w, c);
        return;
    }
    c->epoch = r->member_epoch;
    c->reads = bits_of(r->assignment);
}

static void step(struct world *w)
{
    struct client *c = &w->clients[test_random_below(MEMBERS)];
    uint64_t what = test_random_below(20);

    if (!c->joined) {
        join(w, c);
    } else if (what == 0) {
        leave(w, c);
    } else if (what == 1) {
        join(w, c);
    } else if (what == 2 && w->partitions < 10) {
        fake_topic(w->h, "t", ++w->partitions);
    } else if (what == 3) {
        struct bytes before = consumer_shown(w->h);

        fake_restart(w->h);
        CHECK_BYTES_EQ(consumer_shown(w->h), before);
    } else if (what == 4) {
        full_beat(w, c);
    } else {
        beat(w, c, what < 15, what == 5);
    }
}

static void all_is_read_in_the_end(struct world *w)
{
    uint32_t all = 0;

    for (int round = 0; round < SETTLE_ROUNDS; round++) {
        struct client *c = &w->clients[round % MEMBERS];

        if (!c->joined) {
            join(w, c);
        }
        full_beat(w, c);
        full_beat(w, c);
        nobody_shares(w);
    }
    for (int i = 0; i < MEMBERS; i++) {
        all |= w->clients[i].reads;
    }
    CHECK_EQ(all, (1u << w->partitions) - 1);
    CHECK_BYTES_EQ(bytes_slice(consumer_shown(w->h), 0, 6), BYTES("Stable"));
}

TEST(a_partition_never_has_two_readers_and_in_the_end_has_one)
{
    for (int run = 0; run < RUNS; run++) {
        struct world w = {.h = consumer_host(arena), .partitions = 4};

        for (int i = 0; i < MEMBERS; i++) {
            (void)snprintf(w.clients[i].id, sizeof(w.clients[i].id), "m%d", i);
        }
        for (int i = 0; i < STEPS; i++) {
            step(&w);
            nobody_shares(&w);
        }
        all_is_read_in_the_end(&w);
        fake_host_end(w.h);
    }
}
