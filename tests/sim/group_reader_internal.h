/* tests/sim/group_reader_internal.h: what group_reader.c and group_reader_member.c share. */
#pragma once

#include "base/arena.h"
#include "schema/errors.h"
#include "tests/sim/group_reader.h"
#include "tests/sim/kafka_link.h"
#include "tests/sim/sim_random.h"

enum group_reader_state { READER_OUT, READER_SYNCING, READER_STABLE };

struct group_reader {
    struct group_reader_options options;
    struct kafka_link link;
    struct env_thread *thread;
    struct sim_random random;
    struct arena arena; /* of one request or response */
    bool asked, found, done, stopping;
    uint64_t wait_us, sleep_us; /* nothing is asked before */

    /* membership */
    enum group_reader_state state;
    char member_id[64];
    int32_t epoch;
    uint64_t heartbeat_us;
    uint32_t owned, target, acked; /* partitions, as bits */
    uint8_t topic_id[16];
    bool leaves_after_commit; /* commit, then join again or give up */

    /* reading */
    int64_t position[NODE_TOPIC_PARTITIONS];  /* -1: to be asked for */
    int64_t committed[NODE_TOPIC_PARTITIONS]; /* by this member */
    int64_t sent[NODE_TOPIC_PARTITIONS];      /* in the commit under way; -1: not in it */
    int64_t floor[NODE_TOPIC_PARTITIONS];     /* acknowledged when the fetch of offsets was sent */
    int32_t next;
    int16_t fetch_version;
};

void group_reader_wrong(struct group_reader *r, const char *what, int64_t a, int64_t b);
void group_reader_send(struct group_reader *r, int16_t api, int16_t version, const void *request);
/* Asks nothing for a little while. */
void group_reader_pause(struct group_reader *r);
/* Owns these now; positions of new ones are to be asked for. */
void group_reader_own(struct group_reader *r, uint32_t partitions);
bool group_reader_must_commit(const struct group_reader *r);

/* group_reader_member.c: asks what membership wants next; false: nothing now. */
bool group_reader_member_step(struct group_reader *r);
/* True when it was an answer of membership. */
bool group_reader_member_answer(struct group_reader *r, const struct kafka_link_waiting *asked,
                                struct bytes body);
void group_reader_member_down(struct group_reader *r);
/* An error of a commit or fetch of offsets that says something about membership. */
void group_reader_member_error(struct group_reader *r, enum kafka_error error, const char *what);
