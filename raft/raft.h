/* raft/raft.h: consensus as a function. One `struct raft` is one replica of one group.
 *
 * The core has no clock, no I/O, no threads, no allocation and no payloads: it sees the bounds of entries, never
 * their bytes. What happens is told to it (raft_step), what is to be done is asked of it (raft_next), and when to
 * call again is known (raft_deadline). The host (a broker, a simulator, a test) owns log, disk, network and time.
 *
 *     in.now_ms = now; in.kind = RAFT_IN_RECV; ...
 *     raft_step(r, &in);
 *     while (raft_next(r, &out)) {
 *         switch (out.kind) {
 *         case RAFT_OUT_HARD_STATE: raft_ticket(r, journal_hard_state(...)); break;
 *         case RAFT_OUT_APPEND:     raft_ticket(r, log_append(...)); break;
 *         case RAFT_OUT_SEND:       queue(out.send.message, out.send.after_ticket); break;
 *         ...
 *     }
 *
 * INDEX    Opaque and sparse. An entry is a batch; it is named by its last index, its bound, and covers all indexes
 *          after the bound before it. The core compares bounds and never computes one: `index^term` below.
 *          Index 0, term 0 is the bound before the first entry of all.
 * REPLICA  replica_id names one membership of one disk in one group, for ever: never a node. A wiped or re-added
 *          node is another replica. Every message names both ends; one for somebody else is dropped. 0 is nobody.
 * TICKETS  What must be durable gets a ticket from the host's one monotone stream (many groups may share it).
 *          Tickets are durable as prefixes and never repeat. A message leaves when the ticket it names is durable.
 * SERVE    RAFT_OUT_ROLE says who leads; only RAFT_OUT_SERVE says that this leader may answer for the group.
 *
 * What the host promises (H) - both hosts of this repository assert it:
 *   H1  Actions are executed in the order raft_next gives them, all of them, before the next raft_step. Memory that
 *       an input points to stays as it is until raft_next has said false.
 *   H2  RAFT_IN_DURABLE(t) only after all that has a ticket <= t survives a loss of power.
 *   H3  Of the network nothing is promised: it loses, repeats, delays and reorders. It does not invent: what arrives
 *       was sent (checksums are the host's). No input from a peer can trip an assertion.
 *   H4  The log functions (struct raft_log) answer from memory, at once, and know every APPEND and INSTALL already
 *       executed.
 *   H5  After a failed write or sync nothing that was waiting for it is sent, it is never tried again, and the
 *       replica gets RAFT_IN_HALT.
 *   H6  Entries are whole: truncation, snapshots and log starts are at bounds.
 *   H7  At a start the host gives what is durable now: hard state, log, configurations. What it found and does not
 *       know to be durable (a page cache, after a kill) it syncs first. What was durable is all there, or the start is
 *       `damaged`. `boot` is larger than at any start before.
 *   H8  An INSTALL is one atomic unit: after a crash all of it is there or nothing of it.
 *
 * OWNER    One core; no function may be called from two threads at a time. Time is any monotone count of
 *          milliseconds. Safety never depends on it (P6): a wrong clock costs elections, never data.
 *
 * Sources: Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm" ("the paper"), Ongaro's
 * dissertation ("the thesis"). README.md maps functions to sections.
 */
#pragma once

#include "base/base.h"

enum {
    /* Members of a configuration, leaving ones included: a change from seven voters to seven others. */
    RAFT_MEMBER_MAX = 15,
    /* Runs of one term in one append: a follower that is far behind over many elections needs more appends. */
    RAFT_RUN_MAX = 4,
    /* Appends whose durability is followed one by one; with more in flight the newest two share a ticket. */
    RAFT_TICKET_MAX = 8,
    /* Rounds a new voter has to catch up in (thesis 4.2.1). */
    RAFT_CATCH_UP_ROUND_MAX = 10,
};

/* A leader epoch of Kafka is an int32. The largest is never campaigned for. */
#define RAFT_TERM_MAX ((uint32_t)INT32_MAX)

/* An offset of Kafka is an int64. A peer that speaks of entries beyond is not believed. */
#define RAFT_INDEX_MAX ((uint64_t)INT64_MAX)

/* The end of an entry. In a list of runs: the end of the entries of one term. */
struct raft_bound {
    uint64_t index;
    uint32_t term;
};

/* -- configurations ------------------------------------------------------------------------------------ */

enum raft_member_role {
    RAFT_VOTER = 1,    /* in the (new) voter set */
    RAFT_OUTGOING = 2, /* in the old voter set of a joint configuration */
    RAFT_LEARNER = 4,  /* gets the log, is not counted; with RAFT_OUTGOING: becomes one */
};

struct raft_member {
    uint64_t replica_id;
    uint8_t roles;    /* enum raft_member_role, a set; never 0, never VOTER and LEARNER both */
    uint8_t priority; /* the highest of a group campaign first; the others later */
    /* A first contact with an empty log gets a snapshot, not the log from its beginning. */
    bool start_anew;
};

/* Joint when a member is RAFT_OUTGOING: then both majorities decide (paper section 6). Sorted by nothing. */
struct raft_configuration {
    uint32_t count;
    struct raft_member members[RAFT_MEMBER_MAX];
};

/* True when it is one that a log or a change may hold: 1..RAFT_MEMBER_MAX members, ids that are not 0 and differ,
 * legal roles, at least one RAFT_VOTER. */
bool raft_configuration_valid(const struct raft_configuration *c);

bool raft_configuration_joint(const struct raft_configuration *c);

/* -- messages ------------------------------------------------------------------------------------------ */

enum raft_message_kind {
    RAFT_PRE_VOTE, /* would you vote for me? (thesis 9.6) */
    RAFT_PRE_VOTE_REPLY,
    RAFT_VOTE, /* RequestVote */
    RAFT_VOTE_REPLY,
    RAFT_APPEND,       /* AppendEntries; without entries a beat or probe */
    RAFT_APPEND_REPLY, /* to RAFT_APPEND and RAFT_SNAPSHOT */
    RAFT_SNAPSHOT,     /* InstallSnapshot; the host adds its state */
    RAFT_TIMEOUT_NOW,  /* campaign at once (thesis 3.10) */
};

/* Entries as the core sees them: what follows `prev` up to runs[run_count - 1]. */
struct raft_span {
    uint32_t bytes;                       /* of the payload; for windows only */
    uint32_t run_count;                   /* 0: no entries */
    struct raft_bound runs[RAFT_RUN_MAX]; /* index and term grow */
};

/* RAFT_PRE_VOTE, RAFT_VOTE. Of a pre-vote, message.term is the term it would campaign in. */
struct raft_message_vote {
    struct raft_bound last; /* of the candidate's log */
    bool transfer;          /* the leader asked for this: do not protect it (thesis 4.2.3) */
};

/* RAFT_PRE_VOTE_REPLY, RAFT_VOTE_REPLY. A granted pre-vote repeats the term of the question. */
struct raft_message_vote_reply {
    bool granted;
};

struct raft_message_append {
    struct raft_bound prev;
    struct raft_span span;
    uint64_t commit;     /* leader's commit_index */
    uint64_t round;      /* of the read barrier; answered as it is */
    uint64_t sent_bytes; /* to this replica in this term, with this message; answered as it is */
    uint32_t sequence;   /* of messages to this replica in this term, from 1; answered as it is */
    uint32_t boot;       /* of the receiver, as the leader knows it; 0: not yet heard from */
};

enum raft_append_status {
    RAFT_ACCEPTED, /* match and durable hold */
    RAFT_REJECTED, /* prev is not in the log: hint */
    RAFT_BUSY,     /* no memory now; nothing was taken */
};

struct raft_message_append_reply {
    enum raft_append_status status;
    uint32_t sequence, boot; /* boot: of the sender of this reply */
    uint64_t round, sent_bytes;
    struct raft_bound prev; /* of the append that is answered */
    uint64_t match;         /* log equals the leader's up to here ... */
    uint64_t durable;       /* ... and this much of it survives a loss of power */
    uint64_t last;          /* the follower's last index */
    struct raft_bound hint; /* rejected: end of its newest run with term <= prev.term */
};

/* The snapshot's identity. One unit, never taken apart (I16); the host's state travels beside it. */
struct raft_snapshot {
    struct raft_bound bound; /* state is that after this entry; the log goes on after it */
    uint64_t delta;          /* internal entries up to and including it: index - offset */
    uint64_t log_start;      /* first offset that is kept, as the host counts */
    uint64_t configuration_index;
    struct raft_configuration configuration; /* in force at the bound; committed */
};

struct raft_message {
    enum raft_message_kind kind;
    uint32_t term;
    uint64_t from, to; /* replica ids */
    union {
        struct raft_message_vote vote;
        struct raft_message_vote_reply vote_reply;
        struct raft_message_append append;
        struct raft_message_append_reply reply;
        struct {
            const struct raft_snapshot *snapshot;
            uint32_t sequence;
        } install;
    };
};

/* -- the log, as the host shows it ----------------------------------------------------------------------- */

enum raft_read {
    RAFT_READ_NONE,  /* nothing follows */
    RAFT_READ_READY, /* the span is in memory: send it */
    RAFT_READ_COLD,  /* it must be read first: the core asks with RAFT_OUT_FETCH */
    RAFT_READ_GONE,  /* prev is below the log start: only a snapshot helps */
};

/* Queries of the log (H4). All but `after` may be answered from the list of term runs alone. */
struct raft_log {
    /* Term of the entry that covers `index`; of the bound the log starts at (index == start) the term it was given;
     * 0 below it and above the last. Compaction does not change an answer. */
    uint32_t (*term_at)(const void *context, uint64_t index);
    /* End of the newest run whose term is <= term_max, or the bound the log starts at when there is none. */
    struct raft_bound (*run_end)(const void *context, uint32_t term_max);
    /* The bound that an internal entry appended now would get: larger than the last index. */
    uint64_t (*internal_index)(const void *context);
    /* What follows the bound `prev`: whole entries up to bytes_max, but one entry at least; at most RAFT_RUN_MAX runs.
     * Writes *out for RAFT_READ_READY alone. */
    enum raft_read (*after)(const void *context, uint64_t prev, uint32_t bytes_max,
                            struct raft_span *out);
};

/* -- start ----------------------------------------------------------------------------------------------- */

/* One for all groups of a node; not changed while they live. */
struct raft_options {
    uint32_t election_ms;      /* E: a follower campaigns after E..2E of silence */
    uint32_t beat_ms;          /* a leader is heard at least so often; at most E / 3 */
    uint32_t append_bytes_max; /* of one append */
    uint32_t window_bytes;     /* in flight to one follower */
    uint32_t window_messages;
    /* A new commit index goes to followers at once, not with the next append. */
    bool commit_at_once;
    /* Opt-in: an append may get a ticket that is durable already, although its bytes are not (H2 is given up for
     * appends without a configuration, never for hard states, snapshots and appends with one: a group of one that has
     * forgotten its new members would go on without them. RAFT_IN_DURABLE still follows). A replica that starts after an
     * unclean end is fenced until it has caught up with a leader. */
    bool relaxed;
};

struct raft_start {
    const struct raft_options *options;
    const struct raft_log *log;
    void *context; /* of the log and the trace */
    /* Says in words what a step did and why; NULL: nobody listens. One line, without a newline. */
    void (*trace)(void *context, const char *line);
    uint64_t replica_id;
    uint64_t seed; /* of the jitter; differs by replica and start */
    uint64_t now_ms;
    uint32_t boot; /* >= 1 (H7) */
    /* Hard state; 0 at the very first. When the log ends in a later term (a torn write kept the append and lost the hard
     * state), that is the term, without a vote: nothing that named it has left. */
    uint32_t term;
    uint64_t vote;
    struct raft_bound start; /* the log holds what follows; {0, 0}: it holds everything */
    struct raft_bound last;  /* == start: it holds nothing */
    /* What is known to be committed in this very log; start.index at least. A hint that is kept must not be durable
     * before the append that it speaks of. */
    uint64_t commit;
    /* Newest configuration in the log or snapshot, and the one before it (as newest when there is none): the rest
     * is committed. count 0: a replica that waits to be told. */
    const struct raft_configuration *configuration, *previous;
    uint64_t configuration_index, previous_index;
    uint32_t member_max; /* room; at least what the two configurations need together */
    /* Relaxed only: the last end was not clean, or it was fenced then. The only voter of a group without others is not
     * fenced in spite of it; one with learners is, until RAFT_IN_UNFENCE: they may have more. */
    bool fenced;
    /* In any mode: something that was durable cannot be read (bit rot, a bad sector), and the log is given up to before
     * it. Fenced for that, alone or not: it may have told others of what it has lost. The host keeps both marks until
     * RAFT_OUT_UNFENCED. The others have to elect a leader without it. A damaged hard state is no such thing: that replica
     * is gone. */
    bool damaged;
};

struct raft;
struct raft_in;

/* Bytes that a replica with room for so many members takes (1..RAFT_MEMBER_MAX). */
size_t raft_size(uint32_t member_max);

/* Makes a replica in `memory` (raft_size(start->member_max) bytes, aligned as malloc aligns). It is a follower. The
 * memory is the caller's; there is nothing to release. Copies what it needs of *start except options and log. */
struct raft *raft_init(void *memory, const struct raft_start *start);

/* Room for members that the step with `in` would need. When it is more than raft_member_max(), the host moves the
 * replica first: raft_move() to larger memory. An input with more than RAFT_MEMBER_MAX is refused or dropped. */
uint32_t raft_room_for(const struct raft *r, const struct raft_in *in);
uint32_t raft_member_max(const struct raft *r);
struct raft *raft_move(struct raft *r, void *memory, uint32_t member_max);

/* -- what happens ------------------------------------------------------------------------------------------ */

/* FETCH and SNAPSHOT are each answered once, at worst by "not now": until then nothing more goes to that replica. What
 * a host works out beside the core may be out of date when it is stepped: then it is ignored. After RAFT_IN_HALT and
 * RAFT_OUT_FATAL nothing is answered any more: the host fails what waits. */
enum raft_in_kind {
    RAFT_IN_TIME,     /* only that it is now_ms; due at raft_deadline() */
    RAFT_IN_RECV,     /* a message has come */
    RAFT_IN_PROPOSE,  /* entries to be appended; answered by APPEND or REFUSED */
    RAFT_IN_DURABLE,  /* all up to a ticket is durable */
    RAFT_IN_FETCHED,  /* the answer to RAFT_OUT_FETCH */
    RAFT_IN_SNAPSHOT, /* the answer to RAFT_OUT_SNAPSHOT; NULL while one is on its way there */
    /* The log starts later now; stepped before anything else that sees the new log. */
    RAFT_IN_LOG_START,
    RAFT_IN_APPLIED, /* the state machine has come so far; needed until RAFT_OUT_SERVE */
    RAFT_IN_CHANGE,  /* make this the configuration; answered by RAFT_OUT_CHANGE, now or later */
    /* Give the change up, if that is still possible: the voters are those of before; learners that it was to promote or
     * to leave out may be gone. */
    RAFT_IN_CANCEL,
    RAFT_IN_TRANSFER, /* make this replica the leader; answered by RAFT_OUT_TRANSFER */
    RAFT_IN_BARRIER,  /* answered by RAFT_OUT_BARRIER (thesis 6.4) */
    RAFT_IN_CAMPAIGN, /* do not wait for the election time-out: a new group's first leader */
    RAFT_IN_PEER,     /* the host's failure detector on the node of a replica */
    /* An operator's word: vote and lead in spite of an unclean start. What was acknowledged may be lost, and replicas
     * that have more committed will halt (FATAL). */
    RAFT_IN_UNFENCE,
    RAFT_IN_HALT, /* the log has failed (H5): for ever silent */
};

/* A configuration among the entries of a message. */
struct raft_configuration_entry {
    uint64_t index;
    struct raft_configuration configuration;
};

struct raft_in {
    enum raft_in_kind kind;
    uint64_t now_ms; /* never less than before */
    union {
        struct {
            const struct raft_message *message;
            /* Configurations among the entries of an append, in order of index; the host decodes them. */
            const struct raft_configuration_entry *configurations;
            uint32_t configuration_count;
            bool busy; /* there is no memory for the entries: answer so */
        } recv;
        struct {
            uint64_t last; /* the bound of the last entry, larger than the last index of the log */
            uint32_t bytes;
            uint32_t expected_term; /* refused in any other; 0: any */
        } propose;
        struct {
            uint64_t ticket;
        } durable;
        struct {
            uint64_t to, after; /* as asked */
            /* READY (span; the host has the bytes in hand for the SEND that follows), GONE, or NONE: it could not be
             * read now. */
            enum raft_read result;
            struct raft_span span;
        } fetched;
        struct {
            uint64_t to;
            /* NULL: not now. At a bound >= the log start and <= the commit index. */
            const struct raft_snapshot *snapshot;
        } snapshot;
        struct {
            struct raft_bound start; /* a bound <= the commit index */
        } log_start;
        struct {
            uint64_t index;
        } applied;
        struct {
            /* No OUTGOING; ids that it lacks are removed. */
            const struct raft_configuration *target;
        } change;
        struct {
            uint64_t to;
        } transfer;
        struct {
            uint64_t ticket; /* of the asker, from 1, growing: an answer holds for all up to it */
        } barrier;
        struct {
            uint64_t replica_id;
            bool alive; /* true: a leader counts it as heard; false: its followers campaign soon */
        } peer;
    };
};

/* Takes one event. All of raft_next() must have been taken before. */
void raft_step(struct raft *r, const struct raft_in *in);

/* When RAFT_IN_TIME is due; UINT64_MAX: never. Changes with every step. */
uint64_t raft_deadline(const struct raft *r);

/* -- what is to be done ------------------------------------------------------------------------------------ */

enum raft_role { RAFT_FOLLOWER, RAFT_PRE_CANDIDATE, RAFT_CANDIDATE, RAFT_LEADER, RAFT_HALTED };

enum raft_reason {
    RAFT_DONE,
    RAFT_NOT_LEADER,    /* ask out.role.leader, or later */
    RAFT_OTHER_TERM,    /* expected_term is not the term */
    RAFT_TRANSFERRING,  /* soon there will be another leader */
    RAFT_UNCONFIRMED,   /* no entry of this term is committed yet: later (Ongaro 2015) */
    RAFT_CHANGING,      /* another change is under way */
    RAFT_INVALID,       /* not a configuration, or not a voter */
    RAFT_TOO_MANY,      /* more than RAFT_MEMBER_MAX, the leaving ones included */
    RAFT_NOT_CAUGHT_UP, /* after RAFT_CATCH_UP_ROUND_MAX rounds, or after E in a transfer */
    RAFT_CANCELLED,
    RAFT_LOST, /* leadership went before the end: the outcome is unknown */
};

enum raft_out_kind {
    RAFT_OUT_ROLE,       /* this replica's role, the term, the leader (0: unknown) */
    RAFT_OUT_HARD_STATE, /* persist term and vote, then raft_ticket() */
    RAFT_OUT_APPEND,     /* cut the log to `from`, append, then raft_ticket() */
    RAFT_OUT_INSTALL,    /* log and state become the snapshot's, then raft_ticket() (H8) */
    RAFT_OUT_SEND,       /* the message, when the ticket is durable; the host adds entries' bytes */
    RAFT_OUT_FETCH,      /* read what follows a bound; RAFT_IN_FETCHED */
    RAFT_OUT_SNAPSHOT,   /* make a snapshot for a replica; RAFT_IN_SNAPSHOT */
    RAFT_OUT_COMMIT,     /* committed up to here: apply it. Not all may be durable here yet */
    /* Another one is in force, or the one in force is committed now. */
    RAFT_OUT_CONFIGURATION,
    RAFT_OUT_SERVE, /* this leader may answer for the group from now on, in this term */
    /* Reads at `index` are linearizable for all barriers up to the ticket, or not. */
    RAFT_OUT_BARRIER,
    RAFT_OUT_CHANGE,   /* how RAFT_IN_CHANGE ended */
    RAFT_OUT_TRANSFER, /* how RAFT_IN_TRANSFER ended */
    RAFT_OUT_REFUSED,  /* the proposal was not taken */
    RAFT_OUT_UNFENCED, /* it has caught up, durably, and votes again: the host clears its marks */
    RAFT_OUT_SUSPECT,  /* a replica lost what it had called durable: damage, or H2 or H7 broken */
    RAFT_OUT_FATAL,    /* a peer asks for what would break safety: halts; a person must look */
};

enum raft_entry_source {
    RAFT_ENTRY_PROPOSAL,   /* the payload of the proposal */
    RAFT_ENTRY_MESSAGE,    /* the payload of the append just received, from the bound `from` on */
    RAFT_ENTRY_TERM_START, /* an internal entry without content (paper section 8) */
    RAFT_ENTRY_CONFIGURATION, /* an internal entry that holds `configuration` */
};

struct raft_out {
    enum raft_out_kind kind;
    union {
        struct {
            enum raft_role role;
            uint32_t term;
            uint64_t leader;
        } role;
        struct {
            uint32_t term;
            uint64_t vote;
        } hard_state;
        struct {
            enum raft_entry_source source;
            uint64_t from; /* bound; what the log holds after it is cut off first */
            /* The end of the log afterwards. The core's own and proposed entries have its term. */
            struct raft_bound last;
            bool truncate; /* there is something to be cut off */
            const struct raft_configuration *configuration;
        } append;
        struct {
            const struct raft_snapshot *snapshot;
        } install;
        struct {
            struct raft_message message; /* a snapshot's pointer is the one the host gave */
            uint64_t after_ticket;       /* 0: now */
        } send;
        struct {
            uint64_t to, after;
            uint32_t bytes_max;
        } fetch;
        struct {
            uint64_t to;
        } snapshot;
        struct {
            uint64_t index;
        } commit;
        struct {
            const struct raft_configuration *configuration; /* &out->room */
            uint64_t index;
            bool committed;
        } configuration;
        struct {
            uint32_t term;
        } serve;
        struct {
            uint64_t ticket, index;
            bool ok; /* false: not the leader any more, nothing is known */
        } barrier;
        struct {
            enum raft_reason reason;
        } change, transfer, refused;
        struct {
            uint64_t replica_id;
        } suspect;
        struct {
            const char *why;
        } fatal;
    };
    struct raft_configuration room; /* what `configuration` above points to */
};

/* The next action, or false. After HARD_STATE, APPEND and INSTALL the host must call raft_ticket() first. A step gives
 * one of each at most; for each other member, window_messages appends and two more actions. */
bool raft_next(struct raft *r, struct raft_out *out);

/* The ticket of the action just executed: not 0, not less than any before, and larger than any that a RAFT_IN_DURABLE
 * has named. (A relaxed append without a configuration: not less than that of the append before.) */
void raft_ticket(struct raft *r, uint64_t ticket);

/* -- looking at it ----------------------------------------------------------------------------------------- */

struct raft_view {
    enum raft_role role;
    uint64_t replica_id, leader, vote;
    uint32_t term, boot;
    struct raft_bound start, last;
    uint64_t durable; /* the log up to here is durable */
    uint64_t commit, applied;
    bool serving, fenced, transferring, changing;
    bool joint, configuration_committed;
    uint64_t configuration_index;
};

void raft_view(const struct raft *r, struct raft_view *out);

/* The configuration in force: the newest in the log, committed or not (paper section 6). */
void raft_configuration_get(const struct raft *r, struct raft_configuration *out);

enum raft_peer_state { RAFT_PROBE, RAFT_REPLICATE, RAFT_SNAPSHOTTING };

struct raft_peer_view {
    uint64_t replica_id;
    uint8_t roles;
    enum raft_peer_state state;
    uint64_t match, durable, sent; /* a leader's; sent: bound after which it goes on */
    uint32_t in_flight;            /* messages */
};

/* Member number `at`, of those that get messages; false: there are not so many. Of use on a leader. */
bool raft_peer_get(const struct raft *r, uint32_t at, struct raft_peer_view *out);

const char *raft_role_name(enum raft_role role);
const char *raft_message_name(enum raft_message_kind kind);
const char *raft_reason_name(enum raft_reason reason);
