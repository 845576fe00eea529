/* tests/raft/scenario_text.c: words, bounds, configurations and messages as text.
 *
 * WHY      A scenario is read by people. So a message is printed as the sentence of the paper it is, and what only
 *          keeps a window or a session in order (sequence, bytes) is left out: it would drown the rest.
 * RULES    What is printed can be read again where a command takes it (bounds, configurations).
 * OWNER    Pure functions over the caller's buffers.
 * FAILURE  Text that is none of the notation is ERR_MALFORMED: a mistake of the scenario.
 * LIMITS   TEXT_WORD_MAX words in a line.
 */
#include "tests/raft/scenario_text.h"

#include <stdarg.h>
#include <stdio.h>

enum { LINE_BYTES_MAX = 2048 };

enum err words_of(struct bytes line, struct words *out)
{
    struct words w = {.count = 0};
    struct bytes rest = bytes_trim(line);

    while (rest.len > 0) {
        bool quoted = rest.at[0] == '"';
        struct bytes from = bytes_slice(rest, quoted, rest.len);
        ptrdiff_t end = bytes_find(from, quoted ? '"' : ' ');

        if (quoted && end < 0) {
            return fail(ERR_MALFORMED, "a quote is open");
        }
        if (w.count == TEXT_WORD_MAX) {
            return fail(ERR_LIMIT, "too many words");
        }
        w.at[w.count] = bytes_slice(from, 0, end < 0 ? from.len : (size_t)end);
        rest = bytes_trim(bytes_slice(from, w.at[w.count].len + quoted, from.len));
        w.count++;
    }
    *out = w;
    return OK;
}

bool word_is(struct bytes word, const char *text)
{
    return bytes_equal(word, bytes_of(text));
}

struct bytes text_part(struct bytes *list)
{
    size_t begin = 0, end;

    while (begin < list->len && (list->at[begin] == ' ' || list->at[begin] == ',')) {
        begin++;
    }
    end = begin;
    while (end < list->len && list->at[end] != ' ' && list->at[end] != ',') {
        end++;
    }
    struct bytes part = bytes_slice(*list, begin, end - begin);

    *list = bytes_slice(*list, end, list->len);
    return part;
}

enum err text_u64(struct bytes word, uint64_t *out)
{
    uint64_t number = 0;
    bool good = word.len > 0;

    for (size_t i = 0; i < word.len && good; i++) {
        uint64_t digit = (uint64_t)word.at[i] - '0';

        good = digit <= 9 && !__builtin_mul_overflow(number, 10, &number) &&
               !__builtin_add_overflow(number, digit, &number);
    }
    if (!good) {
        return fail(ERR_MALFORMED, "'%.*s' is no number", BYTES_ARG(word));
    }
    *out = number;
    return OK;
}

enum err text_bound(struct bytes word, struct raft_bound *out)
{
    ptrdiff_t roof = bytes_find(word, '^');
    uint64_t index, term;

    if (roof < 0) {
        return fail(ERR_MALFORMED, "'%.*s' is no index^term", BYTES_ARG(word));
    }
    TRY(text_u64(bytes_slice(word, 0, (size_t)roof), &index));
    TRY(text_u64(bytes_slice(word, (size_t)roof + 1, word.len), &term));
    *out = (struct raft_bound){index, (uint32_t)term};
    return OK;
}

/* Digits at the front of a word. */
static uint64_t digits_take(struct bytes *word)
{
    uint64_t number = 0;

    while (word->len > 0 && word->at[0] >= '0' && word->at[0] <= '9') {
        number = number * 10 + (uint64_t)(word->at[0] - '0');
        *word = bytes_slice(*word, 1, word->len);
    }
    return number;
}

static enum err member_of(struct bytes word, struct raft_member *out)
{
    struct raft_member m = {.replica_id = digits_take(&word)};

    while (word.len > 0) {
        uint8_t letter = word.at[0];

        word = bytes_slice(word, 1, word.len);
        if (letter == 'v') {
            m.roles |= RAFT_VOTER;
        } else if (letter == 'o') {
            m.roles |= RAFT_OUTGOING;
        } else if (letter == 'l') {
            m.roles |= RAFT_LEARNER;
        } else if (letter == 'a') {
            m.start_anew = true;
        } else if (letter == 'p') {
            m.priority = (uint8_t)digits_take(&word);
        } else {
            return fail(ERR_MALFORMED, "'%c' is no role of a member", letter);
        }
    }
    if (m.roles == 0) {
        m.roles = RAFT_VOTER;
    }
    *out = m;
    return OK;
}

enum err text_configuration(struct bytes text, struct raft_configuration *out)
{
    struct raft_configuration c = {.count = 0};

    for (struct bytes part = text_part(&text); part.len > 0; part = text_part(&text)) {
        if (c.count == RAFT_MEMBER_MAX) {
            return fail(ERR_LIMIT, "too many members");
        }
        TRY(member_of(part, &c.members[c.count]));
        c.count++;
    }
    *out = c;
    return OK;
}

enum err text_message_kind(struct bytes word, enum raft_message_kind *out)
{
    for (int kind = RAFT_PRE_VOTE; kind <= RAFT_TIMEOUT_NOW; kind++) {
        if (word_is(word, raft_message_name((enum raft_message_kind)kind))) {
            *out = (enum raft_message_kind)kind;
            return OK;
        }
    }
    return fail(ERR_MALFORMED, "'%.*s' is no message", BYTES_ARG(word));
}

void print(struct buf *out, const char *format, ...)
{
    char line[LINE_BYTES_MAX];
    va_list args;

    va_start(args, format);
    int len = vsnprintf(line, sizeof(line), format, args);

    va_end(args);
    ASSERT(len >= 0 && len < LINE_BYTES_MAX);
    enum err e = buf_add(out, (struct bytes){(const uint8_t *)line, (size_t)len});

    ASSERT(e == OK);
}

void print_bound(struct buf *out, struct raft_bound b)
{
    print(out, "%" PRIu64 "^%" PRIu32, b.index, b.term);
}

static void print_member(struct buf *out, const struct raft_member *m)
{
    print(out, "%" PRIu64, m->replica_id);
    if (m->roles != RAFT_VOTER) {
        print(out, "%s%s%s", m->roles & RAFT_VOTER ? "v" : "", m->roles & RAFT_OUTGOING ? "o" : "",
              m->roles & RAFT_LEARNER ? "l" : "");
    }
    if (m->start_anew) {
        print(out, "a");
    }
    if (m->priority != 0) {
        print(out, "p%u", m->priority);
    }
}

void print_configuration(struct buf *out, const struct raft_configuration *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        print(out, "%s", i == 0 ? "" : " ");
        print_member(out, &c->members[i]);
    }
}

static void print_span(struct buf *out, const struct raft_span *span)
{
    for (uint32_t i = 0; i < span->run_count && i < RAFT_RUN_MAX; i++) {
        print(out, "%s", i == 0 ? ": " : " ");
        print_bound(out, span->runs[i]);
    }
}

static void print_append(struct buf *out, const struct raft_message_append *a)
{
    print(out, " after ");
    print_bound(out, a->prev);
    print_span(out, &a->span);
    print(out, ", commit %" PRIu64, a->commit);
    if (a->round != 0) {
        print(out, ", round %" PRIu64, a->round);
    }
}

static void print_append_reply(struct buf *out, const struct raft_message_append_reply *r)
{
    if (r->status == RAFT_ACCEPTED) {
        print(out, ": match %" PRIu64, r->match);
        if (r->durable != r->match) {
            print(out, ", durable %" PRIu64, r->durable);
        }
    } else if (r->status == RAFT_REJECTED) {
        print(out, ": rejected after ");
        print_bound(out, r->prev);
        print(out, ", last %" PRIu64 ", hint ", r->last);
        print_bound(out, r->hint);
    } else {
        print(out, ": busy");
    }
    if (r->round != 0) {
        print(out, ", round %" PRIu64, r->round);
    }
}

static void print_snapshot(struct buf *out, const struct raft_snapshot *s)
{
    print(out, " of ");
    print_bound(out, s->bound);
    print(out, " with \"");
    print_configuration(out, &s->configuration);
    print(out, "\" of %" PRIu64 ", delta %" PRIu64, s->configuration_index, s->delta);
}

void print_message(struct buf *out, const struct raft_message *m)
{
    print(out, "%" PRIu64 " -> %" PRIu64 " %s term %" PRIu32, m->from, m->to,
          raft_message_name(m->kind), m->term);
    switch (m->kind) {
    case RAFT_PRE_VOTE:
    case RAFT_VOTE:
        print(out, ", last ");
        print_bound(out, m->vote.last);
        print(out, "%s", m->vote.transfer ? ", transfer" : "");
        break;
    case RAFT_PRE_VOTE_REPLY:
    case RAFT_VOTE_REPLY:
        print(out, ": %s", m->vote_reply.granted ? "granted" : "refused");
        break;
    case RAFT_APPEND:
        print_append(out, &m->append);
        break;
    case RAFT_APPEND_REPLY:
        print_append_reply(out, &m->reply);
        break;
    case RAFT_SNAPSHOT:
        print_snapshot(out, m->install.snapshot);
        break;
    case RAFT_TIMEOUT_NOW:
        break;
    }
}

static void print_append_action(struct buf *out, const struct raft_out *action)
{
    static const char *const sources[] = {"proposal", "entries", "term start", "configuration"};

    if (action->append.truncate) {
        print(out, "cut after %" PRIu64 ", ", action->append.from);
    }
    print(out, "append %s up to ", sources[action->append.source]);
    print_bound(out, action->append.last);
    if (action->append.source == RAFT_ENTRY_CONFIGURATION) {
        print(out, " \"");
        print_configuration(out, action->append.configuration);
        print(out, "\"");
    }
}

static void print_configuration_action(struct buf *out, const struct raft_out *action)
{
    print(out, "configuration %" PRIu64 " \"", action->configuration.index);
    print_configuration(out, action->configuration.configuration);
    print(out, "\"%s", action->configuration.committed ? ", committed" : "");
}

static void print_role(struct buf *out, const struct raft_out *action)
{
    print(out, "%s of term %" PRIu32, raft_role_name(action->role.role), action->role.term);
    if (action->role.leader != 0) {
        print(out, ", leader %" PRIu64, action->role.leader);
    }
}

/* What the host is asked for, and what it learns about the cluster. */
static void print_answer(struct buf *out, const struct raft_out *action)
{
    switch (action->kind) {
    case RAFT_OUT_BARRIER:
        print(out, "barrier %" PRIu64 " %s at %" PRIu64, action->barrier.ticket,
              action->barrier.ok ? "holds" : "is lost", action->barrier.index);
        break;
    case RAFT_OUT_CHANGE:
        print(out, "change: %s", raft_reason_name(action->change.reason));
        break;
    case RAFT_OUT_TRANSFER:
        print(out, "transfer: %s", raft_reason_name(action->transfer.reason));
        break;
    case RAFT_OUT_REFUSED:
        print(out, "refused: %s", raft_reason_name(action->refused.reason));
        break;
    case RAFT_OUT_UNFENCED:
        print(out, "unfenced");
        break;
    case RAFT_OUT_SUSPECT:
        print(out, "suspect %" PRIu64, action->suspect.replica_id);
        break;
    case RAFT_OUT_FATAL:
        print(out, "fatal: %s", action->fatal.why);
        break;
    case RAFT_OUT_ROLE:
    case RAFT_OUT_HARD_STATE:
    case RAFT_OUT_APPEND:
    case RAFT_OUT_INSTALL:
    case RAFT_OUT_SEND:
    case RAFT_OUT_FETCH:
    case RAFT_OUT_SNAPSHOT:
    case RAFT_OUT_COMMIT:
    case RAFT_OUT_CONFIGURATION:
    case RAFT_OUT_SERVE:
        UNREACHABLE();
    }
}

void print_action(struct buf *out, const struct raft_out *action)
{
    switch (action->kind) {
    case RAFT_OUT_ROLE:
        print_role(out, action);
        break;
    case RAFT_OUT_HARD_STATE:
        print(out, "persist term %" PRIu32 ", vote %" PRIu64, action->hard_state.term,
              action->hard_state.vote);
        break;
    case RAFT_OUT_APPEND:
        print_append_action(out, action);
        break;
    case RAFT_OUT_INSTALL:
        print(out, "install snapshot");
        print_snapshot(out, action->install.snapshot);
        break;
    case RAFT_OUT_SEND:
        UNREACHABLE();
    case RAFT_OUT_FETCH:
        print(out, "fetch after %" PRIu64 " for %" PRIu64, action->fetch.after, action->fetch.to);
        break;
    case RAFT_OUT_SNAPSHOT:
        print(out, "snapshot wanted for %" PRIu64, action->snapshot.to);
        break;
    case RAFT_OUT_COMMIT:
        print(out, "commit %" PRIu64, action->commit.index);
        break;
    case RAFT_OUT_CONFIGURATION:
        print_configuration_action(out, action);
        break;
    case RAFT_OUT_SERVE:
        print(out, "serve in term %" PRIu32, action->serve.term);
        break;
    case RAFT_OUT_BARRIER:
    case RAFT_OUT_CHANGE:
    case RAFT_OUT_TRANSFER:
    case RAFT_OUT_REFUSED:
    case RAFT_OUT_UNFENCED:
    case RAFT_OUT_SUSPECT:
    case RAFT_OUT_FATAL:
        print_answer(out, action);
        break;
    }
}

const char *text_peer_state(enum raft_peer_state state)
{
    switch (state) {
    case RAFT_PROBE:
        return "probe";
    case RAFT_REPLICATE:
        return "replicate";
    case RAFT_SNAPSHOTTING:
        return "snapshotting";
    }
    UNREACHABLE();
}
