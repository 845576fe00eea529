/* tests/sim/group_check_internal.h: the parts of the checker. */
#pragma once

#include "tests/sim/group_check.h"

/* A commit (or deletion: number -1) that the coordinator took. */
struct offset_write {
    int64_t number, end_offset;
    int32_t leader_epoch;
    int64_t wall_ms; /* the earliest the clock has shown since */
    int32_t slot;
    bool maybe;   /* the answer did not say */
    bool stays;   /* it was seen, and a member reads the topic */
    bool by_hand; /* not by a member: it goes when the group has been empty for so long */
};

struct offset_history {
    struct offset_write *at;
    int32_t count, max;
};

struct given {
    char member[GROUP_TEXT_BYTES], instance[24];
    struct bytes assignment;
};

struct generation {
    int32_t number, incarnation;
    int64_t end_offset;
    char leader[GROUP_TEXT_BYTES];
    struct given *given;
    int32_t given_count;
};

struct classic_seen {
    struct generation *at;
    int32_t count, max;
    int32_t incarnation, joined; /* newest generation anybody was told since the start */
    int32_t first, led;          /* the oldest such, and the newest whose leader was told of it */
};

/* A member of the consumer protocol, by its id. */
struct consumer_seen {
    char id[GROUP_TEXT_BYTES], instance[24];
    int32_t group, epoch;
    int32_t before;  /* the epoch before the newest answer */
    int32_t earlier; /* the one before the present one */
    uint32_t names;  /* what it reads */
    uint64_t assigned;
    int32_t since[GROUP_SLOT_COUNT * GROUP_TOPIC_PARTITIONS_MAX]; /* epoch it was given in */
    uint64_t heard_us, revoke_us; /* UINT64_MAX: nothing to give up */
    int64_t end_offset;           /* of the log when all this became so */
    bool out;                     /* left, or thrown out */
};

struct static_member {
    int32_t group;
    char id[GROUP_TEXT_BYTES], instance[24];
};

struct group_check {
    struct group_world *world;
    const struct group_members *members;
    struct group_check_counts counts;
    bool mixed, swept;
    int64_t retention_ms; /* -1: nothing expires */
    uint32_t reads[GROUP_COUNT];
    int64_t wall_ms_max; /* what the clock has shown */
    struct offset_history offsets[GROUP_COUNT][GROUP_TOPIC_COUNT][GROUP_TOPIC_PARTITIONS_MAX];
    struct classic_seen classic[GROUP_COUNT];
    struct consumer_seen *consumers;
    int32_t consumer_count, consumer_max;
    struct static_member *statics;
    int32_t static_count, static_max;
    int32_t static_from; /* those before joined a coordinator that is gone */
    /* Of classic members by number, since the coordinator started: any heartbeat, one that found no rebalance. */
    uint64_t beat_us[GROUP_MEMBER_COUNT_MAX], calm_us[GROUP_MEMBER_COUNT_MAX];
};

/* Grows an array of elements; the new one is cleared. */
void *group_check_grow(void *at, int32_t count, int32_t *max, size_t bytes);
int32_t group_check_group(struct bytes id);

void offsets_check_ran(struct group_check *c, struct group_ask *a);
void offsets_check_cut(struct group_check *c, int64_t end);
void offsets_check_wall(struct group_check *c);
void offsets_check_free(struct group_check *c);

void classic_check_ran(struct group_check *c, struct group_ask *a);
void classic_check_released(struct group_check *c, struct group_ask *a);
void classic_check_cut(struct group_check *c, int64_t end);
void classic_check_free(struct group_check *c);
/* What this member of the classic protocol has, and nobody may take from it now; by name. */
uint64_t classic_check_keeps(const struct group_check *c, const struct group_member *m);

void consumer_check_ran(struct group_check *c, struct group_ask *a);
void consumer_check_released(struct group_check *c, struct group_ask *a);
void consumer_check_cut(struct group_check *c, int64_t end);
struct consumer_seen *consumer_check_find(struct group_check *c, struct bytes id);
