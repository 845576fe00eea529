/* tests/raft/host_life.c: the life of a host, and its steps.
 *
 * WHY      The core is a function; this is the smallest honest thing that can stand around it: it keeps the promises of
 *          raft.h and nothing more, so what only works by luck of a kind host does not work here.
 * HOW      host_step() is the one place where raft_step() is called.
 * OWNER    The world, in one thread.
 * FAILURE  Asserts: each is a promise between host and core.
 */
#include "tests/raft/host_internal.h"

#include "base/mem.h"

#include <stdarg.h>

static uint32_t term_at(const void *context, uint64_t index)
{
    const struct host *h = context;

    return host_log_term_at(&h->log, index);
}

static struct raft_bound run_end(const void *context, uint32_t term_max)
{
    const struct host *h = context;

    return host_log_run_end(&h->log, term_max);
}

static uint64_t internal_index(const void *context)
{
    const struct host *h = context;

    return host_log_last(&h->log).index + 1;
}

static enum raft_read after(const void *context, uint64_t prev, uint32_t bytes_max,
                            struct raft_span *out)
{
    const struct host *h = context;

    return host_log_read(&h->log, prev, bytes_max, false, out);
}

static const struct raft_log log_functions = {term_at, run_end, internal_index, after};

void host_say(const struct host *h, const char *format, ...)
{
    va_list args;

    if (h->options.trace == NULL) {
        return;
    }
    (void)fprintf(h->options.trace, "%8" PRIu64 "  %2" PRIu64 "  ", h->now_ms,
                  h->options.replica_id);
    va_start(args, format);
    (void)vfprintf(h->options.trace, format, args);
    va_end(args);
    (void)fputc('\n', h->options.trace);
}

static void trace(void *context, const char *line)
{
    host_say(context, "%s", line);
}

struct host *host_new(const struct host_options *options)
{
    struct host *h = mem_zalloc(1, sizeof(*h));

    ASSERT(h != NULL && options->replica_id != 0);
    h->options = *options;
    h->ticket = h->durable = 1; /* of nothing: relaxed appends before the first sync need one */
    h->tickets = (enum host_tickets)(options->seed % HOST_TICKETS_COUNT);
    h->disk.clean = true;
    host_log_init(&h->log, options->base);
    host_log_init(&h->disk.log, options->base);
    return h;
}

void host_free(struct host *h)
{
    host_outbox_drop(h);
    host_log_deinit(&h->log);
    host_log_deinit(&h->disk.log);
    mem_free(h->raft);
    mem_free(h->writes);
    mem_free(h->writing);
    mem_free(h->configurations);
    mem_free(h->appended);
    mem_free(h->told);
    mem_free(h);
}

void host_configurations(const struct host_log *l, struct host_configurations *out)
{
    out->newest = host_log_configuration(l, UINT64_MAX - 1, &out->newest_index);
    out->previous = out->newest;
    out->previous_index = out->newest_index;
    if (out->newest_index > l->base->raft.bound.index) {
        const struct raft_configuration *before =
            host_log_configuration(l, out->newest_index - 1, &out->previous_index);

        if (before->count > 0) {
            out->previous = before;
        } else {
            out->previous_index = out->newest_index;
        }
    }
}

/* Members of both, each once. */
static uint32_t union_count(const struct raft_configuration *a, const struct raft_configuration *b)
{
    uint32_t count = a->count;

    for (uint32_t i = 0; i < b->count; i++) {
        bool both = false;

        for (uint32_t j = 0; j < a->count; j++) {
            both = both || a->members[j].replica_id == b->members[i].replica_id;
        }
        count += both ? 0 : 1;
    }
    return count;
}

static void boot(struct host *h, const struct raft_start *start)
{
    void *memory = mem_alloc(raft_size(start->member_max));

    ASSERT(memory != NULL);
    h->raft = raft_init(memory, start);
    h->end = HOST_UP;
    h->role = RAFT_FOLLOWER;
    h->term = start->term;
    h->leader = 0;
    h->serving = false;
    h->options.hooks->started(h->options.context, h, start);
}

void host_start(struct host *h, uint64_t now_ms)
{
    struct host_disk *d = &h->disk;
    struct host_configurations in_force;
    struct raft_start start = {.options = h->options.raft, .log = &log_functions, .context = h};

    ASSERT(h->end == HOST_DOWN && h->raft == NULL);
    h->now_ms = now_ms;
    d->boot++; /* H7: written before anything is said */
    d->fenced = h->options.raft->relaxed && (d->fenced || !d->clean);
    d->clean = false;
    host_log_reset(&h->log, d->log.base);
    if (d->log.count > 0) {
        host_log_append(&h->log, host_log_at(&d->log, 0), d->log.count);
    }
    h->state = d->log.base->state;
    h->applied = d->log.base->raft.bound.index;
    h->commit = MAX(h->applied, d->commit);
    h->log.cold = host_log_last(&h->log).index; /* nothing is in memory yet */
    h->log_ticket = 0;
    h->ticket_closed = true; /* what it stood for may be lost */
    h->relaxed_due = false;
    h->made = NULL;
    start.trace = h->options.trace != NULL ? trace : NULL;
    start.replica_id = h->options.replica_id;
    start.seed = h->options.seed + d->boot;
    start.now_ms = now_ms;
    start.boot = d->boot;
    start.term = d->term;
    start.vote = d->vote;
    start.start = h->log.base->raft.bound;
    start.last = host_log_last(&h->log);
    start.commit = h->commit;
    host_configurations(&h->log, &in_force);
    start.configuration = in_force.newest;
    start.configuration_index = in_force.newest_index;
    start.previous = in_force.previous;
    start.previous_index = in_force.previous_index;
    start.member_max = MAX(union_count(in_force.newest, in_force.previous), 1u);
    start.fenced = d->fenced;
    start.damaged = d->damaged;
    host_say(h,
             "start %" PRIu32 ": term %" PRIu32 " log %" PRIu64 "^%" PRIu32 "..%" PRIu64 "^%" PRIu32
             " commit %" PRIu64 "%s%s",
             d->boot, d->term, start.start.index, start.start.term, start.last.index,
             start.last.term, start.commit, d->fenced ? " fenced" : "",
             d->damaged ? " damaged" : "");
    boot(h, &start);
}

static void down(struct host *h, bool lossy)
{
    host_disk_forget(h);
    host_outbox_drop(h);
    mem_free(h->raft);
    h->raft = NULL;
    h->end = HOST_DOWN;
    h->role = RAFT_FOLLOWER;
    h->serving = false;
    h->options.hooks->stopped(h->options.context, h, lossy);
}

void host_stop(struct host *h)
{
    ASSERT(h->end == HOST_UP);
    host_say(h, "stop");
    (void)host_disk_do(h, h->write_count);
    h->disk.clean = true;
    h->durable = MAX(h->durable, h->ticket);
    down(h, false);
}

void host_crash(struct host *h, uint32_t whole, uint32_t part)
{
    ASSERT(h->raft != NULL);
    host_say(h, "crash: %" PRIu32 " of %" PRIu32 " writes survive, %" PRIu32 " entries more", whole,
             h->write_count, part);
    (void)host_disk_do(h, whole);
    host_disk_do_part(h, part);
    down(h, h->options.raft->relaxed);
}

void host_damage(struct host *h, uint64_t from)
{
    struct host_disk *d = &h->disk;

    ASSERT(h->end == HOST_DOWN && host_log_is_bound(&d->log, from));
    host_say(h, "what follows %" PRIu64 " cannot be read any more", from);
    host_log_cut(&d->log, from);
    d->commit = MIN(d->commit, from);
    d->damaged = true;
    h->options.hooks->stopped(h->options.context, h, true);
}

/* Moves the replica when the step needs room for more members. */
static void move(struct host *h, uint32_t member_max)
{
    void *memory = mem_alloc(raft_size(member_max)), *old = h->raft;

    ASSERT(memory != NULL);
    h->raft = raft_move(h->raft, memory, member_max);
    mem_free(old);
}

static void execute_all(struct host *h)
{
    struct raft_out out;

    while (raft_next(h->raft, &out)) {
        struct check_done done = {0};
        struct host_message *m = NULL;

        host_execute(h, &out, &done, &m);
        if (done.ticket != 0) {
            raft_ticket(h->raft, done.ticket);
        }
        h->options.hooks->out(h->options.context, h, &out, &done);
        if (m != NULL) {
            host_post(h, m);
        }
    }
}

void host_step(struct host *h, struct raft_in *in)
{
    ASSERT(h->raft != NULL);
    in->now_ms = MAX(in->now_ms, h->now_ms);
    h->now_ms = in->now_ms;
    uint32_t room = raft_room_for(h->raft, in);

    if (room > raft_member_max(h->raft) && room <= RAFT_MEMBER_MAX) {
        move(h, room);
    }
    h->options.hooks->before(h->options.context, h, in);
    raft_step(h->raft, in);
    execute_all(h);
    h->options.hooks->after(h->options.context, h);
}

void host_fail_disk(struct host *h, uint64_t now_ms)
{
    struct raft_in in = {.kind = RAFT_IN_HALT, .now_ms = now_ms};

    ASSERT(h->end == HOST_UP);
    host_say(h, "the disk fails");
    h->end = HOST_FAILED;
    host_disk_forget(h);
    host_outbox_drop(h);
    host_step(h, &in);
}

/* The configurations among the entries of a message, as a host that decodes payloads would find them. */
static uint32_t decode(struct host *h, const struct host_message *m)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < m->entry_count; i++) {
        if (m->entries[i].configuration == NULL) {
            continue;
        }
        if (count == h->configuration_capacity) {
            h->configuration_capacity = (count + 1) * 2;
            h->configurations = mem_realloc(h->configurations,
                                            h->configuration_capacity * sizeof(*h->configurations));
            ASSERT(h->configurations != NULL);
        }
        h->configurations[count].index = m->entries[i].bound.index;
        h->configurations[count].configuration = *m->entries[i].configuration;
        count++;
    }
    return count;
}

void host_receive(struct host *h, const struct host_message *m, bool busy, uint64_t now_ms)
{
    struct raft_in in = {.kind = RAFT_IN_RECV, .now_ms = now_ms};

    in.recv.message = &m->message;
    in.recv.configuration_count = decode(h, m);
    in.recv.configurations = h->configurations;
    in.recv.busy = busy;
    h->received = m;
    host_step(h, &in);
    h->received = NULL;
}

bool host_propose(struct host *h, struct host_entry *entries, uint32_t count,
                  uint32_t expected_term, uint64_t now_ms)
{
    struct raft_in in = {.kind = RAFT_IN_PROPOSE, .now_ms = now_ms};
    struct raft_bound before = host_log_last(&h->log), now;

    in.propose.last = entries[count - 1].bound.index;
    in.propose.expected_term = expected_term;
    for (uint32_t i = 0; i < count; i++) {
        in.propose.bytes += entries[i].bytes;
    }
    h->proposed = entries;
    h->proposed_count = count;
    host_step(h, &in);
    h->proposed = NULL;
    h->proposed_count = 0;
    now = host_log_last(&h->log);
    return now.index > before.index;
}

uint64_t host_sync_begins(struct host *h)
{
    h->ticket_closed = true;
    return h->written;
}

void host_synced(struct host *h, uint64_t mark, uint64_t now_ms)
{
    struct raft_in in = {.kind = RAFT_IN_DURABLE, .now_ms = now_ms};

    if (h->end != HOST_UP || mark <= h->synced) {
        return;
    }
    uint64_t ticket = host_disk_do(h, (uint32_t)(mark - h->synced));
    if (ticket <= h->durable) {
        return; /* appends without a ticket of their own */
    }
    ticket += h->tickets == HOST_TICKET_GAPS ? HOST_TICKET_GAP : 0;
    h->durable = ticket;
    h->options.hooks->durable(h->options.context, h, ticket);
    host_outbox_open(h);
    in.durable.ticket = ticket;
    host_step(h, &in);
}

void host_relaxed(struct host *h, uint64_t now_ms)
{
    struct raft_in in = {.kind = RAFT_IN_DURABLE, .now_ms = now_ms};

    if (h->end != HOST_UP || !h->relaxed_due) {
        return;
    }
    h->relaxed_due = false;
    h->options.hooks->durable(h->options.context, h, h->durable);
    in.durable.ticket = h->durable;
    host_step(h, &in);
}

void host_apply(struct host *h, uint64_t index, uint64_t now_ms)
{
    struct raft_in in = {.kind = RAFT_IN_APPLIED, .now_ms = now_ms};
    uint64_t end = MIN(index, h->commit);

    if (h->end != HOST_UP || end <= h->applied) {
        return;
    }
    for (uint32_t at = host_log_find(&h->log, h->applied); at < h->log.count; at++) {
        const struct host_entry *e = host_log_at(&h->log, at);
        struct check_entry entry = {e->bound, e->value, e->configuration};

        if (e->bound.index > end) {
            break;
        }
        h->options.hooks->apply(&h->state, &entry);
        h->applied = e->bound.index;
        h->options.hooks->applied(h->options.context, h, e);
    }
    if (!h->serving) {
        in.applied.index = h->applied;
        host_step(h, &in);
    }
}

const struct host_snapshot *host_snapshot_at(struct host *h, uint64_t index)
{
    const struct host_snapshot *base = h->log.base;
    struct host_snapshot s = {0};

    if (index == base->raft.bound.index) {
        return index > 0 && base->raft.configuration.count > 0 ? base : NULL;
    }
    if (index != h->applied || index < base->raft.bound.index) {
        return NULL;
    }
    const struct host_entry *last = host_log_at(&h->log, host_log_find(&h->log, index) - 1);

    ASSERT(last->bound.index == index);
    s.raft.bound = last->bound;
    s.raft.delta = last->delta;
    s.raft.log_start = index - last->delta;
    s.raft.configuration = *host_log_configuration(&h->log, index, &s.raft.configuration_index);
    s.state = h->state;
    return s.raft.configuration.count > 0 ? host_store_snapshot(h->options.store, &s) : NULL;
}

bool host_compact(struct host *h, bool all, uint64_t now_ms)
{
    struct raft_in in = {.kind = RAFT_IN_LOG_START, .now_ms = now_ms};
    const struct host_snapshot *s = h->made;

    if (h->end != HOST_UP || h->applied <= h->log.base->raft.bound.index) {
        return false;
    }
    if (s == NULL || s->raft.bound.index != h->applied) {
        h->made = host_snapshot_at(h, h->applied);
    }
    s = all ? h->made : s;
    if (s == NULL || s->raft.bound.index <= h->log.base->raft.bound.index) {
        return false;
    }
    host_log_start_at(&h->log, s);
    host_write_snapshot(h, HOST_WRITE_LOG_START, s, 0);
    in.log_start.start = s->raft.bound;
    host_step(h, &in);
    return true;
}

void host_note_commit(struct host *h)
{
    if (h->end == HOST_UP && h->commit > h->disk.commit) {
        host_write_commit(h, h->commit);
    }
}

void host_fetched(struct host *h, const struct host_fetch *f, bool fail, uint64_t now_ms)
{
    struct raft_in in = {.kind = RAFT_IN_FETCHED, .now_ms = now_ms};
    bool known = f->after < h->log.base->raft.bound.index ||
                 host_log_is_bound(&h->log, f->after); /* or it was cut off meanwhile */

    in.fetched.to = f->to;
    in.fetched.after = f->after;
    in.fetched.result = RAFT_READ_NONE;
    if (!fail && known) {
        in.fetched.result = host_log_read(&h->log, f->after, f->bytes_max, true, &in.fetched.span);
    }
    host_step(h, &in);
}

void host_snapshot(struct host *h, uint64_t to, uint64_t index, uint64_t now_ms)
{
    struct raft_in in = {.kind = RAFT_IN_SNAPSHOT, .now_ms = now_ms};

    h->given = host_snapshot_at(h, index);
    in.snapshot.to = to;
    in.snapshot.snapshot = h->given != NULL ? &h->given->raft : NULL;
    host_step(h, &in);
    h->given = NULL;
}

uint64_t host_deadline(const struct host *h)
{
    return h->raft != NULL ? raft_deadline(h->raft) : UINT64_MAX;
}
