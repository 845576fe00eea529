/* broker/groups/topic_pattern.c: the only door to PCRE2.
 *
 * WHY      A pattern comes from a client and runs on a core that others share. Nothing in it may be able to take
 *          more than its part: the syntax is judged first (topic_pattern_judge.c), the text and its compiled form
 *          are bounded, and a match gives up after so many steps.
 * BUDGET   A small number of steps is enough for any name with any sensible pattern. What needs more may have it
 *          as long as that is the exception: each match pays a little into an allowance, from which the long ones
 *          are paid. So the mean cost of a name is bounded, whatever the pattern.
 * MEMORY   PCRE2 asks mem.h. What a match needs is freed after it: many groups have patterns, few match at a time.
 */
#include "broker/groups/topic_pattern.h"

#include "base/mem.h"
#include "broker/groups/topic_pattern_internal.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { MATCH_HEAP_KIB = 256, MESSAGE_BYTES = 120, SLACK_BYTES = 64 };

struct topic_pattern {
    pcre2_code *code;
    pcre2_match_context *limits;
    uint32_t allowance; /* steps */
};

static void *take_memory(size_t bytes, void *unused)
{
    (void)unused;
    return mem_alloc(bytes);
}

static void give_memory(void *at, void *unused)
{
    (void)unused;
    mem_free(at);
}

static enum err error_of(int code)
{
    switch (code) {
    case PCRE2_ERROR_HEAP_FAILED:
    case PCRE2_ERROR_NOMEMORY:
        return ERR_NOMEM;
    case PCRE2_ERROR_PATTERN_TOO_LARGE:
    case PCRE2_ERROR_PATTERN_STRING_TOO_LONG:
    case PCRE2_ERROR_PARENTHESES_NEST_TOO_DEEP:
        return ERR_LIMIT;
    default:
        return ERR_MALFORMED;
    }
}

static enum err compile(struct bytes text, pcre2_general_context *memory, pcre2_code **out)
{
    const uint32_t options = PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOLLAR_ENDONLY |
                             PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE;
    pcre2_compile_context *context = pcre2_compile_context_create(memory);
    int code = PCRE2_ERROR_HEAP_FAILED;
    size_t at = 0;

    if (!context) {
        return fail(ERR_NOMEM, "a pattern of %zu bytes", text.len);
    }
    (void)pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    *out = pcre2_compile(text.at, text.len, options, &code, &at, context);
    pcre2_compile_context_free(context);
    if (!*out) {
        uint8_t why[MESSAGE_BYTES] = "";
        (void)pcre2_get_error_message(code, why, sizeof(why));
        return fail(error_of(code), "%s, in a pattern of %zu bytes", (const char *)why, text.len);
    }
    return OK;
}

static enum err build(struct bytes judged, struct topic_pattern *p)
{
    pcre2_general_context *memory = pcre2_general_context_create(take_memory, give_memory, NULL);
    enum err e = ERR_NOMEM;

    if (memory) {
        p->limits = pcre2_match_context_create(memory);
        e = p->limits ? compile(judged, memory, &p->code) : ERR_NOMEM;
        pcre2_general_context_free(memory);
    }
    if (e == OK) {
        (void)pcre2_set_heap_limit(p->limits, MATCH_HEAP_KIB);
    }
    return e;
}

enum err topic_pattern_new(struct bytes text, struct topic_pattern **out)
{
    struct buf judged;

    if (text.len > TOPIC_PATTERN_BYTES_MAX) {
        return fail(ERR_LIMIT, "a pattern of %zu bytes, more than %d", text.len,
                    TOPIC_PATTERN_BYTES_MAX);
    }
    struct topic_pattern *p = mem_zalloc(1, sizeof(*p));
    if (!p) {
        return fail(ERR_NOMEM, "a pattern of %zu bytes", text.len);
    }
    p->allowance = TOPIC_PATTERN_ALLOWANCE_MAX;
    buf_init(&judged, TOPIC_PATTERN_GROWTH * TOPIC_PATTERN_BYTES_MAX + SLACK_BYTES);
    enum err e = topic_pattern_judge(text, &judged);
    if (e == OK) {
        e = build(judged.len > 0 ? buf_view(&judged) : BYTES(""), p);
    }
    buf_deinit(&judged);
    if (e != OK) {
        topic_pattern_free(p);
        return e;
    }
    *out = p;
    return OK;
}

static int match_within(struct topic_pattern *p, struct bytes name, uint32_t steps)
{
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(p->code, NULL);
    int result = PCRE2_ERROR_NOMEMORY;

    if (data) {
        (void)pcre2_set_match_limit(p->limits, steps);
        result = pcre2_match(p->code, name.at ? name.at : (const uint8_t *)"", name.len, 0, 0, data,
                             p->limits);
        pcre2_match_data_free(data);
    }
    return result;
}

enum err topic_pattern_match(struct topic_pattern *p, struct bytes name, bool *out)
{
    int result = match_within(p, name, TOPIC_PATTERN_STEPS);

    p->allowance = MIN(p->allowance + TOPIC_PATTERN_STEPS, TOPIC_PATTERN_ALLOWANCE_MAX);
    if (result == PCRE2_ERROR_MATCHLIMIT && p->allowance >= TOPIC_PATTERN_STEPS_LONG) {
        p->allowance -= TOPIC_PATTERN_STEPS_LONG;
        result = match_within(p, name, TOPIC_PATTERN_STEPS_LONG);
    }
    if (result == PCRE2_ERROR_NOMEMORY) {
        return fail(ERR_NOMEM, "matching a topic's name");
    }
    *out = result >= 0; /* below: no match, out of its budget, or a name that is not UTF-8 */
    return OK;
}

void topic_pattern_free(struct topic_pattern *p)
{
    if (p) {
        pcre2_code_free(p->code);
        pcre2_match_context_free(p->limits);
        mem_free(p);
    }
}
