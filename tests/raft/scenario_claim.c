/* tests/raft/scenario_claim.c: what a scenario expects. --update never changes these.
 *
 * WHY      Golden lines say what the core did; a claim says what is right. A scenario has one at least.
 * RULES    A claim looks and does nothing. Each says what it found when it was false.
 * OWNER    struct scenario.
 * FAILURE  A false claim fails the scenario, and so do words that are none.
 */
#include "tests/raft/scenario_verbs.h"

/* What is claimed of one replica, word by word. */
struct claim {
    struct scenario *scenario;
    struct scenario_replica *replica;
    const struct words *w;
    uint32_t at;
    struct raft_view view;
};

struct fact {
    const char *name;
    size_t at; /* in struct raft_view */
    bool expected;
};

#define YES(name, member)                              \
    {                                                  \
        name, offsetof(struct raft_view, member), true \
    }
#define NO(name, member)                                \
    {                                                   \
        name, offsetof(struct raft_view, member), false \
    }

static const struct fact facts[] = {
    YES("serving", serving),
    NO("not-serving", serving),
    YES("fenced", fenced),
    NO("not-fenced", fenced),
    YES("transferring", transferring),
    NO("not-transferring", transferring),
    YES("changing", changing),
    NO("not-changing", changing),
    YES("joint", joint),
    NO("simple", joint),
    YES("settled", configuration_committed),
    NO("unsettled", configuration_committed),
};

struct number {
    const char *name;
    size_t at, bytes;
};

#define NUMBER(name, member)                                                              \
    {                                                                                     \
        name, offsetof(struct raft_view, member), sizeof(((struct raft_view *)0)->member) \
    }

static const struct number numbers[] = {
    NUMBER("follows", leader),  NUMBER("vote", vote),
    NUMBER("term", term),       NUMBER("boot", boot),
    NUMBER("durable", durable), NUMBER("commit", commit),
    NUMBER("applied", applied), NUMBER("configured-at", configuration_index),
};

static uint64_t number_at(const void *base, size_t at, size_t bytes)
{
    uint64_t value = 0;

    memcpy(&value, (const uint8_t *)base + at, bytes);
    return value;
}

static bool claim_fact(struct claim *c)
{
    struct bytes word = c->w->at[c->at];

    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        if (word_is(word, facts[i].name)) {
            bool is = number_at(&c->view, facts[i].at, sizeof(bool)) != 0;

            if (is != facts[i].expected) {
                scenario_wrong(c->scenario, "it is not '%s'", facts[i].name);
            }
            return true;
        }
    }
    return false;
}

static bool claim_role(struct claim *c)
{
    struct bytes word = c->w->at[c->at];

    for (int role = RAFT_FOLLOWER; role <= RAFT_HALTED; role++) {
        if (word_is(word, raft_role_name((enum raft_role)role))) {
            if (c->view.role != (enum raft_role)role) {
                scenario_wrong(c->scenario, "it is a %s", raft_role_name(c->view.role));
            }
            return true;
        }
    }
    return false;
}

static void same_number(struct claim *c, const char *what, uint64_t is)
{
    if (word_u64(c->scenario, c->w, ++c->at) != is) {
        scenario_wrong(c->scenario, "%s is %" PRIu64, what, is);
    }
}

static bool claim_number(struct claim *c)
{
    struct bytes word = c->w->at[c->at];

    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        if (word_is(word, numbers[i].name)) {
            same_number(c, numbers[i].name, number_at(&c->view, numbers[i].at, numbers[i].bytes));
            return true;
        }
    }
    return false;
}

static void same_text(struct scenario *s, const char *what, struct bytes want, struct buf *is)
{
    if (!bytes_equal(bytes_trim(want), buf_view(is))) {
        scenario_wrong(s, "%s is \"%.*s\"", what, BYTES_ARG(buf_view(is)));
    }
    buf_deinit(is);
}

static void same_bound(struct claim *c, const char *what, struct raft_bound is)
{
    struct raft_bound want = word_bound(c->scenario, c->w, ++c->at);

    if (want.index != is.index || want.term != is.term) {
        scenario_wrong(c->scenario, "%s is %" PRIu64 "^%" PRIu32, what, is.index, is.term);
    }
}

enum { TEXT_BYTES_MAX = 1 << 16 };

static void claim_configuration(struct claim *c)
{
    struct raft_configuration is;
    struct buf text;

    buf_init(&text, TEXT_BYTES_MAX);
    raft_configuration_get(c->replica->raft, &is);
    print_configuration(&text, &is);
    same_text(c->scenario, "the configuration", c->w->at[++c->at], &text);
}

static void claim_log(struct claim *c, const struct scenario_log *log)
{
    struct buf text;

    buf_init(&text, TEXT_BYTES_MAX);
    print_log(&text, log);
    same_text(c->scenario, "the log", c->w->at[++c->at], &text);
}

/* Those with a value that is no number. */
static bool claim_value(struct claim *c)
{
    struct bytes word = c->w->at[c->at];

    if (c->at + 1 >= c->w->count) {
        return false;
    }
    if (word_is(word, "last")) {
        same_bound(c, "last", c->view.last);
    } else if (word_is(word, "start")) {
        same_bound(c, "start", c->view.start);
    } else if (word_is(word, "start-delta")) {
        same_number(c, "start-delta", c->replica->log.start_delta);
    } else if (word_is(word, "start-configured-at")) {
        same_number(c, "start-configured-at", c->replica->log.start_configuration_index);
    } else if (word_is(word, "configuration")) {
        claim_configuration(c);
    } else if (word_is(word, "log")) {
        claim_log(c, &c->replica->log);
    } else {
        return false;
    }
    return true;
}

/* expect 1 leader term 2 commit 4 serving log "1^1 2^2" configuration "1 2 3" */
static void expect(struct scenario *s, const struct words *w)
{
    struct claim c = {.scenario = s, .replica = word_replica(s, w, 1), .w = w};

    if (c.replica == NULL) {
        return;
    }
    raft_view(c.replica->raft, &c.view);
    for (c.at = 2; c.at < w->count; c.at++) {
        if (!claim_role(&c) && !claim_fact(&c) && !claim_number(&c) && !claim_value(&c)) {
            scenario_wrong(s, "'%.*s' can not be expected", BYTES_ARG(w->at[c.at]));
            return;
        }
    }
}

/* expect-log 2 "1^1 2^2" */
static void expect_log(struct scenario *s, const struct words *w)
{
    struct claim c = {.scenario = s, .replica = word_replica(s, w, 1), .w = w, .at = 1};

    if (c.replica != NULL && w->count == 3) {
        claim_log(&c, &c.replica->log);
    }
}

/* expect-disk 2 term 3 vote 1 log "1^1": what a crash now would leave */
static void expect_disk(struct scenario *s, const struct words *w)
{
    struct claim c = {.scenario = s, .replica = word_member(s, w, 1), .w = w};

    for (c.at = 2; c.replica != NULL && c.at + 1 < w->count; c.at++) {
        const struct scenario_disk *disk = &c.replica->disk;

        if (word_is(w->at[c.at], "log")) {
            claim_log(&c, &disk->log);
        } else {
            bool term = word_is(w->at[c.at], "term");
            uint64_t is = term ? disk->term : disk->vote;

            if (word_u64(s, w, ++c.at) != is) {
                scenario_wrong(s, "%s is %" PRIu64, term ? "term" : "vote", is);
            }
        }
    }
}

/* -- a leader's view of a follower --------------------------------------------------------------------- */

static bool peer_find(const struct scenario_replica *r, uint64_t id, struct raft_peer_view *out)
{
    for (uint32_t at = 0; raft_peer_get(r->raft, at, out); at++) {
        if (out->replica_id == id) {
            return true;
        }
    }
    return false;
}

static const struct number peer_numbers[] = {
    {"match", offsetof(struct raft_peer_view, match), sizeof(uint64_t)},
    {"durable", offsetof(struct raft_peer_view, durable), sizeof(uint64_t)},
    {"sent", offsetof(struct raft_peer_view, sent), sizeof(uint64_t)},
    {"in-flight", offsetof(struct raft_peer_view, in_flight), sizeof(uint32_t)},
};

static bool peer_number(struct scenario *s, const struct words *w, uint32_t at,
                        const struct raft_peer_view *p)
{
    for (size_t i = 0; i < COUNT_OF(peer_numbers); i++) {
        if (word_is(w->at[at], peer_numbers[i].name)) {
            uint64_t is = number_at(p, peer_numbers[i].at, peer_numbers[i].bytes);

            if (word_u64(s, w, at + 1) != is) {
                scenario_wrong(s, "%s is %" PRIu64, peer_numbers[i].name, is);
            }
            return true;
        }
    }
    return false;
}

/* expect-peer 1 3 probe match 4 durable 3 sent 5 in-flight 1 | expect-peer 1 3 gone */
static void expect_peer(struct scenario *s, const struct words *w)
{
    struct scenario_replica *r = word_replica(s, w, 1);
    struct raft_peer_view p;
    bool gone = word_has(w, 3, "gone");

    if (r == NULL) {
        return;
    }
    if (peer_find(r, word_u64(s, w, 2), &p) == gone) {
        scenario_wrong(s, gone ? "it is still there" : "there is no such peer");
        return;
    }
    for (uint32_t i = 3; !gone && i < w->count; i++) {
        if (peer_number(s, w, i, &p)) {
            i++;
        } else if (!word_is(w->at[i], text_peer_state(p.state))) {
            scenario_wrong(s, "it is in state %s", text_peer_state(p.state));
        }
    }
}

/* -- messages and answers ------------------------------------------------------------------------------ */

static void count_messages(struct scenario *s, const struct words *w, bool ready)
{
    uint64_t from, to, count = 0, want = word_u64(s, w, 3);
    enum raft_message_kind kind = RAFT_APPEND;
    bool any = w->count > 2 && word_is(w->at[2], "any");

    if (w->count < 4 || !word_link(w->at[1], &from, &to) ||
        (!any && text_message_kind(w->at[2], &kind) != OK)) {
        scenario_wrong(s, "%.*s A->B KIND COUNT", BYTES_ARG(w->at[0]));
        return;
    }
    for (uint32_t i = 0; i < s->flight_count; i++) {
        const struct scenario_flight *f = &s->flights[i];

        count += (from == 0 || f->message.from == from) && (to == 0 || f->message.to == to) &&
                 (any || f->message.kind == kind) && network_ready(s, f) == ready;
    }
    if (count != want) {
        scenario_wrong(s, "there are %" PRIu64, count);
    }
}

/* expect-messages 1->3 append 2: in the network now */
static void expect_messages(struct scenario *s, const struct words *w)
{
    count_messages(s, w, true);
}

/* expect-waiting 1->3 vote_reply 1: not sent yet, its ticket is not durable */
static void expect_waiting(struct scenario *s, const struct words *w)
{
    count_messages(s, w, false);
}

struct answer {
    const char *name;
    enum raft_out_kind kind;
};

static const struct answer answers[] = {
    {"role", RAFT_OUT_ROLE},         {"serve", RAFT_OUT_SERVE},
    {"barrier", RAFT_OUT_BARRIER},   {"change", RAFT_OUT_CHANGE},
    {"transfer", RAFT_OUT_TRANSFER}, {"refused", RAFT_OUT_REFUSED},
    {"unfenced", RAFT_OUT_UNFENCED}, {"suspect", RAFT_OUT_SUSPECT},
    {"fatal", RAFT_OUT_FATAL},       {"install", RAFT_OUT_INSTALL},
    {"commit", RAFT_OUT_COMMIT},     {"snapshot", RAFT_OUT_SNAPSHOT},
    {"fetch", RAFT_OUT_FETCH},
};

static struct bytes *answer_find(struct scenario *s, const struct words *w)
{
    struct scenario_replica *r = word_member(s, w, 1);

    for (size_t i = 0; r != NULL && w->count > 2 && i < COUNT_OF(answers); i++) {
        if (word_is(w->at[2], answers[i].name)) {
            return &r->answers[answers[i].kind];
        }
    }
    scenario_wrong(s, "there is no such answer");
    return NULL;
}

/* expect-answer 1 change "change: done": the newest action of a kind begins so; none: there was none */
static void expect_answer(struct scenario *s, const struct words *w)
{
    struct bytes *is = answer_find(s, w);

    if (is == NULL || w->count < 4) {
        return;
    }
    if (word_is(w->at[3], "none") ? is->len > 0 : !bytes_starts_with(*is, w->at[3])) {
        scenario_wrong(s, "it is \"%.*s\"", BYTES_ARG(*is));
    }
}

/* forget 1 barrier: for a claim that another one does not come */
static void forget(struct scenario *s, const struct words *w)
{
    struct bytes *is = answer_find(s, w);

    if (is != NULL) {
        *is = BYTES_NULL;
    }
}

/* -- the cluster --------------------------------------------------------------------------------------- */

/* expect-leaders 1: so many of those that run lead */
static void expect_leaders(struct scenario *s, const struct words *w)
{
    uint64_t count = 0;

    for (int i = 0; i < SCENARIO_REPLICA_MAX; i++) {
        const struct scenario_replica *r = s->replicas[i];
        struct raft_view view = {.role = RAFT_FOLLOWER};

        if (r != NULL && r->raft != NULL) {
            raft_view(r->raft, &view);
        }
        count += view.role == RAFT_LEADER;
    }
    if (count != word_u64(s, w, 1)) {
        scenario_wrong(s, "there are %" PRIu64, count);
    }
}

/* expect-same-log 1 2 3 */
static void expect_same_log(struct scenario *s, const struct words *w)
{
    struct scenario_replica *first = word_replica(s, w, 1);

    for (uint32_t i = 2; first != NULL && i < w->count; i++) {
        struct scenario_replica *r = word_replica(s, w, i);
        bool same = r != NULL && r->log.count == first->log.count &&
                    r->log.start.index == first->log.start.index;

        for (uint32_t k = 0; same && k < first->log.count; k++) {
            same = r->log.entries[k].content == first->log.entries[k].content &&
                   r->log.entries[k].bound.index == first->log.entries[k].bound.index &&
                   r->log.entries[k].bound.term == first->log.entries[k].bound.term;
        }
        if (!same) {
            scenario_wrong(s, "the logs of %" PRIu64 " and of word %u differ", first->id, i);
        }
    }
}

const struct verb scenario_claim_verbs[] = {
    {"expect", expect, false, true},
    {"expect-log", expect_log, false, true},
    {"expect-disk", expect_disk, false, true},
    {"expect-peer", expect_peer, false, true},
    {"expect-messages", expect_messages, false, true},
    {"expect-waiting", expect_waiting, false, true},
    {"expect-answer", expect_answer, false, true},
    {"expect-leaders", expect_leaders, false, true},
    {"expect-same-log", expect_same_log, false, true},
    {"forget", forget, false, false},
    {NULL, NULL, false, false},
};
