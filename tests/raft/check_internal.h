/* tests/raft/check_internal.h: the checker's model, and what its files offer each other.
 *
 * All logs together are a tree: an entry is a node below the entry before it, and a log is named by the node it ends
 * at. Equal (index, term) must be the same node (I2), so what two logs have in common, what is committed and what is
 * durable are questions about ancestors, answered in logarithmic time by one further link per node.
 */
#pragma once

#include "base/arena.h"
#include "tests/raft/check.h"

struct node {
    struct node *parent, *jump; /* jump: an ancestor, at depths that make searching logarithmic */
    struct node *configured;    /* the newest configuration at or above */
    const struct raft_configuration *configuration; /* of this entry */
    struct raft_bound bound;
    uint32_t depth;
    bool committed;
    uint64_t value;
    uint64_t internal; /* entries without offset, up to and including this one */
    struct check_state state;
};

/* tip: the log's end when this is done; cut: the end that is left of the log before; base: what was there already. */
struct log_op {
    uint64_t ticket;
    struct node *cut, *base, *tip;
};

struct hard_op {
    uint64_t ticket, vote;
    uint32_t term;
};

struct ask {
    uint64_t ticket, event;
    struct node *committed, *configured;
};

/* A growing array of `size` bytes each. */
struct vec {
    void *at;
    size_t len, cap;
};

enum { TARGET_MAX = 8, LINE_COUNT = 200, REPLICA_MAX = 512 };

/* When a leader last heard of a replica, in milliseconds of its own running time. */
struct heard {
    uint64_t replica_id, run_ms;
    uint32_t appends; /* with entries, that have left for it since */
    uint64_t bytes;   /* of those */
    uint32_t boot;    /* newest that an answer of it came from */
};

/* What the replica was told in the step under way. */
struct step {
    enum raft_in_kind kind;
    uint64_t from, to; /* RECV; foreign: to somebody else */
    enum raft_message_kind message;
    uint32_t message_term, message_boot; /* message_boot: of an answer to an append */
    struct raft_bound last, prev;
    uint64_t commit;
    uint64_t propose_last;
    uint32_t expected_term, term_before;
    bool foreign, transfer, led;
    const struct raft_configuration *configuration; /* in force when it began */
    uint64_t transfer_to;
    enum raft_reason
        expected; /* what CHANGE, CANCEL, TRANSFER is answered at once; RAFT_LOST: nothing */
    bool answered, own_entry, protects; /* protects: from others than its leader */
};

/* What a replica was asked for in this life and has not answered, and what it has told its host. */
struct duty {
    uint32_t boot;                        /* of the life; 0: it has not had a step */
    uint64_t since;                       /* the life's first event */
    uint64_t led;                         /* event since which it leads */
    uint64_t transfer_to, transfer_at_ms; /* 0: no transfer */
    bool changing, cancelled;
    uint64_t change_at_ms, change_event;
    struct node *change_tip; /* its log when it took the change */
    const struct raft_configuration *change_from;
    struct raft_configuration change_to;
    struct node *told; /* the configuration the host was told of, and that it is committed */
    bool told_committed;
    /* The election time-out began to run; by priority it is a late one; its leader was said to be dead. */
    uint64_t quiet_ms;
    bool late, orphan;
};

struct replica {
    uint64_t id;
    bool running, lossy, fenced, knows_initial;
    enum raft_role role;
    uint32_t boot, term, role_term, served_term;
    uint64_t vote, leader;

    struct node *start, *tip, *commit, *applied; /* in memory */
    struct node *tip_durable;
    struct vec log_ops;      /* struct log_op, oldest first: not durable yet */
    struct vec lost;         /* struct node *: ends of logs that were durable by ticket, and went */
    struct node *fence_need; /* what it must have before it votes again */
    uint32_t term_durable, term_log;
    uint64_t vote_durable;
    struct vec hard_ops; /* struct hard_op */
    uint64_t ticket_last, ticket_last_log, ticket_durable;

    struct vec asks; /* struct ask */
    struct raft_configuration targets[TARGET_MAX];
    uint32_t target_count;

    struct step step;
    struct duty duty;
    uint64_t now_ms;
    /* Time it has run; when it began to lead with this configuration. */
    uint64_t run_ms, lead_run_ms;
    uint64_t leader_heard_ms;     /* UINT64_MAX: not yet */
    struct node *configured_new;  /* a configuration appended in this step */
    struct node *configured_seen; /* what raft_configuration_get() was last compared with */
    uint64_t durable_seen;
    struct vec heard; /* struct heard */
};

/* What one replica did in one term. */
struct voter {
    uint64_t replica_id, granted_to, reply_event;
};

struct term_record {
    struct term_record *older; /* those with a leader, newest first */
    uint32_t term;
    uint64_t leader;
    struct node *elected, *tip; /* the leader's log when it was elected; the longest it had */
    struct node *committed;     /* by it; NULL: nothing */
    struct vec voters;          /* struct voter */
};

enum line_what { LINE_IN, LINE_OUT, LINE_LEAVES, LINE_DURABLE, LINE_START, LINE_STOP, LINE_NOTE };

enum { LINE_ARG_COUNT = 8 };

struct line {
    enum line_what what;
    int kind;     /* of the input, the action or the message */
    bool message; /* it is about one */
    uint64_t now_ms, replica_id, from, to, ticket;
    const char *format; /* LINE_NOTE */
    uint64_t args[LINE_ARG_COUNT];
};

enum operation_state { OPERATION_OPEN, OPERATION_OK, OPERATION_REFUSED };

struct operation {
    uint64_t client;
    uint64_t value; /* it writes; 0: it reads */
    uint64_t read_value;
    uint64_t count;        /* of writes that a read saw; of a write: its number, as a read saw it */
    uint64_t began, ended; /* in order of events */
    uint64_t floor_acknowledged, floor_seen; /* writes acknowledged, seen, when it began */
    struct node *floor;                      /* newest entry somebody knew of when it began */
    enum operation_state state;
};

struct value_slot {
    uint64_t value;
    struct node *node; /* where it is committed */
    size_t operation;  /* that wrote it */
};

struct value_table {
    struct value_slot *slots; /* open addressing */
    size_t count, cap;
};

struct check {
    struct check_options options;
    struct raft_configuration initial;
    struct arena arena;
    struct node *root, *committed;
    struct node *known; /* newest entry that a client was told of */
    bool may_lose;      /* an operator has let a fenced replica lead */
    uint64_t event, now_ms;

    struct node **nodes; /* open addressing by bound */
    size_t node_count, node_cap;
    struct term_record **terms;
    size_t term_count, term_cap;
    struct term_record *leaders; /* newest first */
    size_t leader_count;
    struct replica *replicas[REPLICA_MAX];
    size_t replica_count;
    struct value_table values;
    uint64_t unasked_count; /* values that no operation wrote */
    struct vec operations;  /* struct operation */
    uint64_t operation_ok_count;

    struct line lines[LINE_COUNT];
    uint64_t line_count;
    char *report; /* of the broken law */
};

/* -- check.c --------------------------------------------------------------------------------------------- */

struct replica *replica_of(struct check *c, uint64_t replica_id);
struct replica *replica_find(struct check *c, uint64_t replica_id);
/* A new element, zeroed. */
void *vec_push(struct vec *v, size_t size);
/* The election time-out of `r` begins to run anew. */
void quiet_from(struct replica *r, uint64_t now_ms);
/* Drops the first `count`. */
void vec_shift(struct vec *v, size_t count, size_t size);

/* Ends the world when it is false. */
#define LAW(c_, law_, condition_, ...)             \
    do {                                           \
        if (__builtin_expect(!(condition_), 0)) {  \
            check_fail((c_), (law_), __VA_ARGS__); \
        }                                          \
    } while (0)

/* A bound in a format: "%" PRIu64 "^%u". */
#define BOUND           "%" PRIu64 "^%" PRIu32
#define BOUND_OF(node_) (node_)->bound.index, (node_)->bound.term

/* -- check_report.c -------------------------------------------------------------------------------------- */

void line_in(struct check *c, const struct replica *r, const struct raft_in *in);
void line_out(struct check *c, const struct replica *r, const struct raft_out *out,
              const struct check_done *done);
void line_leaves(struct check *c, const struct replica *r, const struct raft_message *m);
void line_plain(struct check *c, enum line_what what, const struct replica *r, uint64_t a,
                uint64_t b);

/* -- check_tree.c ---------------------------------------------------------------------------------------- */

void tree_init(struct check *c);
struct node *tree_find(const struct check *c, struct raft_bound bound);
/* The node of an entry after `parent`: found, or made when `make`; broken laws end the world. */
struct node *tree_enter(struct check *c, struct node *parent, const struct check_entry *entry,
                        bool make);
/* Is `old` in the log that ends at `tip`? */
bool tree_holds(const struct node *tip, const struct node *old);
/* Ancestor or itself with this index, or the last one before it. */
struct node *tree_before(struct node *tip, uint64_t index);
/* Exactly that bound, or NULL. */
struct node *tree_at(struct node *tip, uint64_t index);
struct node *tree_at_depth(struct node *tip, uint32_t depth);
/* Newest with a term <= term_max. */
struct node *tree_term(struct node *tip, uint32_t term_max);
/* The newest that both have. */
struct node *tree_common(struct node *a, struct node *b);

/* -- check_member.c: configurations ---------------------------------------------------------------------- */

/* The same members with the same roles, priorities, first contacts. */
bool member_same(const struct raft_configuration *a, const struct raft_configuration *b);
uint8_t member_roles(const struct raft_configuration *c, uint64_t replica_id);
/* A majority of the voters, and of the outgoing ones when there are any, for whom yes() is true. */
bool member_majority(const struct raft_configuration *c,
                     bool (*yes)(const void *context, uint64_t replica_id), const void *context);
/* May `to` follow `from`? NULL: yes; else why not. */
const char *member_step(const struct raft_configuration *from, const struct raft_configuration *to);
/* The voters of the highest priority campaign first; the others not in the first half of their time. */
bool member_late(const struct raft_configuration *c, uint64_t replica_id);
/* Does `r` have the log that ends at `tip`, as far as whoever knew it after `event` can know? */
bool member_has(const struct check *c, const struct replica *r, uint32_t term, uint64_t event,
                const struct node *tip);
/* In force at a replica whose log ends at `tip`; count 0 when it was not told of one. */
const struct raft_configuration *member_in_force(const struct check *c, const struct replica *r);

/* -- check_disk.c: what is durable ----------------------------------------------------------------------- */

/* From which ticket on; 0: already; UINT64_MAX: nothing makes it so. */
uint64_t disk_ticket_of_term(const struct replica *r, uint32_t term);
uint64_t disk_ticket_of_vote(const struct replica *r, uint32_t term, uint64_t vote);
uint64_t disk_ticket_of_entry(const struct replica *r, const struct node *n);
/* Was it durable, by ticket, at any time? */
bool disk_had(const struct replica *r, const struct node *n);
void disk_push_log(struct check *c, struct replica *r, struct log_op op);
void disk_push_hard(struct check *c, struct replica *r, struct hard_op op);

/* -- check_term.c: votes, leaders, commits ----------------------------------------------------------------- */

struct term_record *term_of(struct check *c, uint32_t term);
struct voter *term_voter(struct term_record *t, uint64_t replica_id);
void term_vote_left(struct check *c, const struct replica *r, uint32_t term, uint64_t candidate);
void term_elected(struct check *c, struct replica *r, uint32_t term);
void term_commit(struct check *c, struct replica *r, struct node *n);
/* Majorities of the leader's configuration were in this term after the event. */
bool term_confirmed(struct check *c, const struct replica *r,
                    const struct raft_configuration *configuration, uint64_t event);

/* -- check_out.c ---------------------------------------------------------------------------------------- */

/* Judges what can only be judged at the end of a step. */
void out_settle(struct check *c, struct replica *r);

/* -- check_message.c, check_snapshot.c ----------------------------------------------------------------------- */

void message_sent(struct check *c, struct replica *r, const struct raft_message *m,
                  uint64_t after_ticket);
void snapshot_check(struct check *c, const struct replica *r, const struct raft_snapshot *s);
void snapshot_install(struct check *c, struct replica *r, const struct raft_snapshot *s,
                      const struct check_done *done);

/* -- check_answer.c: what the core answers to its host ------------------------------------------------------ */

void answer_asked(struct check *c, struct replica *r, const struct raft_in *in);
void answer_out(struct check *c, struct replica *r, const struct raft_out *out);
/* At the end of a step: what is not answered may wait. */
void answer_settle(struct check *c, struct replica *r);

/* -- check_view.c --------------------------------------------------------------------------------------------- */

void view_check(struct check *c, struct replica *r, const struct raft_view *view);
void view_configuration(struct check *c, struct replica *r,
                        const struct raft_configuration *configuration);
/* The host knows of the configuration in force, and that it is committed; a leader is in it. */
void view_told(struct check *c, const struct replica *r);
/* Who has answered a leader has what the leader takes it to have. */
void view_peer(struct check *c, struct replica *r, const struct raft *raft);
/* Does it hear a leader, which nobody may disturb? */
bool view_protects(const struct check *c, const struct replica *r);
/* A leader that hears of no majority for long has to go. */
void view_quorum(struct check *c, struct replica *r);

/* -- check_history.c ------------------------------------------------------------------------------------------- */

/* An entry of a client has been committed. */
void history_committed(struct check *c, struct node *n);
