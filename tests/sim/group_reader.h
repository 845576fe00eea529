/* tests/sim/group_reader.h: a member of a group at a whole broker: it reads what writers write and commits how far
 * it got, with the bytes of real clients over simulated sockets. And what all members of the group know together.
 *
 * TALLY    Per partition: which offsets were delivered to anybody, what commit was last acknowledged, and which
 *          commits are in doubt (sent, and the answer never came).
 * WRONG    A committed offset behind the last acknowledged one (unless it is one in doubt), or ahead of what was
 *          delivered: records that the group would skip. Gaps in what is read. Answers no client should see.
 */
#pragma once

#include "base/arena.h"
#include "tests/sim/node_clients.h"

enum { GROUP_DOUBT_MAX = 256 };

struct group_tally_partition {
    bool delivered[NODE_READER_VALUES_MAX];
    int64_t prefix;    /* 0 .. prefix-1 were delivered */
    int64_t committed; /* last acknowledged, 0: none */
    int64_t doubt[GROUP_DOUBT_MAX];
    int32_t doubt_count;
};

struct group_tally {
    struct group_tally_partition partitions[NODE_TOPIC_PARTITIONS];
    bool trouble; /* members may sleep too long */
    uint64_t commits, rounds;
    const char *wrong; /* NULL: nothing */
    char wrong_text[200];
};

struct group_reader;

struct group_reader_options {
    const char *server;
    uint16_t port;
    int32_t id;
    bool consumer; /* the consumer protocol */
    bool observe;  /* no member: it looks once what is committed */
    uint64_t seed;
    struct group_tally *tally;
};

struct group_reader *group_reader_new(struct env *e, const struct group_reader_options *options);
/* Its process dies. */
void group_reader_free(struct group_reader *r);
/* The observer has seen all. */
bool group_reader_done(const struct group_reader *r);
/* For people: state, epoch and the like. */
struct bytes group_reader_note(const struct group_reader *r, struct arena *a);
