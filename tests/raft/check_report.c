/* tests/raft/check_report.c: the last events, and what is said when a law is broken.
 *
 * WHY      A broken law means little without what led to it. Writing every event as text would take most of the time
 *          of a simulation, so an event is kept as a few numbers in a ring and becomes text only when somebody fails.
 * FORMAT   One line per event: time, replica, '>' what it was told, '<' what it said, '~' what left it.
 * OWNER    One checker.
 * FAILURE  The report is cut off at REPORT_BYTES_MAX, the oldest lines stay.
 * LIMITS   LINE_COUNT lines, LINE_ARG_COUNT numbers each.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "tests/raft/check_internal.h"

enum { REPORT_BYTES_MAX = 64 << 10, WHAT_BYTES_MAX = 1024 };

static const char *const in_names[] = {
    [RAFT_IN_TIME] = "time",           [RAFT_IN_RECV] = "recv",
    [RAFT_IN_PROPOSE] = "propose",     [RAFT_IN_DURABLE] = "durable",
    [RAFT_IN_FETCHED] = "fetched",     [RAFT_IN_SNAPSHOT] = "snapshot",
    [RAFT_IN_LOG_START] = "log_start", [RAFT_IN_APPLIED] = "applied",
    [RAFT_IN_CHANGE] = "change",       [RAFT_IN_CANCEL] = "cancel",
    [RAFT_IN_TRANSFER] = "transfer",   [RAFT_IN_BARRIER] = "barrier",
    [RAFT_IN_CAMPAIGN] = "campaign",   [RAFT_IN_PEER] = "peer",
    [RAFT_IN_UNFENCE] = "unfence",     [RAFT_IN_HALT] = "halt"};

static const char *const out_names[] = {[RAFT_OUT_ROLE] = "role",
                                        [RAFT_OUT_HARD_STATE] = "hard_state",
                                        [RAFT_OUT_APPEND] = "append",
                                        [RAFT_OUT_INSTALL] = "install",
                                        [RAFT_OUT_SEND] = "send",
                                        [RAFT_OUT_FETCH] = "fetch",
                                        [RAFT_OUT_SNAPSHOT] = "snapshot",
                                        [RAFT_OUT_COMMIT] = "commit",
                                        [RAFT_OUT_CONFIGURATION] = "configuration",
                                        [RAFT_OUT_SERVE] = "serve",
                                        [RAFT_OUT_BARRIER] = "barrier",
                                        [RAFT_OUT_CHANGE] = "change",
                                        [RAFT_OUT_TRANSFER] = "transfer",
                                        [RAFT_OUT_REFUSED] = "refused",
                                        [RAFT_OUT_UNFENCED] = "unfenced",
                                        [RAFT_OUT_SUSPECT] = "suspect",
                                        [RAFT_OUT_FATAL] = "fatal"};

/* -- taking an event down -------------------------------------------------------------------------------- */

static struct line *next(struct check *c, enum line_what what, const struct replica *r)
{
    struct line *l = &c->lines[c->line_count++ % LINE_COUNT];

    *l = (struct line){.what = what, .now_ms = c->now_ms, .replica_id = r ? r->id : 0};
    return l;
}

void line_plain(struct check *c, enum line_what what, const struct replica *r, uint64_t a,
                uint64_t b)
{
    struct line *l = next(c, what, r);

    l->args[0] = a;
    l->args[1] = b;
}

void check_note(struct check *c, uint64_t now_ms, const char *format, uint64_t a, uint64_t b)
{
    c->now_ms = MAX(c->now_ms, now_ms);
    struct line *l = next(c, LINE_NOTE, NULL);

    l->format = format;
    l->args[0] = a;
    l->args[1] = b;
}

static void take_message(struct line *l, const struct raft_message *m)
{
    uint64_t *a = l->args;

    l->message = true;
    l->kind = (int)m->kind;
    l->from = m->from;
    l->to = m->to;
    a[0] = m->term;
    if (m->kind == RAFT_PRE_VOTE || m->kind == RAFT_VOTE) {
        a[1] = m->vote.last.index;
        a[2] = m->vote.last.term;
        a[3] = m->vote.transfer;
    } else if (m->kind == RAFT_PRE_VOTE_REPLY || m->kind == RAFT_VOTE_REPLY) {
        a[1] = m->vote_reply.granted;
    } else if (m->kind == RAFT_APPEND) {
        uint32_t runs = MIN(m->append.span.run_count, RAFT_RUN_MAX);
        a[1] = m->append.prev.index;
        a[2] = m->append.prev.term;
        a[3] = runs ? m->append.span.runs[runs - 1].index : 0;
        a[4] = runs ? m->append.span.runs[runs - 1].term : 0;
        a[5] = m->append.commit;
        a[6] = m->append.round;
    } else if (m->kind == RAFT_APPEND_REPLY) {
        a[1] = m->reply.status;
        a[2] = m->reply.match;
        a[3] = m->reply.durable;
        a[4] = m->reply.hint.index;
        a[5] = m->reply.hint.term;
        a[6] = m->reply.round;
    } else if (m->kind == RAFT_SNAPSHOT) {
        a[1] = m->install.snapshot->bound.index;
        a[2] = m->install.snapshot->bound.term;
    }
}

static void take_in(struct line *l, const struct raft_in *in)
{
    uint64_t *a = l->args;

    switch (in->kind) {
    case RAFT_IN_RECV:
        take_message(l, in->recv.message);
        return;
    case RAFT_IN_PROPOSE:
        a[0] = in->propose.last;
        a[1] = in->propose.expected_term;
        break;
    case RAFT_IN_DURABLE:
        a[0] = in->durable.ticket;
        break;
    case RAFT_IN_FETCHED:
        a[0] = in->fetched.to;
        a[1] = in->fetched.after;
        a[2] = in->fetched.result;
        break;
    case RAFT_IN_SNAPSHOT:
        a[0] = in->snapshot.to;
        a[1] = in->snapshot.snapshot ? in->snapshot.snapshot->bound.index : 0;
        break;
    case RAFT_IN_LOG_START:
        a[0] = in->log_start.start.index;
        break;
    case RAFT_IN_APPLIED:
        a[0] = in->applied.index;
        break;
    case RAFT_IN_CHANGE:
        a[0] = in->change.target->count;
        break;
    case RAFT_IN_TRANSFER:
        a[0] = in->transfer.to;
        break;
    case RAFT_IN_BARRIER:
        a[0] = in->barrier.ticket;
        break;
    case RAFT_IN_PEER:
        a[0] = in->peer.replica_id;
        a[1] = in->peer.alive;
        break;
    case RAFT_IN_TIME:
    case RAFT_IN_CANCEL:
    case RAFT_IN_CAMPAIGN:
    case RAFT_IN_UNFENCE:
    case RAFT_IN_HALT:
        break;
    }
    l->kind = (int)in->kind;
}

void line_in(struct check *c, const struct replica *r, const struct raft_in *in)
{
    c->now_ms = MAX(c->now_ms, in->now_ms);
    take_in(next(c, LINE_IN, r), in);
}

static void take_out(struct line *l, const struct raft_out *out)
{
    uint64_t *a = l->args;

    l->kind = (int)out->kind;
    if (out->kind == RAFT_OUT_ROLE) {
        a[0] = out->role.role;
        a[1] = out->role.term;
        a[2] = out->role.leader;
    } else if (out->kind == RAFT_OUT_HARD_STATE) {
        a[0] = out->hard_state.term;
        a[1] = out->hard_state.vote;
    } else if (out->kind == RAFT_OUT_APPEND) {
        a[0] = out->append.from;
        a[1] = out->append.last.index;
        a[2] = out->append.last.term;
        a[3] = out->append.source;
        a[4] = out->append.truncate;
    } else if (out->kind == RAFT_OUT_INSTALL) {
        a[0] = out->install.snapshot->bound.index;
        a[1] = out->install.snapshot->bound.term;
    } else if (out->kind == RAFT_OUT_COMMIT) {
        a[0] = out->commit.index;
    } else if (out->kind == RAFT_OUT_CONFIGURATION) {
        a[0] = out->configuration.index;
        a[1] = out->configuration.committed;
        a[2] = out->configuration.configuration->count;
    } else if (out->kind == RAFT_OUT_SERVE) {
        a[0] = out->serve.term;
    } else if (out->kind == RAFT_OUT_BARRIER) {
        a[0] = out->barrier.ticket;
        a[1] = out->barrier.index;
        a[2] = out->barrier.ok;
    } else if (out->kind == RAFT_OUT_CHANGE || out->kind == RAFT_OUT_TRANSFER ||
               out->kind == RAFT_OUT_REFUSED) {
        a[0] = out->refused.reason;
    } else if (out->kind == RAFT_OUT_FETCH) {
        a[0] = out->fetch.to;
        a[1] = out->fetch.after;
    } else if (out->kind == RAFT_OUT_SNAPSHOT || out->kind == RAFT_OUT_SUSPECT) {
        a[0] = out->snapshot.to;
    }
}

void line_out(struct check *c, const struct replica *r, const struct raft_out *out,
              const struct check_done *done)
{
    struct line *l = next(c, LINE_OUT, r);

    if (out->kind == RAFT_OUT_SEND) {
        take_message(l, &out->send.message);
        l->ticket = out->send.after_ticket;
        return;
    }
    take_out(l, out);
    l->ticket = done ? done->ticket : 0;
}

void line_leaves(struct check *c, const struct replica *r, const struct raft_message *m)
{
    take_message(next(c, LINE_LEAVES, r), m);
}

/* -- saying it ------------------------------------------------------------------------------------------- */

struct text {
    char *at;
    size_t len, cap;
};

static void PRINTF_LIKE(2, 3) say(struct text *t, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(t->at + t->len, t->cap - t->len, format, args);
    va_end(args);
    if (n > 0) {
        t->len = MIN(t->len + (size_t)n, t->cap - 1);
    }
}

static void say_message(struct text *t, const struct line *l)
{
    static const char *const statuses[] = {"accepted", "rejected", "busy"};
    enum raft_message_kind kind = (enum raft_message_kind)l->kind;
    const uint64_t *a = l->args;

    say(t, "%s %" PRIu64 " -> %" PRIu64 " term %" PRIu64, raft_message_name(kind), l->from, l->to,
        a[0]);
    if (kind == RAFT_PRE_VOTE || kind == RAFT_VOTE) {
        say(t, " last %" PRIu64 "^%" PRIu64 "%s", a[1], a[2], a[3] ? " transfer" : "");
    } else if (kind == RAFT_PRE_VOTE_REPLY || kind == RAFT_VOTE_REPLY) {
        say(t, a[1] ? " granted" : " refused");
    } else if (kind == RAFT_APPEND) {
        say(t, " after %" PRIu64 "^%" PRIu64, a[1], a[2]);
        if (a[3] != 0) {
            say(t, " to %" PRIu64 "^%" PRIu64, a[3], a[4]);
        }
        say(t, " commit %" PRIu64 " round %" PRIu64, a[5], a[6]);
    } else if (kind == RAFT_APPEND_REPLY) {
        say(t,
            " %s match %" PRIu64 " durable %" PRIu64 " hint %" PRIu64 "^%" PRIu64 " round %" PRIu64,
            statuses[a[1] % COUNT_OF(statuses)], a[2], a[3], a[4], a[5], a[6]);
    } else if (kind == RAFT_SNAPSHOT) {
        say(t, " of %" PRIu64 "^%" PRIu64, a[1], a[2]);
    }
}

static void say_numbers(struct text *t, const char *name, const struct line *l)
{
    size_t count = LINE_ARG_COUNT;

    say(t, "%s", name);
    while (count > 0 && l->args[count - 1] == 0) {
        count--;
    }
    for (size_t i = 0; i < count; i++) {
        say(t, " %" PRIu64, l->args[i]);
    }
}

static void say_out(struct text *t, const struct line *l)
{
    const uint64_t *a = l->args;

    if (l->kind == RAFT_OUT_ROLE) {
        say(t, "role %s term %" PRIu64 " leader %" PRIu64, raft_role_name((enum raft_role)a[0]),
            a[1], a[2]);
    } else if (l->kind == RAFT_OUT_HARD_STATE) {
        say(t, "hard_state term %" PRIu64 " vote %" PRIu64, a[0], a[1]);
    } else if (l->kind == RAFT_OUT_APPEND) {
        say(t, "append after %" PRIu64 " to %" PRIu64 "^%" PRIu64 " source %" PRIu64 "%s", a[0],
            a[1], a[2], a[3], a[4] ? " cutting" : "");
    } else if (l->kind == RAFT_OUT_CHANGE || l->kind == RAFT_OUT_TRANSFER ||
               l->kind == RAFT_OUT_REFUSED) {
        say(t, "%s %s", out_names[l->kind], raft_reason_name((enum raft_reason)a[0]));
    } else {
        say_numbers(t, out_names[l->kind], l);
    }
}

static void say_line(struct text *t, const struct line *l)
{
    static const char *const marks[] = {">", "<", "~", "durable", "starts", "stops", ""};

    say(t, "%8" PRIu64 " ", l->now_ms);
    if (l->what == LINE_NOTE) {
        say(t, "    ");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        say(t, l->format, l->args[0], l->args[1]);
#pragma GCC diagnostic pop
        say(t, "\n");
        return;
    }
    say(t, "%3" PRIu64 " %s ", l->replica_id, marks[l->what]);
    if (l->message) {
        say_message(t, l);
    } else if (l->what == LINE_IN) {
        say_numbers(t, in_names[l->kind], l);
    } else if (l->what == LINE_OUT) {
        say_out(t, l);
    } else {
        say_numbers(t, "", l);
    }
    if (l->ticket != 0) {
        say(t, " ticket %" PRIu64, l->ticket);
    }
    say(t, "\n");
}

void check_fail(struct check *c, const char *law, const char *format, ...)
{
    struct text t = {.at = (char *)mem_alloc(REPORT_BYTES_MAX), .cap = REPORT_BYTES_MAX};
    char what[WHAT_BYTES_MAX];
    va_list args;

    ASSERT(t.at != NULL);
    mem_free(c->report);
    c->report = t.at; /* failed() does not come back */
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    say(&t, "%s is broken at %" PRIu64 " ms, event %" PRIu64 ": %s\n", law, c->now_ms, c->event,
        what);
    for (uint64_t i = c->line_count > LINE_COUNT ? c->line_count - LINE_COUNT : 0;
         i < c->line_count; i++) {
        say_line(&t, &c->lines[i % LINE_COUNT]);
    }
    say(&t, "%s is broken: %s\n", law, what);
    c->options.failed(c->options.context, law, t.at);
    assert_failed("failed() has come back", __FILE__, __LINE__);
}
