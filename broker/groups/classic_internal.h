/* broker/groups/classic_internal.h: what the files of the classic protocol share.
 *
 * MEMBER   In classic_group.members, in the order of joining, or in .pending: it was given an id and has not come
 *          back with it. Both are found by id. At most one call of a member waits in it, JoinGroup or SyncGroup.
 * OFFERS   The protocols a member can take, in its order of preference, each with its metadata. Names are kept once
 *          per group, with the number of members that offer them: so a joiner is judged without a look at others.
 * TIMERS   One per member, its session, which runs always; one per group, which runs out when a generation has
 *          waited long enough: in PreparingRebalance for JoinGroup, then, in Stable as well, for SyncGroup.
 */
#pragma once

#include "broker/groups/classic.h"
#include "schema/heartbeat.h"
#include "schema/join_group.h"
#include "schema/leave_group.h"
#include "schema/sync_group.h"

enum {
    /* Members of one group, and ids given out that nobody has joined with: whoever comes then is told
     * GROUP_MAX_SIZE_REACHED, as with group.max.size. */
    CLASSIC_MEMBERS_MAX = 100000,
    CLASSIC_PENDING_MAX = 100000,
    /* The GroupMetadata record: assignments that make it larger are refused. Kafka refuses what is larger than
     * the topic's max.message.bytes, 1 MiB if nobody changed it. */
    CLASSIC_RECORD_BYTES_MAX = 16 << 20,
    /* Protocols that a member may offer, and bytes of metadata of all members: whoever brings more has nothing in
     * common with the group. Clients offer a handful, and what is chosen of them has to fit the record. */
    CLASSIC_OFFERS_MAX = 1000,
    CLASSIC_OFFER_BYTES_MAX = 4 * CLASSIC_RECORD_BYTES_MAX,
    /* Of a client id or instance id in the ids we make of it: an id has to fit a string of the protocol. */
    CLASSIC_ID_PREFIX_BYTES_MAX = INT16_MAX - 64,
    /* Why a rebalance happened, as kept and written. */
    CLASSIC_REASON_BYTES_MAX = 512,
    /* A new member's JoinGroup waits so long at most: it cannot send heartbeats while it does not know its id. */
    CLASSIC_NEW_MEMBER_MS = 5 * 60 * 1000,
};

static_assert((int)CLASSIC_RECORD_BYTES_MAX < (int)GROUPS_BATCH_BYTES_MAX,
              "a generation is one batch");

enum classic_state { CLASSIC_EMPTY, CLASSIC_PREPARING, CLASSIC_COMPLETING, CLASSIC_STABLE };

/* The name of a protocol that members offer, "range". */
struct classic_protocol {
    struct map_link link; /* classic_group.protocols */
    struct bytes name;    /* owned */
    int32_t members;      /* that offer it */
    int32_t uses;         /* by offers and as the group's choice; it goes with the last */
    int32_t votes;
    uint32_t pass; /* of the last count that saw it: a member that names it twice counts once */
};

struct classic_offer {
    struct classic_protocol *protocol;
    struct bytes metadata;
};

struct classic_member {
    struct map_link by_id;
    struct map_link by_instance; /* static members */
    struct list_link link;       /* members or pending */
    struct group *group;
    struct bytes id, instance_id, client_id, client_host; /* in the same allocation */
    int32_t rebalance_timeout_ms, session_timeout_ms;
    struct classic_offer *offers; /* one allocation with what they point to */
    int32_t offer_count;
    uint32_t offer_bytes; /* of metadata */
    bool pending;
    bool is_new;                    /* it has not seen the answer of its first JoinGroup */
    bool sync_missing;              /* it has not asked for the assignment of this generation */
    struct bytes assignment;        /* owned; null: none */
    struct group_call *join, *sync; /* calls that wait; NULL: none */
    struct group_timer session;
};

struct classic_group {
    struct group *group;
    enum classic_state state;
    bool initial; /* PreparingRebalance after Empty: it waits for more members */
    int32_t generation;
    struct bytes protocol_type;        /* owned; null: none yet */
    struct classic_protocol *protocol; /* of this generation, or NULL */
    struct classic_member *leader;     /* NULL: no members */
    int64_t state_since_ms;            /* -1: not known */
    struct map by_id, by_instance, protocols;
    struct list members, pending;
    int32_t joins;         /* members whose JoinGroup waits */
    int32_t syncs_missing; /* members with sync_missing */
    uint32_t pass;
    size_t offer_bytes; /* of all members */
    struct group_timer timer;
    uint64_t initial_from_us, added_us; /* when that wait began; when the newest member came */
    uint64_t pause_from_us;             /* when PreparingRebalance began */
    struct bytes reason;                /* owned; null: none */
};

/* ---- classic.c: members ---- */

/* A member, NULL when there is none; pending ones are not members. */
struct classic_member *classic_find(const struct groups *g, const struct group *group,
                                    struct bytes id);
struct classic_member *classic_find_pending(const struct groups *g, const struct group *group,
                                            struct bytes id);
struct classic_member *classic_find_instance(const struct groups *g, const struct group *group,
                                             struct bytes instance_id);
/* Is it there, and does the instance id belong to it? UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID. */
enum kafka_error classic_check_member(const struct groups *g, const struct group *group,
                                      struct bytes id, struct bytes instance_id);

/* Who a member is; all is copied. */
struct classic_identity {
    struct bytes id, instance_id, client_id, client_host;
};
/* In no list, without offers. NULL: no memory (groups_break was called). */
struct classic_member *classic_member_new(struct groups *g, struct group *group,
                                          const struct classic_identity *who);
/* As the last of the members. The first one says what the group's protocol type is, and leads. */
void classic_member_add(struct groups *g, struct classic_member *m, struct bytes protocol_type);
void classic_pending_add(struct groups *g, struct classic_member *m);
/* Out of the group, whether member or pending, and freed; none of its calls waits. The next in line leads. */
void classic_member_remove(struct groups *g, struct classic_member *m);
/* A member of another id in the place of `old`, which is freed: everything else stays. NULL: no memory. */
struct classic_member *classic_member_replace(struct groups *g, struct classic_member *old,
                                              struct bytes id);
/* It has asked for its assignment. */
void classic_sync_seen(struct classic_member *m);

/* ---- classic_protocol.c: what members can do ---- */

void classic_offers_set(struct groups *g, struct classic_member *m,
                        const struct join_group_request_protocols *p);
/* For who goes: its offers do not count any more. */
void classic_offers_drop(struct classic_member *m);
bool classic_offers_equal(const struct classic_member *m,
                          const struct join_group_request_protocols *p);
/* May somebody join who has these to offer? */
bool classic_accepts(const struct groups *g, const struct group *group, struct bytes type,
                     const struct join_group_request_protocols *p);
/* The one that most members want among those that all can; NULL: no members. */
struct classic_protocol *classic_vote(struct classic_group *cg);
/* NULL: none. */
void classic_protocol_choose(struct classic_group *cg, struct classic_protocol *p);
/* What the member says in the group's protocol; "" when it does not offer it. */
struct bytes classic_metadata(const struct classic_member *m);
struct bytes classic_protocol_name(const struct classic_group *cg); /* null: none */
void classic_protocols_free(struct classic_group *cg);

/* ---- classic_rebalance.c ---- */

void classic_state_set(struct groups *g, struct classic_group *cg, enum classic_state state);
/* Out of any state but PreparingRebalance into it, and on if nobody is missing. */
void classic_prepare(struct groups *g, struct group *group, struct bytes reason);
/* The same, or, when the next generation is being prepared already, it may be complete now. */
void classic_rebalance(struct groups *g, struct group *group, struct bytes reason);
/* If nobody is missing any more and the group need not wait for more members. */
void classic_complete_if_joined(struct groups *g, struct group *group);
/* From now on; the second for who has just come. */
void classic_session_start(struct groups *g, struct classic_member *m);
void classic_session_start_new(struct groups *g, struct classic_member *m);
/* Ends its calls with UNKNOWN_MEMBER_ID and removes it; the group goes on without it. */
void classic_member_gone(struct groups *g, struct classic_member *m, struct bytes reason);
/* Ends the call that waits in it, if one does. */
void classic_join_refuse(struct groups *g, struct classic_member *m, enum kafka_error error,
                         struct bytes member_id);
void classic_sync_refuse(struct groups *g, struct classic_member *m, enum kafka_error error);

/* ---- classic_join.c ---- */

/* Ends a JoinGroup of this member with the generation that is; the leader gets the list of members. */
void classic_join_answer(struct groups *g, struct classic_member *m, struct group_call *c);

/* ---- classic_record.c ---- */

/* Writes the GroupMetadata record of what is; the reason may be null. false: it would be too large. */
bool classic_put(struct groups *g, struct group *group, struct bytes reason, int64_t pause_ms);

/* ---- classic_describe.c ---- */

struct bytes classic_state_name(const struct classic_group *cg);
