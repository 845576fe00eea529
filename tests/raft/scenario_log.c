/* tests/raft/scenario_log.c: an array of entries, searched from its beginning.
 *
 * WHY      Scenarios have a dozen entries; what is obvious is right. The disk is a second value of the same type, so
 *          that a crash is an assignment.
 * RULES    An internal entry takes one index; a proposal as many as the scenario says.
 * OWNER    A value; nothing to release.
 * FAILURE  What breaks the promises of a host (H6) is a failed assertion; bad text is ERR_MALFORMED.
 * LIMITS   SCENARIO_ENTRY_MAX.
 */
#include "tests/raft/scenario_log.h"

#include "tests/raft/scenario_text.h"

enum { ENTRY_BYTES = 100 };

struct raft_bound log_last(const struct scenario_log *l)
{
    return l->count == 0 ? l->start : l->entries[l->count - 1].bound;
}

bool log_is_bound(const struct scenario_log *l, uint64_t index)
{
    for (uint32_t i = 0; i < l->count; i++) {
        if (l->entries[i].bound.index == index) {
            return true;
        }
    }
    return index == l->start.index;
}

void log_cut(struct scenario_log *l, uint64_t index)
{
    while (l->count > 0 && l->entries[l->count - 1].bound.index > index) {
        l->count--;
    }
}

void log_append(struct scenario_log *l, struct scenario_entries more)
{
    for (uint32_t i = 0; i < more.count; i++) {
        ASSERT(l->count < SCENARIO_ENTRY_MAX);
        ASSERT(more.at[i].bound.index > log_last(l).index);
        l->entries[l->count++] = more.at[i];
    }
}

struct scenario_entries log_view(const struct scenario_log *l, uint64_t prev, uint64_t last)
{
    uint32_t begin = 0, end;

    while (begin < l->count && l->entries[begin].bound.index <= prev) {
        begin++;
    }
    end = begin;
    while (end < l->count && l->entries[end].bound.index <= last) {
        end++;
    }
    return (struct scenario_entries){&l->entries[begin], end - begin};
}

void log_install(struct scenario_log *l, const struct raft_snapshot *s)
{
    l->start = s->bound;
    l->start_delta = s->delta;
    l->start_configuration = s->configuration;
    l->start_configuration_index = s->configuration_index;
    l->count = 0;
}

bool log_snapshot(const struct scenario_log *l, uint64_t index, struct raft_snapshot *out)
{
    struct raft_snapshot s = {.bound = l->start,
                              .delta = l->start_delta,
                              .configuration_index = l->start_configuration_index,
                              .configuration = l->start_configuration};

    if (!log_is_bound(l, index)) {
        return false;
    }
    for (uint32_t i = 0; i < l->count && l->entries[i].bound.index <= index; i++) {
        const struct scenario_entry *e = &l->entries[i];

        s.bound = e->bound;
        s.delta += e->source != RAFT_ENTRY_PROPOSAL;
        if (e->source == RAFT_ENTRY_CONFIGURATION) {
            s.configuration = e->configuration;
            s.configuration_index = e->bound.index;
        }
    }
    s.log_start = s.bound.index - s.delta;
    *out = s;
    return true;
}

void log_compact(struct scenario_log *l, uint64_t index)
{
    struct raft_snapshot s;
    uint32_t gone = 0;
    bool known = log_snapshot(l, index, &s);

    ASSERT(known);
    while (gone < l->count && l->entries[gone].bound.index <= index) {
        gone++;
    }
    memmove(l->entries, l->entries + gone, (l->count - gone) * sizeof(l->entries[0]));
    gone = l->count - gone;
    log_install(l, &s);
    l->count = gone;
}

void log_configurations(const struct scenario_log *l, const struct raft_configuration *out[2],
                        uint64_t indexes[2])
{
    out[0] = out[1] = &l->start_configuration;
    indexes[0] = indexes[1] = l->start_configuration_index;
    for (uint32_t i = 0; i < l->count; i++) {
        if (l->entries[i].source == RAFT_ENTRY_CONFIGURATION) {
            out[1] = out[0];
            indexes[1] = indexes[0];
            out[0] = &l->entries[i].configuration;
            indexes[0] = l->entries[i].bound.index;
        }
    }
}

uint32_t log_term_at(const struct scenario_log *l, uint64_t index)
{
    if (index == l->start.index) {
        return l->start.term;
    }
    for (uint32_t i = 0; index > l->start.index && i < l->count; i++) {
        if (index <= l->entries[i].bound.index) {
            return l->entries[i].bound.term;
        }
    }
    return 0;
}

struct raft_bound log_run_end(const struct scenario_log *l, uint32_t term_max)
{
    uint32_t at = l->count;

    while (at > 0 && l->entries[at - 1].bound.term > term_max) {
        at--;
    }
    return at == 0 ? l->start : l->entries[at - 1].bound;
}

uint64_t log_internal_index(const struct scenario_log *l)
{
    return log_last(l).index + 1;
}

/* Adds an entry to the span; false when it has no room for another run. */
static bool span_add(struct raft_span *span, const struct scenario_entry *e)
{
    if (span->run_count > 0 && span->runs[span->run_count - 1].term == e->bound.term) {
        span->runs[span->run_count - 1] = e->bound;
    } else if (span->run_count < RAFT_RUN_MAX) {
        span->runs[span->run_count++] = e->bound;
    } else {
        return false;
    }
    span->bytes += e->bytes;
    return true;
}

enum raft_read log_after(const struct scenario_log *l, uint64_t prev, uint32_t bytes_max,
                         bool cold_too, struct raft_span *out)
{
    struct raft_span span = {.bytes = 0};
    struct scenario_entries view = log_view(l, prev, UINT64_MAX);

    if (prev < l->start.index) {
        return RAFT_READ_GONE;
    }
    if (view.count == 0) {
        return RAFT_READ_NONE;
    }
    if (prev < l->cold && !cold_too) {
        return RAFT_READ_COLD;
    }
    for (uint32_t i = 0; i < view.count; i++) {
        bool fits = i == 0 || span.bytes + view.at[i].bytes <= bytes_max;

        if (!fits || !span_add(&span, &view.at[i])) {
            break;
        }
    }
    *out = span;
    return RAFT_READ_READY;
}

enum err log_entry_of_text(struct bytes word, struct scenario_entry *out)
{
    struct scenario_entry e = {.source = RAFT_ENTRY_PROPOSAL, .bytes = ENTRY_BYTES};
    ptrdiff_t colon = bytes_find(word, ':');

    TRY(text_bound(bytes_slice(word, 0, colon < 0 ? word.len : (size_t)colon), &e.bound));
    if (colon >= 0) {
        e.source = RAFT_ENTRY_CONFIGURATION;
        TRY(text_configuration(bytes_slice(word, (size_t)colon + 1, word.len), &e.configuration));
    }
    e.content = e.bound.index << 32 | e.bound.term; /* equal bounds, equal content */
    *out = e;
    return OK;
}

enum err log_of_text(struct bytes text, struct scenario_log *out)
{
    struct words words;

    TRY(words_of(text, &words));
    out->count = 0;
    for (uint32_t i = 0; i < words.count; i++) {
        struct bytes word = words.at[i];
        struct scenario_entry e;

        if (word.at[0] == '[') {
            TRY(text_bound(bytes_slice(word, 1, word.len - 2), &out->start));
            continue;
        }
        TRY(log_entry_of_text(word, &e));
        if (out->count == SCENARIO_ENTRY_MAX || e.bound.index <= log_last(out).index) {
            return fail(ERR_MALFORMED, "a log grows");
        }
        out->entries[out->count++] = e;
    }
    return OK;
}

void print_log(struct buf *out, const struct scenario_log *l)
{
    if (l->start.index != 0) {
        print(out, "[");
        print_bound(out, l->start);
        print(out, "]%s", l->count > 0 ? " " : "");
    }
    for (uint32_t i = 0; i < l->count; i++) {
        print(out, "%s", i == 0 ? "" : " ");
        print_bound(out, l->entries[i].bound);
    }
}
