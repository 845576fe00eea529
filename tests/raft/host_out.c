/* tests/raft/host_out.c: what a host does with the actions of the core.
 *
 * WHY      Everything the contract allows the core to say is taken at its word here, and asserted where the host knows
 *          better: an append must begin at a bound, a span must be what the log holds, a snapshot what was given.
 * HOW      host_execute() changes log and disk and makes messages; host_post() lets them go when their ticket is
 *          durable.
 * OWNER    The host, within a step.
 * FAILURE  Asserts (H1, H6, H8).
 */
#include "tests/raft/host_internal.h"

#include "base/mem.h"

enum { HOST_LINE_MAX = 512 };

static void scratch(struct host *h, uint32_t count)
{
    if (count > h->appended_capacity) {
        h->appended_capacity = count * 2;
        h->appended = mem_realloc(h->appended, h->appended_capacity * sizeof(*h->appended));
        h->told = mem_realloc(h->told, h->appended_capacity * sizeof(*h->told));
        ASSERT(h->appended != NULL && h->told != NULL);
    }
}

/* A ticket for a write that must be durable; of a relaxed append one that is so already, if none is awaited. An append
 * with a configuration is never relaxed. */
static uint64_t next_ticket(struct host *h, bool may_relax)
{
    if (may_relax && h->options.raft->relaxed) {
        uint64_t ticket = MAX(h->durable, h->log_ticket);

        h->relaxed_due = h->relaxed_due || ticket <= h->durable;
        h->log_ticket = ticket;
        return ticket;
    }
    if (h->tickets != HOST_TICKET_SHARED || h->ticket_closed || h->ticket <= h->durable) {
        h->ticket += h->tickets == HOST_TICKET_GAPS ? HOST_TICKET_GAP + 1 : 1;
        h->ticket_closed = false;
    }
    return h->ticket;
}

/* Entries of the message just received, after `from` and up to `last`, into h->appended. */
static uint32_t from_message(struct host *h, uint64_t from, struct raft_bound last)
{
    const struct host_message *m = h->received;
    uint32_t count = 0;

    ASSERT(m != NULL && m->message.kind == RAFT_APPEND);
    scratch(h, m->entry_count);
    for (uint32_t i = 0; i < m->entry_count; i++) {
        const struct host_entry *e = &m->entries[i];

        if (e->bound.index > from && e->bound.index <= last.index) {
            h->appended[count++] = *e;
        }
    }
    return count;
}

static uint32_t from_proposal(struct host *h, uint64_t from, struct raft_bound last)
{
    ASSERT(h->proposed_count > 0);
    scratch(h, h->proposed_count);
    for (uint32_t i = 0; i < h->proposed_count; i++) {
        h->appended[i] = h->proposed[i];
        h->appended[i].prev = i == 0 ? from : h->proposed[i - 1].bound.index;
        h->appended[i].bound.term = last.term;
        h->appended[i].configuration = NULL;
    }
    return h->proposed_count;
}

static uint32_t internal(struct host *h, const struct raft_out *out)
{
    struct host_entry e = {.prev = out->append.from, .bound = out->append.last, .bytes = 1};

    if (out->append.source == RAFT_ENTRY_CONFIGURATION) {
        e.configuration = host_store_configuration(h->options.store, out->append.configuration);
        e.bytes = (uint32_t)sizeof(struct raft_configuration);
    }
    scratch(h, 1);
    h->appended[0] = e;
    return 1;
}

static uint32_t entries_of(struct host *h, const struct raft_out *out)
{
    switch (out->append.source) {
    case RAFT_ENTRY_PROPOSAL:
        return from_proposal(h, out->append.from, out->append.last);
    case RAFT_ENTRY_MESSAGE:
        return from_message(h, out->append.from, out->append.last);
    case RAFT_ENTRY_TERM_START:
    case RAFT_ENTRY_CONFIGURATION:
        return internal(h, out);
    default:
        UNREACHABLE();
    }
}

/* "configuration at 764: 5 voter, 7 voter outgoing, 9 learner". */
static void say_configuration(const struct host *h, const struct raft_out *out)
{
    static const char *const names[] = {"nothing", "voter",   "outgoing",         "voter outgoing",
                                        "learner", "invalid", "outgoing learner", "invalid"};
    char text[HOST_LINE_MAX];
    int len = 0;

    if (h->options.trace == NULL || out->append.configuration == NULL) {
        return;
    }
    for (uint32_t i = 0; i < out->append.configuration->count && len < HOST_LINE_MAX; i++) {
        const struct raft_member *m = &out->append.configuration->members[i];

        len += snprintf(text + len, (size_t)(HOST_LINE_MAX - len), " %" PRIu64 " %s,",
                        m->replica_id, names[m->roles & 7]);
    }
    host_say(h, "configuration %" PRIu64 "^%" PRIu32 ":%s", out->append.last.index,
             out->append.last.term, text);
}

static bool configures(const struct host *h, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (h->appended[i].configuration != NULL) {
            return true;
        }
    }
    return false;
}

static void execute_append(struct host *h, const struct raft_out *out, struct check_done *done)
{
    ASSERT(host_log_is_bound(&h->log, out->append.from)); /* H6 */
    ASSERT(out->append.truncate == (host_log_last(&h->log).index > out->append.from));
    uint32_t count = entries_of(h, out);

    ASSERT(count > 0 && out->append.from >= h->commit);
    say_configuration(h, out);
    host_log_cut(&h->log, out->append.from);
    host_log_append(&h->log, h->appended, count);
    struct raft_bound last = host_log_last(&h->log);

    ASSERT(last.index == out->append.last.index && last.term == out->append.last.term);
    if (h->log.count > h->options.hot_count) {
        h->log.cold =
            MAX(h->log.cold, host_log_at(&h->log, h->log.count - h->options.hot_count)->prev);
    }
    done->ticket = next_ticket(h, !configures(h, count));
    h->log_ticket = done->ticket;
    host_write_append(h, out->append.from, count, done->ticket);
    for (uint32_t i = 0; i < count; i++) {
        const struct host_entry *e = &h->appended[i];

        h->told[i] = (struct check_entry){e->bound, e->value, e->configuration};
    }
    done->entries = h->told;
    done->entry_count = count;
}

static void execute_install(struct host *h, const struct raft_out *out, struct check_done *done)
{
    ASSERT(h->received != NULL && h->received->snapshot != NULL);
    ASSERT(out->install.snapshot == &h->received->snapshot->raft);
    const struct host_snapshot *s = h->received->snapshot;

    ASSERT(s->raft.bound.index > h->commit);
    host_log_reset(&h->log, s);
    h->state = s->state;
    h->applied = h->commit = s->raft.bound.index;
    done->ticket = next_ticket(h, false);
    h->log_ticket = done->ticket;
    host_write_snapshot(h, HOST_WRITE_INSTALL, s, done->ticket);
    done->state = h->state;
}

/* Entries of a span, out of the log, into the message. */
static void load_entries(struct host *h, struct host_message *m)
{
    const struct raft_message_append *a = &m->message.append;
    uint64_t last = a->span.runs[a->span.run_count - 1].index;

    ASSERT(host_log_is_bound(&h->log, a->prev.index) && host_log_is_bound(&h->log, last));
    uint32_t at = host_log_find(&h->log, a->prev.index), end = host_log_find(&h->log, last);

    ASSERT(at < end);
    host_message_reserve(m, end - at);
    memcpy(m->entries, host_log_at(&h->log, at), (end - at) * sizeof(*m->entries));
    m->entry_count = end - at;
    ASSERT(m->entries[m->entry_count - 1].bound.term == a->span.runs[a->span.run_count - 1].term);
}

static struct host_message *make_message(struct host *h, const struct raft_out *out)
{
    struct host_message *m = host_message_new(h->options.store);

    m->message = out->send.message;
    m->after_ticket = out->send.after_ticket;
    ASSERT(m->after_ticket <= MAX(h->ticket, h->durable));
    ASSERT(m->message.from == h->options.replica_id && m->message.to != m->message.from);
    if (m->message.kind == RAFT_APPEND && m->message.append.span.run_count > 0) {
        load_entries(h, m);
    } else if (m->message.kind == RAFT_SNAPSHOT) {
        ASSERT(h->given != NULL && m->message.install.snapshot == &h->given->raft);
        m->snapshot = h->given;
    }
    return m;
}

void host_execute(struct host *h, const struct raft_out *out, struct check_done *done,
                  struct host_message **out_message)
{
    switch ((int)out->kind) { /* the rest is the world's */
    case RAFT_OUT_ROLE:
        h->role = out->role.role;
        h->term = out->role.term;
        h->leader = out->role.leader;
        h->serving = false;
        break;
    case RAFT_OUT_HARD_STATE:
        done->ticket = next_ticket(h, false);
        host_write_hard_state(h, out->hard_state.term, out->hard_state.vote, done->ticket);
        break;
    case RAFT_OUT_APPEND:
        execute_append(h, out, done);
        break;
    case RAFT_OUT_INSTALL:
        execute_install(h, out, done);
        break;
    case RAFT_OUT_SEND:
        *out_message = make_message(h, out);
        break;
    case RAFT_OUT_COMMIT:
        ASSERT(out->commit.index >= h->commit); /* equal: after an INSTALL */
        ASSERT(host_log_is_bound(&h->log, out->commit.index));
        h->commit = out->commit.index;
        break;
    case RAFT_OUT_SERVE:
        h->serving = true;
        break;
    case RAFT_OUT_UNFENCED:
        h->disk.fenced = h->disk.damaged = false;
        break;
    default:
        break;
    }
}

void host_post(struct host *h, struct host_message *m)
{
    if (m->after_ticket <= h->durable) {
        h->options.hooks->leaves(h->options.context, h, m);
        return;
    }
    m->next = NULL;
    if (h->outbox_last != NULL) {
        h->outbox_last->next = m;
    } else {
        h->outbox = m;
    }
    h->outbox_last = m;
}

void host_outbox_open(struct host *h)
{
    struct host_message *m = h->outbox;

    h->outbox = h->outbox_last = NULL;
    while (m != NULL) {
        struct host_message *next = m->next;

        m->next = NULL;
        host_post(h, m);
        m = next;
    }
}

void host_outbox_drop(struct host *h)
{
    while (h->outbox != NULL) {
        struct host_message *m = h->outbox;

        h->outbox = m->next;
        host_message_free(h->options.store, m);
    }
    h->outbox_last = NULL;
}
