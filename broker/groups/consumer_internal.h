/* broker/groups/consumer_internal.h: what the files of the consumer protocol share.
 *
 * PARTS    A set of partitions: sorted by topic id and number, owned, never changed in place. Those of a member's
 *          assignment carry the member epoch they were given in (KIP-1251), those of a target 0.
 * OWNERS   Who holds a partition: it is in the assignment of that member, or still to be revoked by it. Nobody else
 *          is given it before that is over.
 * MEMBER   Made by the first record that names it; `named` once its metadata came. Between the records of one
 *          operation, and while a compacted log is replayed, there are members without.
 */
#pragma once

#include "broker/groups/assignor.h"
#include "broker/groups/consumer.h"
#include "broker/groups/topic_pattern.h"
#include "schema/consumer_group_heartbeat.h"

enum {
    CONSUMER_MEMBERS_MAX = 100000, /* of one group, beside group.consumer.max.size */
    CONSUMER_REGEX_MAX = 1000,     /* of one group */
    CONSUMER_FIRST_EPOCH = 1,      /* of a group nobody has subscribed in yet */
    EPOCH_JOIN = 0,
    EPOCH_LEAVE = -1,
    EPOCH_LEAVE_STATIC = -2,
};

enum consumer_state { MEMBER_STABLE, MEMBER_UNREVOKED, MEMBER_UNRELEASED };

struct consumer_part {
    struct uuid topic_id;
    int32_t partition;
    int32_t epoch;
};

struct consumer_parts {
    struct consumer_part *at; /* NULL when empty */
    int32_t len;
};

struct consumer_names {
    struct bytes *at; /* one allocation with the text; NULL when empty */
    int32_t len;
};

/* A protocol that a member of the classic protocol offers. */
struct consumer_offer {
    struct bytes name, metadata;
};

struct consumer_member {
    struct map_link by_id, by_instance;
    struct list_link link; /* members, in the order they came */
    struct group *group;
    bool named, instance_linked;
    bool targeted;                               /* there is a record of its target */
    struct bytes id;                             /* owned, as are the next ones */
    struct bytes instance_id, rack_id, assignor; /* null: none */
    struct bytes client_id, client_host, regex;  /* regex "" or null: none */
    struct consumer_names names;                 /* sorted */
    int32_t rebalance_timeout_ms;
    struct consumer_offer *offers; /* not NULL: it speaks the classic protocol */
    int32_t offer_count;
    int32_t session_timeout_ms; /* of the classic protocol */

    int32_t epoch, previous_epoch;
    enum consumer_state state;
    struct consumer_parts assigned, revoking, target;

    struct group_timer session;
    /* Revoking takes too long; classic: it does not join again, or does not ask for its assignment. */
    struct group_timer rebalance;
};

/* A topic name somebody subscribes to. */
struct consumer_topic {
    struct map_link link;
    struct bytes name; /* owned */
    int32_t uses;
};

/* A regular expression somebody subscribes by, and the topics it stands for. */
struct consumer_regex {
    struct map_link link;
    struct bytes text; /* owned */
    int32_t uses;
    bool resolved; /* there is a record of it */
    struct consumer_names topics;
    int64_t version, timestamp;
    struct topic_pattern *pattern; /* NULL: not compiled yet */
};

struct consumer_owner {
    struct map_link link;
    struct uuid topic_id;
    int32_t partition;
    struct consumer_member *member;
};

struct consumer_group {
    struct group *group;
    int32_t epoch, target_epoch;
    int64_t metadata_hash;
    int64_t target_ms;   /* when the target was computed, wall clock; 0: not yet */
    uint64_t target_us;  /* the same on the monotonic clock, since the last load; 0: not yet */
    uint64_t regex_us;   /* when the expressions were resolved last; 0: not yet */
    bool topics_changed; /* the metadata has changed since the hash was computed */
    struct map by_id, by_instance, topics, regexes, owners;
    struct list members;
    int32_t classic_count; /* members of the classic protocol */
    struct group_timer target_timer, regex_timer;
};

/* ---- consumer.c: life, members, sets of partitions ---- */

enum err consumer_new(struct groups *g, struct group *group);
struct consumer_member *consumer_find(const struct groups *g, const struct group *group,
                                      struct bytes id);
struct consumer_member *consumer_find_instance(const struct groups *g, const struct group *group,
                                               struct bytes instance_id);
/* NULL: no memory. */
struct consumer_member *consumer_member_get(struct groups *g, struct group *group, struct bytes id);
void consumer_member_free(struct groups *g, struct consumer_member *m);
static inline bool consumer_member_is_classic(const struct consumer_member *m)
{
    return m->offers != NULL;
}

int consumer_part_compare(const struct consumer_part *a, const struct consumer_part *b);
/* NULL when it is not in the set. */
const struct consumer_part *consumer_parts_find(struct consumer_parts parts, struct uuid topic_id,
                                                int32_t partition);
/* Same partitions? (epochs do not matter) */
bool consumer_parts_equal(struct consumer_parts a, struct consumer_parts b);
/* Takes the place of *old, which is freed. False: no memory. */
bool consumer_parts_copy(struct consumer_parts *old, struct consumer_parts from);
void consumer_parts_free(struct consumer_parts *p);
/* Room for `len` in the arena, not filled; at NULL with len 0 when exhausted. */
struct consumer_parts consumer_parts_new(struct arena *a, int32_t len);
void consumer_parts_sort(struct consumer_parts parts);

bool consumer_names_copy(struct consumer_names *old, const struct bytes *at, int32_t len);
void consumer_names_free(struct consumer_names *n);
/* Sorted, each once; views, in the arena. */
struct consumer_names consumer_names_unique(struct arena *a, const struct bytes *at, int32_t len);
bool consumer_names_has(struct consumer_names n, struct bytes name);

/* NULL: it is free. */
struct consumer_member *consumer_owner_of(const struct groups *g, const struct group *group,
                                          struct uuid topic_id, int32_t partition);
bool consumer_own(struct groups *g, struct consumer_member *m, struct consumer_parts parts);
/* What m owns of these; others' stays. */
void consumer_disown(struct groups *g, struct consumer_member *m, struct consumer_parts parts);

/* ---- consumer_put.c: records ---- */

void consumer_put_epoch(struct groups *g, struct group *group, int32_t epoch, int64_t hash,
                        struct bytes reason);
/* What a member says of itself; names need not be sorted. */
struct consumer_profile {
    struct bytes instance_id, rack_id, client_id, client_host, regex, assignor;
    const struct bytes *names;
    int32_t name_count;
    int32_t rebalance_timeout_ms;
    const struct consumer_offer *offers; /* NULL: not of the classic protocol */
    int32_t offer_count;
    int32_t session_timeout_ms;
};
struct consumer_profile consumer_profile_of(const struct consumer_member *m);
void consumer_put_member(struct groups *g, struct group *group, struct bytes member_id,
                         const struct consumer_profile *p);
void consumer_put_target_epoch(struct groups *g, struct group *group, int32_t epoch, int64_t ms);
void consumer_put_target(struct groups *g, struct group *group, struct bytes member_id,
                         struct consumer_parts target);
struct consumer_current {
    int32_t epoch, previous_epoch;
    enum consumer_state state;
    struct consumer_parts assigned, revoking;
};
void consumer_put_current(struct groups *g, struct group *group, struct bytes member_id,
                          const struct consumer_current *c);
void consumer_put_regex(struct groups *g, struct group *group, struct bytes text,
                        const struct bytes *topics, int32_t count);
/* Tombstones of the three records of a member, which is gone afterwards. */
void consumer_put_member_tombstones(struct groups *g, struct consumer_member *m);
/* The tombstone of an expression nobody subscribes by; `text` is not the copy of a member or of the group. */
void consumer_put_regex_if_unused(struct groups *g, struct group *group, struct bytes text);

/* ---- consumer_target.c: subscriptions and targets ---- */

/* The hash of all subscribed topics by the newest metadata. */
int64_t consumer_hash(struct groups *g, struct group *group);
/* If the member set or what it reads has changed, or topics did: a new group epoch. */
void consumer_bump_if_changed(struct groups *g, struct group *group, bool changed,
                              struct bytes reason);
/* The assignor that most members ask for, else the configured one. */
const struct assignor *consumer_assignor(const struct groups *g, const struct group *group);
/* Do the targets together have as many partitions as are read? */
bool consumer_target_is_whole(struct groups *g, struct group *group);
/* If the target is older than the group and its time has come: computes it. */
void consumer_target_update(struct groups *g, struct group *group);
/* Does the member subscribe to it, by name or expression? False when the topic is gone. */
bool consumer_reads(const struct groups *g, const struct consumer_member *m, struct uuid topic_id);

/* ---- consumer_regex.c: expressions ---- */

/* Resolves what is not resolved, or all if the time has come; may raise the group epoch. */
void consumer_regex_refresh(struct groups *g, struct group *group);
/* The same a moment later, if something is not resolved, or by older metadata (of before a restart). */
void consumer_regex_soon(struct groups *g, struct group *group);
/* Does somebody subscribe by it, and are its topics known? */
bool consumer_regex_is_resolved(const struct group *group, struct bytes text);
/* The names it stands for; none without an expression, or before it was resolved. */
struct consumer_names consumer_regex_topics(const struct consumer_member *m);
/* Does the text parse? INVALID_REGULAR_EXPRESSION with the message in *why. */
enum kafka_error consumer_regex_check(struct groups *g, struct arena *a, struct bytes text,
                                      struct bytes *why);

/* ---- consumer_reconcile.c: from the present assignment to the target ---- */

/* What the member said it owns; at NULL with given false: it did not say. */
struct consumer_owned {
    bool given;
    struct consumer_parts parts; /* sorted */
};
/* One step; writes the new assignment if there is one. `resubscribed`: it has just said that it reads other topics,
 * so what it has of the others goes now, whatever the target says. */
void consumer_reconcile(struct groups *g, struct consumer_member *m, struct consumer_owned owned,
                        bool resubscribed);

/* ---- consumer_leave.c: time-outs and leaving ---- */

int64_t consumer_session_ms(const struct groups *g, const struct group *group);
int64_t consumer_heartbeat_ms(const struct groups *g, const struct group *group);
void consumer_session_start(struct groups *g, struct consumer_member *m);
/* It must join again, or give up something, within its rebalance timeout; not started twice. */
void consumer_rebalance_start(struct groups *g, struct consumer_member *m);
/* While it must revoke; stops it otherwise. */
void consumer_rebalance_watch(struct groups *g, struct consumer_member *m);
/* Out of the group, for this reason. The group may become a classic one again. */
void consumer_remove(struct groups *g, struct consumer_member *m, struct bytes reason);
/* The same for several, in one step. */
void consumer_remove_all(struct groups *g, struct group *group, struct consumer_member **members,
                         int32_t count, struct bytes reason);

/* ---- consumer_join.c: who comes in ---- */

/* An id for a member that has none: a uuid in text. */
struct bytes consumer_new_id(struct groups *g, struct arena *a);

struct consumer_refusal {
    enum kafka_error error; /* NONE: not refused */
    struct bytes message;
};
/* The member of that id and instance that a request is from; made if it may be (`join`). NULL: refused. */
struct consumer_arrival {
    struct bytes member_id, instance_id; /* instance null: none */
    int32_t epoch;
    struct consumer_owned owned;
    bool join;    /* epoch 0 */
    bool classic; /* by JoinGroup: epochs are not looked at */
};
struct consumer_member *consumer_arrive(struct groups *g, struct group *group,
                                        const struct consumer_arrival *a, struct arena *arena,
                                        struct consumer_refusal *why);
/* The member's metadata as given; true: a new epoch is needed. */
bool consumer_profile_set(struct groups *g, struct consumer_member *m,
                          const struct consumer_profile *p);

/* ---- consumer_migrate.c: between the protocols ---- */

/* The classic group becomes one of the consumer protocol, with its members. */
struct consumer_refusal consumer_upgrade(struct groups *g, struct group *group, struct arena *a);
/* Without these, are there members of the classic protocol only, and may the group become theirs? */
bool consumer_may_downgrade(const struct groups *g, const struct group *group,
                            struct consumer_member *const *leaving, int32_t count);
struct consumer_downgrade {
    struct consumer_member *const *leaving; /* who is not in it any more */
    int32_t leaving_count;
    bool stable; /* nothing changes for the others; else they rebalance, for this reason */
    struct bytes reason;
};
/* It becomes a classic group. */
void consumer_downgrade(struct groups *g, struct group *group, const struct consumer_downgrade *d);
/* Partitions as a member of the classic protocol reads them, in the version of its subscription. */
struct bytes consumer_assignment_bytes(struct groups *g, struct arena *a,
                                       struct consumer_parts parts, struct bytes subscription);
/* An empty group changes its type; offsets stay. False: no memory. */
bool consumer_from_empty(struct groups *g, struct group *group);
bool consumer_to_empty_classic(struct groups *g, struct group *group);
