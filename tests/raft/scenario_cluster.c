/* tests/raft/scenario_cluster.c: a replica with its log, its disk and its clock: a host that does nothing by itself.
 *
 * WHY      A scenario is about order: what was durable when the power went, which message came first. So every step of
 *          the host is an event of its own here.
 * HOW      An action is executed and printed. What must be durable is kept as a write with its ticket; the disk is a
 *          second log, and a write is done to it when its ticket is made durable.
 * OWNER    struct scenario; payloads live in its arena until it ends.
 * FAILURE  A broken rule is kept as the scenario's breach and reported by the command that caused it.
 * LIMITS   SCENARIO_WRITE_MAX writes that are not durable.
 */
#include "tests/raft/scenario_cluster.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "tests/raft/scenario_text.h"

void scenario_breach(struct scenario *s, const char *format, ...)
{
    va_list args;

    if (s->breach[0] != '\0') {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(s->breach, sizeof(s->breach), format, args);
    va_end(args);
}

/* -- the log, as the core sees it ---------------------------------------------------------------------- */

static uint32_t term_at(const void *context, uint64_t index)
{
    return log_term_at(&((const struct scenario_replica *)context)->log, index);
}

static struct raft_bound run_end(const void *context, uint32_t term_max)
{
    return log_run_end(&((const struct scenario_replica *)context)->log, term_max);
}

static uint64_t internal_index(const void *context)
{
    return log_internal_index(&((const struct scenario_replica *)context)->log);
}

static enum raft_read after(const void *context, uint64_t prev, uint32_t bytes_max,
                            struct raft_span *out)
{
    return log_after(&((const struct scenario_replica *)context)->log, prev, bytes_max, false, out);
}

static const struct raft_log log_functions = {term_at, run_end, internal_index, after};

static void trace(void *context, const char *line)
{
    struct scenario_replica *r = context;

    print(&r->scenario->printed, "%" PRIu64 " > %s\n", r->id, line);
}

/* -- life ---------------------------------------------------------------------------------------------- */

struct scenario_replica *replica_find(struct scenario *s, uint64_t id)
{
    return id >= 1 && id <= SCENARIO_REPLICA_MAX ? s->replicas[id - 1] : NULL;
}

struct scenario_replica *replica_add(struct scenario *s, uint64_t id)
{
    struct scenario_replica *r = ARENA_NEW(&s->arena, struct scenario_replica);

    ASSERT(id >= 1 && id <= SCENARIO_REPLICA_MAX && r != NULL);
    r->scenario = s;
    r->id = id;
    s->replicas[id - 1] = r;
    return r;
}

/* Exactly so much that a step beyond it is a sanitizer's error. */
static void *memory_for(struct scenario_replica *r, uint32_t member_max)
{
    mem_free(r->memory);
    r->memory = mem_alloc(raft_size(member_max));
    ASSERT(r->memory != NULL);
    return r->memory;
}

static uint32_t members_together(const struct raft_configuration *of[2])
{
    uint32_t count = of[0]->count;

    for (uint32_t i = 0; i < of[1]->count; i++) {
        bool both = false;

        for (uint32_t k = 0; k < of[0]->count; k++) {
            both = both || of[0]->members[k].replica_id == of[1]->members[i].replica_id;
        }
        count += !both;
    }
    return MAX(count, 1);
}

/* Moves the replica to larger memory when the step needs it. */
static void make_room(struct scenario_replica *r, const struct raft_in *in)
{
    uint32_t room = raft_room_for(r->raft, in);

    if (room > raft_member_max(r->raft)) {
        void *old = r->memory;

        r->memory = NULL;
        r->raft = raft_move(r->raft, memory_for(r, room), room);
        mem_free(old);
    }
}

void replica_start(struct scenario_replica *r, uint32_t boot)
{
    const struct raft_configuration *configurations[2];
    uint64_t indexes[2];
    struct raft_start start = {.options = &r->scenario->options,
                               .log = &log_functions,
                               .context = r,
                               .trace = trace,
                               .replica_id = r->id,
                               .now_ms = r->now_ms,
                               .term = r->disk.term,
                               .vote = r->disk.vote};

    ASSERT(r->raft == NULL);
    r->log = r->disk.log;
    r->durable = r->ticket;
    r->boot = boot == 0 ? r->boot + 1 : boot;
    r->started = true;
    log_configurations(&r->log, configurations, indexes);
    start.boot = r->boot;
    start.seed = r->id * 1000 + r->boot;
    start.start = r->log.start;
    start.last = log_last(&r->log);
    start.commit = MAX(r->start_commit, r->log.start.index);
    start.configuration = configurations[0];
    start.previous = configurations[1];
    start.configuration_index = indexes[0];
    start.previous_index = indexes[1];
    start.fenced = r->disk.fenced;
    start.damaged = r->disk.damaged;
    r->committed = r->applied = start.commit;
    start.member_max = members_together(configurations);
    r->raft = raft_init(memory_for(r, start.member_max), &start);
}

void replica_crash(struct scenario_replica *r)
{
    r->raft = NULL;
    r->write_count = 0;
    r->snapshot_wanted = 0;
    r->committed_new = r->relaxed_due = false;
    memset(r->fetches, 0, sizeof(r->fetches));
    network_forget_unsent(r->scenario, r->id);
}

/* -- the disk ------------------------------------------------------------------------------------------ */

static void disk_write(struct scenario_replica *r, const struct scenario_write *w)
{
    if (w->kind == RAFT_OUT_HARD_STATE) {
        r->disk.term = w->term;
        r->disk.vote = w->vote;
    } else if (w->kind == RAFT_OUT_APPEND) {
        log_cut(&r->disk.log, w->from);
        log_append(&r->disk.log, w->entries);
    } else {
        log_install(&r->disk.log, w->snapshot);
    }
}

/* Is this one of the writes that are relaxed: entries, none of them a configuration? */
static bool write_relaxed(const struct scenario_replica *r, const struct scenario_write *w)
{
    bool relaxed = r->scenario->options.relaxed && w->kind == RAFT_OUT_APPEND;

    for (uint32_t i = 0; i < w->entries.count && relaxed; i++) {
        relaxed = w->entries.at[i].source != RAFT_ENTRY_CONFIGURATION;
    }
    return relaxed;
}

/* Number of the oldest writes that reach the disk when those up to a ticket are durable: the log has an order. */
static uint32_t writes_due(const struct scenario_replica *r, uint64_t ticket, bool flush)
{
    uint32_t due = 0;

    for (uint32_t i = 0; i < r->write_count && r->writes[i].ticket <= ticket; i++) {
        if (flush || !write_relaxed(r, &r->writes[i])) {
            due = i + 1;
        }
    }
    return due;
}

static void writes_do(struct scenario_replica *r, uint64_t ticket, bool flush)
{
    uint32_t due = writes_due(r, ticket, flush);

    for (uint32_t i = 0; i < due; i++) {
        disk_write(r, &r->writes[i]);
    }
    r->write_count -= due;
    memmove(r->writes, r->writes + due, r->write_count * sizeof(r->writes[0]));
}

void replica_flush(struct scenario_replica *r)
{
    writes_do(r, r->durable, true);
}

/* A relaxed append may get a ticket that is durable already: that is told to the core afterwards. */
static uint64_t ticket_for(struct scenario_replica *r, const struct scenario_write *w)
{
    if (r->scenario->relaxed_at_once && write_relaxed(r, w)) {
        r->relaxed_due = true;
        return MAX(MAX(r->durable, r->log_ticket), 1);
    }
    return ++r->ticket;
}

static void write_add(struct scenario_replica *r, const struct scenario_write *write)
{
    struct scenario_write *w = &r->writes[r->write_count];

    ASSERT(r->write_count < SCENARIO_WRITE_MAX);
    *w = *write;
    w->ticket = ticket_for(r, w);
    r->write_count++;
    if (w->kind != RAFT_OUT_HARD_STATE) {
        r->log_ticket = w->ticket;
    }
    r->ticket = MAX(r->ticket, w->ticket);
    raft_ticket(r->raft, w->ticket);
    print(&r->scenario->printed, ", ticket %" PRIu64, w->ticket);
}

/* -- what is checked ----------------------------------------------------------------------------------- */

static void check_leader(struct scenario_replica *r, const struct raft_out *out)
{
    uint32_t term = out->role.term;
    uint64_t *leader;

    if (out->role.role != RAFT_LEADER || term >= SCENARIO_TERM_MAX) {
        return;
    }
    leader = &r->scenario->leaders[term];
    if (*leader != 0 && *leader != r->id) {
        scenario_breach(r->scenario, "%" PRIu64 " and %" PRIu64 " both lead term %" PRIu32, *leader,
                        r->id, term);
    }
    *leader = r->id;
}

/* Place of the first committed entry with a bound of at least `index`. */
static uint32_t committed_place(const struct scenario *s, uint64_t index)
{
    uint32_t at = 0;

    while (at < s->committed_count && s->committed[at].bound.index < index) {
        at++;
    }
    return at;
}

static void check_committed(struct scenario_replica *r, const struct scenario_entry *e)
{
    struct scenario *s = r->scenario;
    uint32_t at = committed_place(s, e->bound.index);

    if (at == s->committed_count) {
        ASSERT(s->committed_count < SCENARIO_ENTRY_MAX);
        s->committed[s->committed_count++] = (struct scenario_committed){e->bound, e->content};
    } else if (s->committed[at].bound.index != e->bound.index ||
               s->committed[at].bound.term != e->bound.term ||
               s->committed[at].content != e->content) {
        scenario_breach(
            s, "%" PRIu64 " commits %" PRIu64 "^%" PRIu32 ", another one is committed there", r->id,
            e->bound.index, e->bound.term);
    }
}

static void check_commit(struct scenario_replica *r, uint64_t index)
{
    if (!log_is_bound(&r->log, index)) {
        scenario_breach(r->scenario, "%" PRIu64 " commits %" PRIu64 ", which is no bound", r->id,
                        index);
    }
    for (uint32_t i = 0; i < r->log.count && r->log.entries[i].bound.index <= index; i++) {
        check_committed(r, &r->log.entries[i]);
    }
}

/* Is what the core calls committed still there after a cut? */
static void check_cut(struct scenario_replica *r, uint64_t from)
{
    if (from < r->committed) {
        scenario_breach(r->scenario, "%" PRIu64 " cuts after %" PRIu64 ", %" PRIu64 " is committed",
                        r->id, from, r->committed);
    }
    if (!log_is_bound(&r->log, from)) {
        scenario_breach(r->scenario, "%" PRIu64 " cuts at %" PRIu64 ", which is no bound", r->id,
                        from);
    }
}

/* -- actions ------------------------------------------------------------------------------------------- */

/* The replica's own entry. */
static struct scenario_entries own_entry(struct scenario_replica *r, const struct raft_out *out)
{
    struct scenario_entry *e = ARENA_NEW(&r->scenario->arena, struct scenario_entry);

    ASSERT(e != NULL);
    e->bound = out->append.last;
    e->source = out->append.source;
    e->bytes = e->source == RAFT_ENTRY_PROPOSAL ? r->payload.at->bytes : 0;
    e->content = e->source == RAFT_ENTRY_PROPOSAL
                     ? UINT64_C(1) << 63 | r->id << 48 | (uint64_t)r->boot << 32 | ++r->proposals
                     : e->bound.index << 32 | e->bound.term;
    if (e->source == RAFT_ENTRY_CONFIGURATION) {
        e->configuration = *out->append.configuration;
    }
    return (struct scenario_entries){e, 1};
}

/* Of the message under way, what follows `from`. */
static struct scenario_entries entries_of_message(struct scenario_replica *r,
                                                  const struct raft_out *out)
{
    struct scenario_entries entries = r->payload;

    while (entries.count > 0 && entries.at->bound.index <= out->append.from) {
        entries.at++;
        entries.count--;
    }
    if (entries.count == 0 || entries.at[entries.count - 1].bound.index != out->append.last.index ||
        entries.at[entries.count - 1].bound.term != out->append.last.term) {
        scenario_breach(r->scenario, "%" PRIu64 " appends what the message does not hold", r->id);
        entries.count = 0;
    }
    return entries;
}

static void do_append(struct scenario_replica *r, const struct raft_out *out)
{
    bool message = out->append.source == RAFT_ENTRY_MESSAGE;
    struct scenario_entries entries = message ? entries_of_message(r, out) : own_entry(r, out);
    struct scenario_write w = {
        .kind = RAFT_OUT_APPEND, .from = out->append.from, .entries = entries};

    check_cut(r, out->append.from);
    if (out->append.truncate != (out->append.from != log_last(&r->log).index)) {
        scenario_breach(r->scenario, "%" PRIu64 " is wrong about a cut", r->id);
    }
    log_cut(&r->log, out->append.from);
    log_append(&r->log, entries);
    write_add(r, &w);
}

static void do_install(struct scenario_replica *r, const struct raft_out *out)
{
    struct raft_snapshot *copy = ARENA_NEW(&r->scenario->arena, struct raft_snapshot);
    struct scenario_write w = {.kind = RAFT_OUT_INSTALL, .snapshot = copy};

    ASSERT(copy != NULL);
    *copy = *out->install.snapshot;
    log_install(&r->log, copy);
    write_add(r, &w);
    r->applied = copy->bound.index;
}

/* Does the span of an append say what the log holds? */
static bool span_is_true(const struct raft_span *span, struct scenario_entries entries)
{
    uint32_t run = 0;

    for (uint32_t i = 0; i < entries.count && run < span->run_count; i++) {
        bool ends = entries.at[i].bound.index == span->runs[run].index;

        if (entries.at[i].bound.term != span->runs[run].term) {
            return false;
        }
        run += ends;
    }
    return run == span->run_count;
}

static void do_send(struct scenario_replica *r, const struct raft_out *out)
{
    struct scenario_flight f = {.message = out->send.message,
                                .after_ticket = out->send.after_ticket};
    const struct raft_message_append *append = &f.message.append;

    if (f.message.from != r->id || out->send.after_ticket > r->ticket) {
        scenario_breach(r->scenario, "%" PRIu64 " sends what it must not", r->id);
    }
    if (f.message.kind == RAFT_APPEND && append->span.run_count > 0) {
        uint64_t last = append->span.runs[append->span.run_count - 1].index;
        struct scenario_entries view = log_view(&r->log, append->prev.index, last);
        struct scenario_entry *copy =
            ARENA_ARRAY(&r->scenario->arena, struct scenario_entry, view.count);

        ASSERT(copy != NULL);
        memcpy(copy, view.at, view.count * sizeof(*copy));
        f.entries = (struct scenario_entries){copy, view.count};
        if (!span_is_true(&append->span, f.entries)) {
            scenario_breach(r->scenario, "%" PRIu64 " sends what its log does not hold", r->id);
        }
    }
    network_add(r->scenario, &f);
    if (!network_ready(r->scenario, &f)) {
        print(&r->scenario->printed, " (when ticket %" PRIu64 " is durable)", f.after_ticket);
    }
}

static void do_action(struct scenario_replica *r, const struct raft_out *out)
{
    switch (out->kind) {
    case RAFT_OUT_ROLE:
        check_leader(r, out);
        break;
    case RAFT_OUT_HARD_STATE: {
        struct scenario_write w = {.kind = RAFT_OUT_HARD_STATE,
                                   .term = out->hard_state.term,
                                   .vote = out->hard_state.vote};

        write_add(r, &w);
        break;
    }
    case RAFT_OUT_APPEND:
        do_append(r, out);
        break;
    case RAFT_OUT_INSTALL:
        do_install(r, out);
        break;
    case RAFT_OUT_SEND:
        do_send(r, out);
        break;
    case RAFT_OUT_FETCH:
        r->fetches[(out->fetch.to - 1) % SCENARIO_REPLICA_MAX] = *out;
        break;
    case RAFT_OUT_SNAPSHOT:
        r->snapshot_wanted |= 1u << (out->snapshot.to - 1);
        break;
    case RAFT_OUT_COMMIT:
        check_commit(r, out->commit.index);
        r->committed = out->commit.index;
        r->committed_new = true;
        break;
    case RAFT_OUT_UNFENCED:
        r->disk.fenced = r->disk.damaged = false;
        break;
    case RAFT_OUT_CONFIGURATION:
    case RAFT_OUT_SERVE:
    case RAFT_OUT_BARRIER:
    case RAFT_OUT_CHANGE:
    case RAFT_OUT_TRANSFER:
    case RAFT_OUT_REFUSED:
    case RAFT_OUT_SUSPECT:
    case RAFT_OUT_FATAL:
        break;
    }
}

/* Prints an action and remembers it as the newest of its kind. */
static void say_action(struct scenario_replica *r, const struct raft_out *out)
{
    struct buf *printed = &r->scenario->printed;
    size_t begin;

    if (out->kind == RAFT_OUT_SEND) {
        print_message(printed, &out->send.message);
        return;
    }
    print(printed, "%" PRIu64 ": ", r->id);
    begin = printed->len;
    print_action(printed, out);
    r->answers[out->kind] =
        arena_copy(&r->scenario->arena, (struct bytes){printed->at + begin, printed->len - begin});
}

static void step(struct scenario_replica *r, struct raft_in *in)
{
    struct raft_out out;

    in->now_ms = r->now_ms;
    make_room(r, in);
    raft_step(r->raft, in);
    while (raft_next(r->raft, &out)) {
        say_action(r, &out);
        do_action(r, &out);
        print(&r->scenario->printed, "\n");
    }
}

bool replica_unreported(const struct scenario_replica *r)
{
    return r->durable < r->ticket || r->relaxed_due;
}

static void report(struct scenario_replica *r, uint64_t ticket)
{
    struct raft_in in = {.kind = RAFT_IN_DURABLE, .durable = {.ticket = ticket}};

    ASSERT(ticket <= r->ticket);
    writes_do(r, ticket, false);
    r->durable = ticket;
    r->relaxed_due = false;
    step(r, &in);
}

/* What the host does by itself: the state machine applies, and the disk is at once, when the scenario says so. */
static bool settle_one(struct scenario_replica *r)
{
    struct raft_in in = {.kind = RAFT_IN_APPLIED};
    struct raft_view view;

    if (r->scenario->disk_at_once && replica_unreported(r)) {
        report(r, r->ticket);
        return true;
    }
    if (r->committed_new && !r->scenario->apply_by_hand) {
        raft_view(r->raft, &view);
        r->committed_new = false;
        r->applied = in.applied.index = view.commit;
        step(r, &in);
        return true;
    }
    return false;
}

static void settle(struct scenario_replica *r)
{
    bool more = true;

    while (more) {
        more = settle_one(r);
    }
}

void replica_step(struct scenario_replica *r, struct raft_in *in)
{
    ASSERT(r->raft != NULL);
    step(r, in);
    settle(r);
}

void replica_durable(struct scenario_replica *r, uint64_t ticket)
{
    if (r->raft != NULL && (ticket > r->durable || (ticket == r->durable && r->relaxed_due))) {
        report(r, ticket);
        settle(r);
    }
}

/* -- answers to wishes --------------------------------------------------------------------------------- */

void replica_fetched(struct scenario_replica *r, uint64_t to, enum raft_read result)
{
    struct raft_out *ask = &r->fetches[to - 1];
    struct raft_in in = {.kind = RAFT_IN_FETCHED,
                         .fetched = {.to = to, .after = ask->fetch.after, .result = result}};

    if (result == RAFT_READ_READY) {
        in.fetched.result =
            log_after(&r->log, ask->fetch.after, ask->fetch.bytes_max, true, &in.fetched.span);
    }
    ask->kind = RAFT_OUT_ROLE; /* not asked for any more */
    replica_step(r, &in);
}

void replica_snapshot(struct scenario_replica *r, uint64_t to, uint64_t index)
{
    struct raft_snapshot *s = ARENA_NEW(&r->scenario->arena, struct raft_snapshot);
    struct raft_in in = {.kind = RAFT_IN_SNAPSHOT, .snapshot = {.to = to}};

    ASSERT(s != NULL);
    if (index != UINT64_MAX && log_snapshot(&r->log, index, s)) {
        in.snapshot.snapshot = s;
    }
    r->snapshot_wanted &= ~(1u << (to - 1));
    replica_step(r, &in);
}
