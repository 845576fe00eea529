/* tests/raft/scenario_commands.c: finds the function of a command, and what commands have in common.
 *
 * WHY      The commands are tables, one per topic: setup, deeds, disks, messages, claims. So a new one is a row.
 * HOW      A replica is set up on its disk; the first command that is no setup starts all that have not started yet.
 *          "quietly" before a command keeps its output to itself, "repeat N" does commands (between semicolons) again.
 * OWNER    struct scenario; a result is valid until the next command.
 * FAILURE  A command that is unknown or malformed, a claim that is false and a broken rule all fail the scenario.
 * LIMITS   PRINTED_BYTES_MAX of one command, ARENA_BYTES_MAX of a scenario.
 */
#include "tests/raft/scenario_commands.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "tests/raft/scenario_verbs.h"

enum {
    PRINTED_BYTES_MAX = 8 << 20,
    WRONG_BYTES_MAX = 1 << 16,
    WRONG_LINE_BYTES_MAX = 2048,
    ARENA_BYTES_MAX = 256 << 20,
    DEFAULT_ELECTION_MS = 1000,
    DEFAULT_BEAT_MS = 100,
    DEFAULT_APPEND_BYTES = 1000,
    DEFAULT_WINDOW_BYTES = 10000,
    DEFAULT_WINDOW_MESSAGES = 8,
    REPEAT_MAX = 1000,
};

static const struct verb *const tables[] = {scenario_setup_verbs, scenario_deed_verbs,
                                            scenario_disk_verbs, scenario_message_verbs,
                                            scenario_claim_verbs};

struct scenario *scenario_new(void)
{
    struct scenario *s = mem_zalloc(1, sizeof(*s));

    ASSERT(s != NULL);
    arena_init(&s->arena, ARENA_BYTES_MAX);
    buf_init(&s->printed, PRINTED_BYTES_MAX);
    buf_init(&s->wrong, WRONG_BYTES_MAX);
    s->options = (struct raft_options){.election_ms = DEFAULT_ELECTION_MS,
                                       .beat_ms = DEFAULT_BEAT_MS,
                                       .append_bytes_max = DEFAULT_APPEND_BYTES,
                                       .window_bytes = DEFAULT_WINDOW_BYTES,
                                       .window_messages = DEFAULT_WINDOW_MESSAGES,
                                       .commit_at_once = true};
    return s;
}

void scenario_free(struct scenario *s)
{
    for (int i = 0; i < SCENARIO_REPLICA_MAX; i++) {
        if (s->replicas[i] != NULL) {
            mem_free(s->replicas[i]->memory);
        }
    }
    arena_deinit(&s->arena);
    buf_deinit(&s->printed);
    buf_deinit(&s->wrong);
    mem_free(s);
}

/* -- words --------------------------------------------------------------------------------------------- */

void scenario_wrong(struct scenario *s, const char *format, ...)
{
    char line[WRONG_LINE_BYTES_MAX];
    va_list args;

    if (s->wrong.len > 0) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    enum err e = buf_add(&s->wrong, (struct bytes){(const uint8_t *)line, strlen(line) + 1});

    ASSERT(e == OK);
}

uint64_t word_u64(struct scenario *s, const struct words *w, uint32_t at)
{
    uint64_t number = 0;

    if (at >= w->count || text_u64(w->at[at], &number) != OK) {
        scenario_wrong(s, "a number is missing at word %u", at);
    }
    return number;
}

struct scenario_replica *word_member(struct scenario *s, const struct words *w, uint32_t at)
{
    struct scenario_replica *r = replica_find(s, word_u64(s, w, at));

    if (r == NULL) {
        scenario_wrong(s, "there is no such replica");
    }
    return r;
}

struct scenario_replica *word_replica(struct scenario *s, const struct words *w, uint32_t at)
{
    struct scenario_replica *r = word_member(s, w, at);

    if (r != NULL && r->raft == NULL) {
        scenario_wrong(s, "replica %" PRIu64 " is down", r->id);
        return NULL;
    }
    return r;
}

struct raft_bound word_bound(struct scenario *s, const struct words *w, uint32_t at)
{
    struct raft_bound b = {0};

    if (at >= w->count || text_bound(w->at[at], &b) != OK) {
        scenario_wrong(s, "an index^term is missing at word %u", at);
    }
    return b;
}

void word_configuration(struct scenario *s, const struct words *w, uint32_t at,
                        struct raft_configuration *out)
{
    out->count = 0;
    if (at >= w->count || text_configuration(w->at[at], out) != OK) {
        scenario_wrong(s, "a configuration is missing at word %u", at);
    }
}

bool word_has(const struct words *w, uint32_t from, const char *text)
{
    for (uint32_t i = from; i < w->count; i++) {
        if (word_is(w->at[i], text)) {
            return true;
        }
    }
    return false;
}

static bool side(struct bytes word, uint64_t *out)
{
    *out = 0;
    return word_is(word, "*") || text_u64(word, out) == OK;
}

bool word_link(struct bytes word, uint64_t *from, uint64_t *to)
{
    ptrdiff_t arrow = bytes_find(word, '>');

    return arrow >= 2 && word.at[arrow - 1] == '-' &&
           side(bytes_slice(word, 0, (size_t)arrow - 1), from) &&
           side(bytes_slice(word, (size_t)arrow + 1, word.len), to);
}

/* -- the command --------------------------------------------------------------------------------------- */

static const struct verb *verb_find(struct bytes name)
{
    for (size_t t = 0; t < COUNT_OF(tables); t++) {
        for (const struct verb *v = tables[t]; v->name != NULL; v++) {
            if (word_is(name, v->name)) {
                return v;
            }
        }
    }
    return NULL;
}

static void start_the_new(struct scenario *s)
{
    for (int i = 0; i < SCENARIO_REPLICA_MAX; i++) {
        if (s->replicas[i] != NULL && !s->replicas[i]->started) {
            replica_start(s->replicas[i], 0);
        }
    }
}

static const struct verb *run(struct scenario *s, struct words *w)
{
    const struct verb *v = w->count == 0 ? NULL : verb_find(w->at[0]);

    if (v == NULL) {
        scenario_wrong(s, "there is no such command");
        return NULL;
    }
    if (!v->setup) {
        start_the_new(s);
    }
    v->run(s, w);
    if (s->breach[0] != '\0') {
        scenario_wrong(s, "%s", s->breach);
    }
    return v;
}

static const struct verb *run_line(struct scenario *s, struct bytes line)
{
    struct words w = {.count = 0};

    if (words_of(line, &w) != OK) {
        scenario_wrong(s, "%s", err_crumb());
        return NULL;
    }
    return run(s, &w);
}

/* repeat 9 beat 1; deliver 1->2: the commands so many times */
static void repeat(struct scenario *s, struct bytes rest)
{
    struct bytes list = rest, count = text_part(&list);
    uint64_t times = 0;

    if (text_u64(count, &times) != OK || times > REPEAT_MAX) {
        scenario_wrong(s, "repeat COUNT COMMAND; COMMAND");
    }
    for (uint64_t i = 0; i < times; i++) {
        for (struct bytes left = list; left.len > 0;) {
            ptrdiff_t end = bytes_find(left, ';');
            size_t len = end < 0 ? left.len : (size_t)end;

            (void)run_line(s, bytes_slice(left, 0, len));
            left = bytes_slice(left, len + 1, left.len);
        }
    }
}

struct scenario_result scenario_command(struct scenario *s, struct bytes command)
{
    struct bytes quiet = BYTES("quietly "), again = BYTES("repeat ");
    bool quietly = bytes_starts_with(command, quiet);
    const struct verb *v = NULL;

    buf_reset(&s->printed);
    buf_reset(&s->wrong);
    if (quietly) {
        command = bytes_slice(command, quiet.len, command.len);
    }
    if (bytes_starts_with(command, again)) {
        repeat(s, bytes_slice(command, again.len, command.len));
    } else {
        v = run_line(s, command);
    }
    if (quietly) {
        buf_reset(&s->printed);
    }
    return (struct scenario_result){
        .printed = buf_view(&s->printed),
        .wrong = s->wrong.len > 0 ? (const char *)s->wrong.at : NULL,
        .expectation = v != NULL && v->claim,
    };
}
