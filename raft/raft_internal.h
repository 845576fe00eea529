/* raft/raft_internal.h: the state of a replica, and what the chapters of the core offer each other. Nothing outside
 * this folder includes it.
 *
 * A step changes the state and marks what is pending; raft_next() makes the actions from the state, one at a time,
 * in the order of enum raft_pending. So no queue of actions exists, and none can overflow.
 */
#pragma once

#include "raft/configuration.h"
#include "raft/raft.h"

/* Actions that are due, in the order they are given: what must be durable first, then what may leave, then what the
 * host applies and answers. */
enum raft_pending {
    PENDING_ROLE,
    PENDING_FATAL,
    PENDING_HARD_STATE,
    PENDING_INSTALL,
    PENDING_APPEND,
    PENDING_REPLY,
    PENDING_PEERS,
    PENDING_COMMIT,
    PENDING_CONFIGURATION,
    PENDING_SERVE,
    PENDING_UNFENCED,
    PENDING_SUSPECT,
    PENDING_BARRIER,
    PENDING_CHANGE,
    PENDING_TRANSFER,
    PENDING_REFUSED,
};

enum { LATEST, PREVIOUS, CONFIGURATION_COUNT };

/* A follower that got a snapshot and is silent about it for so many election time-outs is probed again. */
enum { SNAPSHOT_WAIT_ELECTIONS = 2 };

/* A member of one of the two configurations; below `roles` only what a candidate or leader knows of it. Every voter
 * has one, this replica too. */
struct raft_peer {
    uint64_t replica_id;
    uint8_t roles[CONFIGURATION_COUNT]; /* 0: not in that configuration */
    uint8_t priority[CONFIGURATION_COUNT];
    bool start_anew[CONFIGURATION_COUNT];
    uint8_t target; /* its role when the change under way is done; 0: gone */
    uint8_t target_priority;
    uint8_t state;                 /* enum raft_peer_state */
    uint8_t catch_up_round;        /* from 1; 0: it does not have to */
    bool added : 1;                /* by the change under way */
    bool caught_up : 1;            /* may become a voter */
    bool granted : 1, refused : 1; /* its vote */
    bool heard : 1;                /* since the last check of the quorum */
    bool probing : 1;              /* one probe is out */
    bool paused : 1;        /* busy, or its entries could not be read: not before the next beat */
    bool asking : 1;        /* FETCH or SNAPSHOT is with the host */
    bool want_snapshot : 1; /* RAFT_OUT_SNAPSHOT is due */
    bool send_vote : 1, send_now : 1, send_beat : 1, send_install : 1, send_fetched : 1;
    uint64_t match, durable; /* what its log has of this leader's; what of that is durable */
    /* Bound that the next append follows: what the paper calls nextIndex comes after it. */
    uint64_t sent;
    uint64_t sent_bytes, answered_bytes; /* of appends in this term: what is between is in flight */
    uint64_t round;                      /* newest barrier round it answered */
    uint64_t catch_up_index;             /* where the log ended when its round began */
    uint64_t catch_up_at_ms;             /* when that was */
    uint64_t snapshot_at_ms;             /* when it was sent one */
    uint32_t sequence, answered;         /* number of the newest append, of the newest answered */
    uint32_t boot;
};

/* An append whose durability is awaited. */
struct raft_ticket {
    uint64_t ticket, index;
};

struct raft {
    const struct raft_options *options;
    const struct raft_log *log;
    void *context;
    void (*trace)(void *context, const char *line);
    const struct raft_in *in; /* the step whose actions are being taken */
    const char *why;          /* of FATAL */

    uint64_t replica_id, leader, vote, random;
    uint32_t term, boot;
    uint8_t role; /* enum raft_role */
    uint8_t member_max, peer_count;
    uint8_t cursor; /* next peer that raft_next() looks at */
    uint8_t ticket_count;
    uint8_t change_reason, transfer_reason, refused_reason; /* enum raft_reason */
    uint8_t give_up; /* why the change under way goes back; RAFT_DONE: it does not */
    uint8_t append_source;
    uint8_t due;         /* enum raft_pending: what the ticket is for */
    bool ticket_due : 1; /* the host owes raft_ticket() */
    bool hard_durable : 1;
    bool serving : 1, fenced : 1;
    bool changing : 1;      /* a RAFT_IN_CHANGE is under way */
    bool leave_back : 1;    /* out of the joint configuration, back to C_old */
    bool transfer_vote : 1; /* the campaign is by order of the leader */
    bool append_truncates : 1;
    bool barrier_ok : 1;
    bool reply_gated : 1; /* the reply speaks of the append of this step */
    uint32_t pending;     /* set of enum raft_pending */

    struct raft_bound start, last;
    uint64_t durable, commit, applied;
    uint64_t term_start; /* a leader's: bound of the first entry of its term */
    uint64_t configuration_index[CONFIGURATION_COUNT];
    uint64_t append_from;
    uint64_t suspect;

    uint64_t now_ms, election_at_ms, heard_at_ms; /* heard_at_ms: the leader last spoke */
    uint64_t beat_at_ms, quorum_at_ms, transfer_at_ms;
    uint64_t transfer_to; /* 0: no transfer */

    uint64_t round, round_ticket, round_index; /* barrier in flight; ticket 0: none */
    uint64_t waiting_ticket;                   /* barriers that the next round is for */
    uint64_t barrier_ticket, barrier_index;    /* to be answered */

    /* Newest reported; of the last hard state; of the last append. */
    uint64_t durable_ticket, hard_ticket, log_ticket;
    struct raft_ticket tickets[RAFT_TICKET_MAX]; /* oldest first; both fields grow */

    struct raft_message reply;
    struct raft_peer peers[];
};

/* -- state.c ------------------------------------------------------------------------------------------- */

void raft_pend(struct raft *r, enum raft_pending what);
bool raft_pends(const struct raft *r, enum raft_pending what);

/* Halts: nothing but FATAL comes out any more. */
void raft_fatal(struct raft *r, const char *why);

/* Asserts what holds after every step. */
void raft_check_state(const struct raft *r);

/* trace.c: a line in words for whoever listens. */
void raft_say(const struct raft *r, const char *format, ...) PRINTF_LIKE(2, 3);

/* -- peers.c ------------------------------------------------------------------------------------------- */

struct raft_peer *raft_peer_find(struct raft *r, uint64_t replica_id);
bool raft_is_voter(const struct raft *r);
/* A voter of the configuration before counts as one until the newest is committed: it may be the only one that has the
 * newest, and then it refuses its vote to all others (thesis 4.2.2). */
bool raft_may_lead(const struct raft *r);
bool raft_joint(const struct raft *r);
void raft_configuration_of(const struct raft *r, int which, struct raft_configuration *out);
/* The newest configuration is now this one (the one before it becomes PREVIOUS), or the one before it again. */
void raft_configuration_adopt(struct raft *r, const struct raft_configuration *c, uint64_t index);
void raft_configuration_roll_back(struct raft *r);
/* The newest is committed. */
void raft_configuration_settle(struct raft *r);
/* Both are this one. */
void raft_configuration_reset(struct raft *r, const struct raft_configuration *c, uint64_t index);
/* Forgets peers that nothing needs. */
void raft_peers_sweep(struct raft *r);
/* Makes room in the list for a member that a change brings. */
struct raft_peer *raft_peer_add(struct raft *r, const struct raft_member *m);

/* -- quorum.c ------------------------------------------------------------------------------------------ */

/* The largest v such that a majority of each voter set has value(peer) >= v; 0 without voters. */
uint64_t raft_quorum(const struct raft *r,
                     uint64_t (*value)(const struct raft *r, const struct raft_peer *p));
/* k-th largest of `count` values (k from 1): reorders them. */
uint64_t raft_kth_largest(uint64_t *values, uint32_t count, uint32_t k);

/* -- durability.c -------------------------------------------------------------------------------------- */

void raft_durable(struct raft *r, uint64_t ticket);
void raft_ticket_append(struct raft *r, uint64_t ticket);
/* The log ends at `index` now. */
void raft_tickets_cut(struct raft *r, uint64_t index);

/* -- election.c ---------------------------------------------------------------------------------------- */

void raft_election_reset(struct raft *r);
bool raft_promotable(const struct raft *r);
/* True while a live leader is known, which nobody may disturb. */
bool raft_sticky(const struct raft *r);
void raft_become_follower(struct raft *r, uint32_t term, uint64_t leader);
/* `transfer`: without asking first, and voters shall not protect the leader. */
void raft_campaign(struct raft *r, bool transfer);
void raft_votes_count(struct raft *r);
void raft_check_quorum(struct raft *r);

/* -- commit.c ------------------------------------------------------------------------------------------ */

/* Adopts a commit index larger than the present one. */
void raft_commit_to(struct raft *r, uint64_t index);
/* A leader's: as far as majorities are durable. */
void raft_commit_advance(struct raft *r);

/* -- request_vote.c ------------------------------------------------------------------------------------ */

void raft_recv_vote(struct raft *r, const struct raft_message *m);
void raft_recv_vote_reply(struct raft *r, const struct raft_message *m);
void raft_vote_message(const struct raft *r, const struct raft_peer *p, struct raft_message *out);

/* -- append_entries.c ---------------------------------------------------------------------------------- */

void raft_recv_append(struct raft *r, const struct raft_message *m);
/* Refuses a message of an older term, so that its sender learns the new one. */
void raft_refuse_append(struct raft *r, const struct raft_message *m);
/* True when the sender leads this term: then it was heard. Two leaders of one term are fatal. */
bool raft_hear_leader(struct raft *r, const struct raft_message *m);

/* -- append_reply.c ------------------------------------------------------------------------------------ */

void raft_recv_append_reply(struct raft *r, const struct raft_message *m);

/* -- install_snapshot.c -------------------------------------------------------------------------------- */

void raft_recv_snapshot(struct raft *r, const struct raft_message *m);
void raft_snapshot_ready(struct raft *r);
void raft_log_start(struct raft *r);

/* -- replication.c ------------------------------------------------------------------------------------- */

void raft_propose(struct raft *r);
/* The leader's own entry: TERM_START or CONFIGURATION. */
void raft_append_own(struct raft *r, enum raft_entry_source source);
void raft_fetched(struct raft *r);
void raft_beat(struct raft *r);
/* What is to be sent to a peer next, as an action; false: nothing. */
bool raft_peer_next(struct raft *r, struct raft_peer *p, struct raft_out *out);

/* -- progress.c ---------------------------------------------------------------------------------------- */

void raft_progress_reset(struct raft *r, struct raft_peer *p);
void raft_progress_probe(struct raft *r, struct raft_peer *p, uint64_t sent);
void raft_progress_replicate(struct raft *r, struct raft_peer *p);
void raft_progress_snapshot(struct raft *r, struct raft_peer *p);
bool raft_progress_window_open(const struct raft *r, const struct raft_peer *p);

/* -- membership.c -------------------------------------------------------------------------------------- */

void raft_change(struct raft *r);
void raft_change_cancel(struct raft *r);
/* An answer has come from a peer that is to become a voter. */
void raft_catch_up(struct raft *r, struct raft_peer *p);
/* Does the next step of a change, when it is time. */
void raft_change_drive(struct raft *r);
/* Leadership goes: the change's outcome is unknown. */
void raft_change_lost(struct raft *r);

/* -- transfer.c, barrier.c ----------------------------------------------------------------------------- */

void raft_transfer(struct raft *r);
void raft_transfer_drive(struct raft *r, struct raft_peer *p);
void raft_transfer_end(struct raft *r, enum raft_reason reason);
/* A leader that is no voter any more hands over and goes. */
void raft_retire(struct raft *r);
void raft_barrier(struct raft *r);
void raft_barrier_drive(struct raft *r);
void raft_barrier_lost(struct raft *r);
