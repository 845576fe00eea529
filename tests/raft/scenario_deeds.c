/* tests/raft/scenario_deeds.c: the commands for what happens to a replica: time, clients, operators.
 *
 * WHY      Each input of the core is a command, so that a scenario can say all that can happen.
 * HOW      A command builds the input and gives it to one replica at that replica's own time.
 * OWNER    struct scenario.
 * FAILURE  A replica that is down cannot do anything: the scenario is wrong.
 */
#include "tests/raft/scenario_verbs.h"

enum { PROPOSAL_BYTES = 100 };

static void step(struct scenario_replica *r, struct raft_in in)
{
    if (r != NULL) {
        replica_step(r, &in);
    }
}

/* timeout 2: its clock, and only its clock, is at its next deadline. beat 1: the same of a leader */
static void timeout(struct scenario *s, const struct words *w)
{
    struct scenario_replica *r = word_replica(s, w, 1);

    if (r == NULL || raft_deadline(r->raft) == UINT64_MAX) {
        scenario_wrong(s, "it waits for nothing");
        return;
    }
    r->now_ms = MAX(r->now_ms, raft_deadline(r->raft));
    step(r, (struct raft_in){.kind = RAFT_IN_TIME});
}

/* advance 500: all clocks. advance 2 500: one, which rings once at the end */
static void advance(struct scenario *s, const struct words *w)
{
    if (w->count == 2) {
        if (!network_pass_time(s, word_u64(s, w, 1), false)) {
            scenario_wrong(s, "the timers never rest");
        }
        return;
    }
    struct scenario_replica *r = word_replica(s, w, 1);

    if (r != NULL) {
        r->now_ms += word_u64(s, w, 2);
        step(r, (struct raft_in){.kind = RAFT_IN_TIME});
    }
}

/* run 3000: time passes, the network and the disks work */
static void run(struct scenario *s, const struct words *w)
{
    if (!network_pass_time(s, word_u64(s, w, 1), true)) {
        scenario_wrong(s, "the cluster does not come to rest");
    }
}

/* propose 1 +3 [bytes 500] [term 4] */
static void propose(struct scenario *s, const struct words *w)
{
    struct scenario_replica *r = word_replica(s, w, 1);
    struct scenario_entry e = {.bytes = PROPOSAL_BYTES};
    struct raft_in in = {.kind = RAFT_IN_PROPOSE};
    uint64_t width;

    if (r == NULL || w->count < 3 ||
        text_u64(bytes_slice(w->at[2], 1, w->at[2].len), &width) != OK) {
        scenario_wrong(s, "propose ID +WIDTH");
        return;
    }
    for (uint32_t i = 3; i + 1 < w->count; i += 2) {
        if (word_is(w->at[i], "bytes")) {
            e.bytes = (uint32_t)word_u64(s, w, i + 1);
        } else if (word_is(w->at[i], "term")) {
            in.propose.expected_term = (uint32_t)word_u64(s, w, i + 1);
        }
    }
    in.propose.last = log_last(&r->log).index + width;
    in.propose.bytes = e.bytes;
    r->payload = (struct scenario_entries){&e, 1};
    replica_step(r, &in);
    r->payload = (struct scenario_entries){NULL, 0};
}

/* change 1 "1 2 4" */
static void change(struct scenario *s, const struct words *w)
{
    struct scenario_replica *r = word_replica(s, w, 1);
    struct raft_configuration target;
    struct raft_in in = {.kind = RAFT_IN_CHANGE, .change = {.target = &target}};

    word_configuration(s, w, 2, &target);
    step(r, in);
}

static void cancel(struct scenario *s, const struct words *w)
{
    step(word_replica(s, w, 1), (struct raft_in){.kind = RAFT_IN_CANCEL});
}

/* transfer 1 3 */
static void transfer(struct scenario *s, const struct words *w)
{
    step(word_replica(s, w, 1),
         (struct raft_in){.kind = RAFT_IN_TRANSFER, .transfer = {.to = word_u64(s, w, 2)}});
}

/* barrier 1 7: the asker's ticket */
static void barrier(struct scenario *s, const struct words *w)
{
    step(word_replica(s, w, 1),
         (struct raft_in){.kind = RAFT_IN_BARRIER, .barrier = {.ticket = word_u64(s, w, 2)}});
}

/* applied 1 5 */
static void applied(struct scenario *s, const struct words *w)
{
    struct scenario_replica *r = word_replica(s, w, 1);

    if (r != NULL) {
        r->applied = word_u64(s, w, 2);
        step(r, (struct raft_in){.kind = RAFT_IN_APPLIED, .applied = {.index = r->applied}});
    }
}

static void campaign(struct scenario *s, const struct words *w)
{
    step(word_replica(s, w, 1), (struct raft_in){.kind = RAFT_IN_CAMPAIGN});
}

/* peer 1 3 alive | dead */
static void peer(struct scenario *s, const struct words *w)
{
    step(word_replica(s, w, 1), (struct raft_in){.kind = RAFT_IN_PEER,
                                                 .peer = {.replica_id = word_u64(s, w, 2),
                                                          .alive = word_has(w, 3, "alive")}});
}

static void unfence(struct scenario *s, const struct words *w)
{
    step(word_replica(s, w, 1), (struct raft_in){.kind = RAFT_IN_UNFENCE});
}

static void halt(struct scenario *s, const struct words *w)
{
    step(word_replica(s, w, 1), (struct raft_in){.kind = RAFT_IN_HALT});
}

const struct verb scenario_deed_verbs[] = {
    {"timeout", timeout, false, false},   {"beat", timeout, false, false},
    {"advance", advance, false, false},   {"run", run, false, false},
    {"propose", propose, false, false},   {"change", change, false, false},
    {"cancel", cancel, false, false},     {"transfer", transfer, false, false},
    {"barrier", barrier, false, false},   {"applied", applied, false, false},
    {"campaign", campaign, false, false}, {"peer", peer, false, false},
    {"unfence", unfence, false, false},   {"halt", halt, false, false},
    {NULL, NULL, false, false},
};
