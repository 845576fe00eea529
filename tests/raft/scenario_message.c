/* tests/raft/scenario_message.c: the commands for the network: deliver, drop, repeat, delay, and messages made by hand.
 *
 * WHY      "deliver 1->3 #2" is how a scenario says that the second message came first.
 * RULES    deliver, drop, duplicate and keep take the same selection, of the messages that are in the network now:
 *              [1->3] [kind] [N | last | #N] [busy]        each side of the link may be *; N: the first N
 *          A selection that names a link or kind and finds nothing is a mistake of the scenario.
 * OWNER    struct scenario.
 * FAILURE  Bad words fail the scenario.
 * LIMITS   SELECTED_MAX messages at once.
 */
#include "tests/raft/scenario_verbs.h"

enum { SELECTED_MAX = 512 };

struct selection {
    uint64_t from, to; /* 0: any */
    bool by_link, by_kind, last, busy;
    enum raft_message_kind kind;
    uint64_t first, nth; /* 0: not said */
    uint32_t count;
    uint32_t at[SELECTED_MAX]; /* places in the network, rising */
};

static void selection_word(struct scenario *s, struct bytes word, struct selection *out)
{
    if (word_link(word, &out->from, &out->to)) {
        out->by_link = true;
    } else if (word_is(word, "last")) {
        out->last = true;
    } else if (word_is(word, "busy")) {
        out->busy = true;
    } else if (text_message_kind(word, &out->kind) == OK) {
        out->by_kind = true;
    } else if (word.len > 1 && word.at[0] == '#' &&
               text_u64(bytes_slice(word, 1, word.len), &out->nth) == OK) {
        return;
    } else if (text_u64(word, &out->first) != OK) {
        scenario_wrong(s, "'%.*s' selects nothing", BYTES_ARG(word));
    }
}

static bool matches(const struct selection *sel, const struct raft_message *m)
{
    return (sel->from == 0 || sel->from == m->from) && (sel->to == 0 || sel->to == m->to) &&
           (!sel->by_kind || sel->kind == m->kind);
}

/* Keeps of the places found those that the numbers want. */
static void narrow(struct selection *sel)
{
    if (sel->last && sel->count > 0) {
        sel->at[0] = sel->at[sel->count - 1];
        sel->count = 1;
    } else if (sel->nth > 0 && sel->nth <= sel->count) {
        sel->at[0] = sel->at[sel->nth - 1];
        sel->count = 1;
    } else if (sel->nth > 0) {
        sel->count = 0;
    } else if (sel->first > 0) {
        sel->count = MIN(sel->count, (uint32_t)sel->first);
    }
}

static void selection_of(struct scenario *s, const struct words *w, struct selection *out)
{
    *out = (struct selection){.from = 0};
    for (uint32_t i = 1; i < w->count; i++) {
        selection_word(s, w->at[i], out);
    }
    for (uint32_t i = 0; i < s->flight_count; i++) {
        const struct scenario_flight *f = &s->flights[i];

        if (network_ready(s, f) && matches(out, &f->message)) {
            ASSERT(out->count < SELECTED_MAX);
            out->at[out->count++] = i;
        }
    }
    narrow(out);
    if (out->count == 0 && w->count > 1) {
        scenario_wrong(s, "there is no such message");
    }
}

static void deliver(struct scenario *s, const struct words *w)
{
    struct selection sel;

    selection_of(s, w, &sel);
    for (uint32_t i = 0; i < sel.count; i++) {
        network_deliver(s, sel.at[i] - i, sel.busy);
    }
}

static void drop(struct scenario *s, const struct words *w)
{
    struct selection sel;

    selection_of(s, w, &sel);
    for (uint32_t i = 0; i < sel.count; i++) {
        network_remove(s, sel.at[i] - i);
    }
}

/* A copy of each is now the newest. */
static void duplicate(struct scenario *s, const struct words *w)
{
    struct selection sel;

    selection_of(s, w, &sel);
    for (uint32_t i = 0; i < sel.count; i++) {
        struct scenario_flight copy = s->flights[sel.at[i]];

        copy.after_ticket = 0;
        network_add(s, &copy);
    }
}

/* Puts them aside, whatever happens, until release. */
static void keep(struct scenario *s, const struct words *w)
{
    struct selection sel;

    selection_of(s, w, &sel);
    for (uint32_t i = 0; i < sel.count; i++) {
        s->flights[sel.at[i]].kept = true;
        s->flights[sel.at[i]].after_ticket = 0;
    }
}

static void release(struct scenario *s, const struct words *w)
{
    (void)w;
    for (uint32_t i = 0; i < s->flight_count; i++) {
        s->flights[i].kept = false;
    }
}

/* misdeliver 1->2 3: the first message of that link, as it is, to 3 */
static void misdeliver(struct scenario *s, const struct words *w)
{
    struct scenario_replica *r = word_replica(s, w, 2);
    struct selection sel = {.count = 0};
    struct words link = {.at = {w->at[0], w->at[1]}, .count = 2};

    selection_of(s, &link, &sel);
    if (r != NULL && sel.count > 0) {
        struct scenario_flight f = s->flights[sel.at[0]];
        struct raft_in in = {.kind = RAFT_IN_RECV, .recv = {.message = &f.message}};

        network_remove(s, sel.at[0]);
        r->payload = f.entries;
        replica_step(r, &in);
    }
}

/* stabilize | stabilize 1 2: all that can happen without time, among all or some */
static void stabilize(struct scenario *s, const struct words *w)
{
    uint32_t among = w->count == 1 ? UINT32_MAX : 0;

    for (uint32_t i = 1; i < w->count; i++) {
        among |= 1u << (word_u64(s, w, i) - 1);
    }
    if (!network_stabilize(s, among)) {
        scenario_wrong(s, "the cluster does not come to rest");
    }
}

/* -- links --------------------------------------------------------------------------------------------- */

static void heal(struct scenario *s, const struct words *w)
{
    (void)w;
    memset(s->blocked, 0, sizeof(s->blocked));
}

/* partition 1 2 | 3 4 5: who is not named is alone */
static void partition(struct scenario *s, const struct words *w)
{
    int side[SCENARIO_REPLICA_MAX], group = 0;

    for (int i = 0; i < SCENARIO_REPLICA_MAX; i++) {
        side[i] = -1 - i;
    }
    for (uint32_t i = 1; i < w->count; i++) {
        if (word_is(w->at[i], "|")) {
            group++;
        } else {
            side[(word_u64(s, w, i) - 1) % SCENARIO_REPLICA_MAX] = group;
        }
    }
    for (int from = 0; from < SCENARIO_REPLICA_MAX; from++) {
        for (int to = 0; to < SCENARIO_REPLICA_MAX; to++) {
            s->blocked[from][to] = side[from] != side[to];
        }
    }
}

/* isolate 3: from all others. More than one: each alone */
static void isolate(struct scenario *s, const struct words *w)
{
    for (uint32_t i = 1; i < w->count; i++) {
        uint64_t id = (word_u64(s, w, i) - 1) % SCENARIO_REPLICA_MAX;

        for (int other = 0; other < SCENARIO_REPLICA_MAX; other++) {
            s->blocked[id][other] = s->blocked[other][id] = true;
        }
    }
}

/* block 1->3: one direction */
static void block(struct scenario *s, const struct words *w)
{
    uint64_t from, to;

    if (w->count < 2 || !word_link(w->at[1], &from, &to) || from == 0 || to == 0) {
        scenario_wrong(s, "block A->B");
        return;
    }
    s->blocked[from - 1][to - 1] = true;
}

/* -- messages made by hand ----------------------------------------------------------------------------- */

/* "2^1 5^2": as the host would read them. Growth is not checked: a scenario may send nonsense. */
static struct scenario_entries entries_of(struct scenario *s, struct bytes text)
{
    struct scenario_entry *at = ARENA_ARRAY(&s->arena, struct scenario_entry, SCENARIO_ENTRY_MAX);
    uint32_t count = 0;
    struct words words;

    ASSERT(at != NULL);
    if (words_of(text, &words) != OK) {
        words.count = 0;
    }
    for (; count < words.count; count++) {
        if (log_entry_of_text(words.at[count], &at[count]) != OK) {
            scenario_wrong(s, "entries are index^term");
            break;
        }
    }
    return (struct scenario_entries){at, count};
}

/* One run per entry unless the term stays. */
static void span_of(struct scenario_entries entries, struct raft_span *out)
{
    for (uint32_t i = 0; i < entries.count; i++) {
        struct raft_bound b = entries.at[i].bound;
        bool same = out->run_count > 0 && out->runs[out->run_count - 1].term == b.term;

        out->run_count += !same && out->run_count < RAFT_RUN_MAX;
        out->runs[out->run_count - 1] = b;
        out->bytes += entries.at[i].bytes;
    }
}

struct field {
    const char *name;
    size_t at, bytes;
};

#define FIELD(name, member)                                                                     \
    {                                                                                           \
        name, offsetof(struct raft_message, member), sizeof(((struct raft_message *)0)->member) \
    }

static const struct field append_fields[] = {
    FIELD("commit", append.commit),   FIELD("round", append.round),
    FIELD("sent", append.sent_bytes), FIELD("sequence", append.sequence),
    FIELD("boot", append.boot),       FIELD("runs", append.span.run_count),
};
static const struct field reply_fields[] = {
    FIELD("sequence", reply.sequence), FIELD("boot", reply.boot),
    FIELD("round", reply.round),       FIELD("sent", reply.sent_bytes),
    FIELD("match", reply.match),       FIELD("durable", reply.durable),
    FIELD("last", reply.last),         FIELD("status", reply.status),
};
static const struct field common_fields[] = {FIELD("term", term), FIELD("kind", kind)};

/* Sets a number of the message; false: there is no such field. */
static bool field_set(struct raft_message *m, struct bytes name, uint64_t value)
{
    const struct field *fields = m->kind == RAFT_APPEND ? append_fields : reply_fields;
    size_t count = m->kind == RAFT_APPEND         ? COUNT_OF(append_fields)
                   : m->kind == RAFT_APPEND_REPLY ? COUNT_OF(reply_fields)
                                                  : 0;

    for (size_t i = 0; i < count + COUNT_OF(common_fields); i++) {
        const struct field *f = i < count ? &fields[i] : &common_fields[i - count];

        if (word_is(name, f->name)) {
            memcpy((uint8_t *)m + f->at, &value, f->bytes); /* the low bytes come first */
            return true;
        }
    }
    return false;
}

/* Bounds, entries, configurations: what is not a number. False: it is one. */
static bool inject_words(struct scenario *s, const struct words *w, uint32_t at,
                         struct scenario_flight *f)
{
    struct raft_message *m = &f->message;

    if (word_is(w->at[at], "entries")) {
        f->entries = entries_of(s, w->at[at + 1]);
        span_of(f->entries, &m->append.span);
    } else if (word_is(w->at[at], "after") && m->kind == RAFT_APPEND) {
        m->append.prev = word_bound(s, w, at + 1);
    } else if (word_is(w->at[at], "after")) {
        m->reply.prev = word_bound(s, w, at + 1);
    } else if (word_is(w->at[at], "hint")) {
        m->reply.hint = word_bound(s, w, at + 1);
    } else if (word_is(w->at[at], "last") && m->kind != RAFT_APPEND_REPLY) {
        m->vote.last = word_bound(s, w, at + 1);
    } else if (word_is(w->at[at], "of")) {
        struct raft_snapshot *snapshot = ARENA_NEW(&s->arena, struct raft_snapshot);

        ASSERT(snapshot != NULL);
        snapshot->bound = word_bound(s, w, at + 1);
        snapshot->configuration.members[snapshot->configuration.count++] =
            (struct raft_member){.replica_id = m->from, .roles = RAFT_VOTER};
        m->install.snapshot = snapshot;
    } else if (word_is(w->at[at], "with")) {
        struct raft_snapshot *snapshot = ARENA_NEW(&s->arena, struct raft_snapshot);

        ASSERT(snapshot != NULL);
        *snapshot = *m->install.snapshot;
        word_configuration(s, w, at + 1, &snapshot->configuration);
        m->install.snapshot = snapshot;
    } else {
        return false;
    }
    return true;
}

/* inject 1->3 append term 2 after 1^1 entries "2^2" commit 1 ...: it arrives at once, whoever runs */
static void inject(struct scenario *s, const struct words *w)
{
    struct scenario_flight f = {.after_ticket = 0};
    struct raft_message *m = &f.message;

    if (w->count < 3 || !word_link(w->at[1], &m->from, &m->to) ||
        text_message_kind(w->at[2], &m->kind) != OK) {
        scenario_wrong(s, "inject A->B KIND ...");
        return;
    }
    for (uint32_t i = 3; i < w->count; i++) {
        if (word_is(w->at[i], "granted")) {
            m->vote_reply.granted = true;
        } else if (word_is(w->at[i], "transfer")) {
            m->vote.transfer = true;
        } else if (i + 1 < w->count && inject_words(s, w, i, &f)) {
            i++;
        } else if (i + 1 < w->count && field_set(m, w->at[i], word_u64(s, w, i + 1))) {
            i++;
        } else {
            scenario_wrong(s, "'%.*s' is no field of it", BYTES_ARG(w->at[i]));
        }
    }
    if (s->wrong.len == 0) {
        network_add(s, &f);
        network_deliver(s, s->flight_count - 1, false);
    }
}

const struct verb scenario_message_verbs[] = {
    {"deliver", deliver, false, false},
    {"drop", drop, false, false},
    {"duplicate", duplicate, false, false},
    {"keep", keep, false, false},
    {"release", release, false, false},
    {"stabilize", stabilize, false, false},
    {"heal", heal, false, false},
    {"partition", partition, false, false},
    {"isolate", isolate, false, false},
    {"block", block, false, false},
    {"inject", inject, false, false},
    {"misdeliver", misdeliver, false, false},
    {NULL, NULL, false, false},
};
