/* tools/group_view.c: which groups there are, and the order in which they are asked about.
 *
 * WHY      A group is known by its coordinator only, so ListGroups of every broker says at once which groups there are,
 *          of which type, in which state, and whom to ask about them.
 * OWNER    One thread; everything lives in the command's arena.
 * FAILURE  A coordinator that loads, or a group that moved, makes the whole look begin anew until the time-out. What is
 *          wrong with one group is kept there and leaves the others alone.
 */
#include "tools/group_view.h"

#include "schema/list_groups.h"
#include "tools/group_view_internal.h"

#include <fnmatch.h>
#include <regex.h>
#include <stdlib.h>

/* ---- what groups say of themselves ---- */

static const char *const type_names[] = {"classic", "consumer", "share", "streams", "unknown"};

const char *group_type_name(enum group_type t)
{
    return type_names[t];
}

static enum group_type type_of(struct bytes name)
{
    static const char *const told[] = {"Classic", "Consumer", "Share", "Streams"};

    for (size_t i = 0; i < COUNT_OF(told); i++) {
        if (bytes_equal(name, bytes_of(told[i])) || bytes_equal(name, bytes_of(type_names[i]))) {
            return (enum group_type)i;
        }
    }
    return name.len == 0 ? GROUP_CLASSIC
                         : GROUP_TYPE_UNKNOWN; /* brokers before 3.8 have no types */
}

int64_t group_lag(const struct group_view_group *g)
{
    int64_t sum = -1;

    for (int32_t i = 0; i < g->offset_count; i++) {
        if (g->offsets[i].lag >= 0) {
            sum = MAX(sum, 0) + g->offsets[i].lag;
        }
    }
    return sum;
}

int64_t group_lag_time_ms(const struct group_view_group *g)
{
    int64_t most = -1;

    for (int32_t i = 0; i < g->offset_count; i++) {
        most = MAX(most, g->offsets[i].lag_time_ms);
    }
    return most;
}

int32_t group_topic_count(const struct group_view_group *g)
{
    int32_t count = 0;

    for (int32_t i = 0; i < g->offset_count; i++) {
        count += i == 0 || !bytes_equal(g->offsets[i].topic, g->offsets[i - 1].topic);
    }
    return count;
}

bool group_is_active(const struct group_view_group *g)
{
    return g->member_count > 0;
}

bool group_is_past_end(const struct group_offset *o)
{
    return o->end >= 0 && o->committed > o->end;
}

int group_place_compare(const void *a, const void *b)
{
    const struct group_place *x = a, *y = b;
    int order = bytes_compare(x->topic, y->topic);

    return order != 0 ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

/* ---- which groups ---- */

struct chosen {
    regex_t *regexes;
    int regex_count;
    bool matched[CLI_ARGUMENTS_MAX]; /* by argument */
    bool exact[CLI_ARGUMENTS_MAX];   /* a group has this very name: it is meant alone */
    struct bytes one;                /* only this one; null: by arguments */
};

static const char *cstr(struct arena *arena, struct bytes text)
{
    struct bytes copy = arena_format(arena, "%.*s%c", BYTES_ARG(text), 0);

    return copy.at == NULL ? "" : (const char *)copy.at;
}

static bool is_glob(struct bytes text)
{
    return bytes_find(text, '*') >= 0 || bytes_find(text, '?') >= 0 || bytes_find(text, '[') >= 0;
}

static bool is_chosen(struct cli *c, struct chosen *by, struct bytes group)
{
    if (by->one.at != NULL) {
        return bytes_equal(by->one, group);
    }
    bool yes = c->argument_count == 0 && by->regex_count == 0;
    const char *name = yes ? "" : cstr(c->arena, group);

    for (int i = 0; i < c->argument_count; i++) {
        if (by->exact[i] ? bytes_equal(c->arguments[i], group)
                         : is_glob(c->arguments[i]) &&
                               fnmatch(cstr(c->arena, c->arguments[i]), name, 0) == 0) {
            by->matched[i] = yes = true;
        }
    }
    for (int i = 0; i < by->regex_count && !yes; i++) {
        yes = regexec(&by->regexes[i], name, 0, NULL, 0) == 0;
    }
    return yes;
}

static int chosen_init(struct cli *c, struct bytes one, struct chosen *out)
{
    struct bytes text;
    int count = 0;

    *out = (struct chosen){.one = one};
    while (cli_value_at(c, CLI_OPT_REGEX, count, &text)) {
        count++;
    }
    out->regexes = ARENA_ARRAY(c->arena, regex_t, count);
    for (int i = 0; i < count && out->regexes != NULL; i++) {
        (void)cli_value_at(c, CLI_OPT_REGEX, i, &text);
        if (regcomp(&out->regexes[i], cstr(c->arena, text), REG_EXTENDED | REG_NOSUB) != 0) {
            return cli_fail(c, CLI_USAGE, "-r %.*s: not a regular expression", BYTES_ARG(text));
        }
        out->regex_count++;
    }
    return CLI_OK;
}

static void chosen_deinit(struct chosen *by)
{
    for (int i = 0; i < by->regex_count; i++) {
        regfree(&by->regexes[i]);
    }
}

static void tell_missing(struct cli *c, struct bytes name, uint32_t parts)
{
    if ((parts & GROUP_VIEW_QUIET) == 0) {
        (void)cli_fail(c, CLI_NOT_FOUND,
                       "there is no group %.*s\n  'weir group list' shows those there are",
                       BYTES_ARG(name));
    }
}

static int count_missing(struct cli *c, const struct chosen *by, const struct group_view *v,
                         uint32_t parts)
{
    int missing = 0;

    if (by->one.at != NULL && v->count == 0) {
        missing = 1;
        tell_missing(c, by->one, parts);
    }
    for (int i = 0; by->one.at == NULL && i < c->argument_count; i++) {
        if (!by->matched[i] && !is_glob(c->arguments[i])) {
            missing++;
            tell_missing(c, c->arguments[i], parts);
        }
    }
    return missing;
}

/* ---- asking every broker ---- */

static bool passes(enum kafka_error e)
{
    return e != KAFKA_NONE && kafka_error_info(e)->retriable;
}

void group_note(struct group_view *v, struct group_view_group *g, enum kafka_error error,
                struct bytes message)
{
    if (error != KAFKA_NONE) {
        g->error = error;
        g->error_message = message;
        v->unsettled = v->unsettled || passes(error);
    }
}

static enum err ask_broker(struct cli *c, int32_t broker, struct list_groups_response *rs)
{
    struct list_groups_request rq;
    struct client_call call = {
        .broker = broker, .api = API_LIST_GROUPS, .request = &rq, .response = rs};

    list_groups_request_init(&rq);
    return client_do(c->client, &call, c->arena);
}

/* "a*" is the group of that name if there is one: nothing else is to be deleted with it. */
static void find_exact(const struct cli *c, struct chosen *by,
                       const struct list_groups_response *rs)
{
    for (int32_t i = 0; i < rs->groups.len; i++) {
        for (int k = 0; k < c->argument_count; k++) {
            by->exact[k] |= bytes_equal(c->arguments[k], rs->groups.at[i].group_id);
        }
    }
}

static void take_groups(struct cli *c, struct group_view *v, struct chosen *by, int32_t broker,
                        const struct list_groups_response *rs)
{
    for (int32_t i = 0; i < rs->groups.len; i++) {
        const struct list_groups_response_group *g = &rs->groups.at[i];
        if (is_chosen(c, by, g->group_id)) {
            v->groups[v->count++] = (struct group_view_group){.name = g->group_id,
                                                              .state = g->group_state,
                                                              .protocol_type = g->protocol_type,
                                                              .assignor = BYTES(""),
                                                              .type = type_of(g->group_type),
                                                              .coordinator = broker,
                                                              .epoch = -1,
                                                              .assignment_epoch = -1,
                                                              .member_count = -1};
        }
    }
}

static int by_name(const void *a, const void *b)
{
    const struct group_view_group *x = a, *y = b;

    return bytes_compare(x->name, y->name);
}

/* A group that moves may be told of by two brokers. */
static void sort_groups(struct group_view *v)
{
    int32_t kept = 0;

    if (v->count > 0) {
        qsort(v->groups, (size_t)v->count, sizeof(*v->groups), by_name);
    }
    for (int32_t i = 0; i < v->count; i++) {
        if (i == 0 || !bytes_equal(v->groups[i].name, v->groups[i - 1].name)) {
            v->groups[kept++] = v->groups[i];
        }
    }
    v->count = kept;
}

static enum err list(struct cli *c, struct chosen *by, struct group_view *v)
{
    struct metadata_response m;
    struct bytes none = BYTES_NULL;
    size_t room = 0;

    TRY(client_metadata(c->client, c->arena, &none, 0, &m));
    struct list_groups_response *told =
        ARENA_ARRAY(c->arena, struct list_groups_response, m.brokers.len);
    for (int32_t i = 0; told != NULL && i < m.brokers.len; i++) {
        TRY(ask_broker(c, m.brokers.at[i].node_id, &told[i]));
        if (passes(told[i].error_code)) {
            v->unsettled = true;
        } else if (told[i].error_code != KAFKA_NONE) {
            return fail(ERR_UNSUPPORTED, "groups cannot be listed: %s",
                        kafka_error_info(told[i].error_code)->name);
        }
        room += (size_t)told[i].groups.len;
        find_exact(c, by, &told[i]);
    }
    v->groups = ARENA_ARRAY(c->arena, struct group_view_group, room);
    if (told == NULL || v->groups == NULL) {
        return fail(ERR_NOMEM, "no memory for %zu groups", room);
    }
    for (int32_t i = 0; i < m.brokers.len; i++) {
        take_groups(c, v, by, m.brokers.at[i].node_id, &told[i]);
    }
    sort_groups(v);
    return OK;
}

/* ---- many at a time ---- */

enum err group_batches(struct cli *c, struct group_view *v, group_wanted *wanted, group_ask *ask,
                       uint32_t parts)
{
    bool *taken = ARENA_ARRAY(c->arena, bool, v->count);
    struct group_batch b = {.view = v,
                            .groups = ARENA_ARRAY(c->arena, struct group_view_group *, v->count)};

    if (taken == NULL || b.groups == NULL) {
        return fail(ERR_NOMEM, "no memory for %d groups", v->count);
    }
    for (int32_t first = 0; first < v->count; first++) {
        if (taken[first] || !wanted(&v->groups[first], parts)) {
            continue;
        }
        b.coordinator = v->groups[first].coordinator;
        b.count = 0;
        for (int32_t i = first; i < v->count && b.count < GROUPS_AT_ONCE; i++) {
            if (!taken[i] && v->groups[i].coordinator == b.coordinator &&
                wanted(&v->groups[i], parts)) {
                taken[i] = true;
                b.groups[b.count++] = &v->groups[i];
            }
        }
        TRY(ask(c, &b));
    }
    return OK;
}

static int name_to_group(const void *key, const void *item)
{
    const struct bytes *name = key;
    struct group_view_group *const *g = item;

    return bytes_compare(*name, (*g)->name);
}

struct group_view_group *group_of_batch(const struct group_batch *b, struct bytes name)
{
    struct group_view_group **found = bsearch(&name, b->groups, (size_t)b->count,
                                              sizeof(struct group_view_group *), name_to_group);

    return found == NULL ? NULL : *found;
}

/* ---- all together ---- */

static enum err look(struct cli *c, struct chosen *by, uint32_t parts, struct group_view *v)
{
    *v = (struct group_view){0};
    TRY(list(c, by, v));
    if ((parts & (GROUP_VIEW_MEMBERS | GROUP_VIEW_EMPTY)) != 0) {
        TRY(group_view_members(c, v, parts));
    }
    if ((parts & GROUP_VIEW_OFFSETS) != 0) {
        TRY(group_view_offsets(c, v));
        v->at_us = env_now_us(c->env);
        TRY(group_view_ends(c, v));
        v->at_ms = env_wall_ms(c->env);
    }
    if ((parts & GROUP_VIEW_TIMES) != 0) {
        TRY(group_view_times(c, v));
    }
    return c->arena->exhausted ? fail(ERR_NOMEM, "no memory for %d groups", v->count) : OK;
}

static int load(struct cli *c, struct bytes one, uint32_t parts, struct group_view *out)
{
    struct client_retry retry = {0};
    struct chosen by;
    enum err e = OK;
    int exit = chosen_init(c, one, &by);

    if (exit == CLI_OK) {
        do {
            e = look(c, &by, parts, out);
        } while ((e == ERR_CLOSED || (e == OK && out->unsettled)) &&
                 client_retry(c->client, &retry));
        exit = e == OK ? CLI_OK : cli_fail_err(c, e, "groups");
    }
    if (exit == CLI_OK) {
        out->missing = count_missing(c, &by, out, parts);
    }
    chosen_deinit(&by);
    return exit;
}

int group_view_load(struct cli *c, uint32_t parts, struct group_view *out)
{
    return load(c, BYTES_NULL, parts, out);
}

int group_view_one(struct cli *c, struct bytes name, uint32_t parts, struct group_view *out)
{
    int exit = load(c, name, parts, out);

    return exit == CLI_OK && out->count == 0 ? CLI_NOT_FOUND : exit;
}

int group_view_tell(struct cli *c, const struct group_view *v, int *exit)
{
    int failed = v->missing;

    *exit = v->missing > 0 ? CLI_NOT_FOUND : CLI_OK;
    for (int32_t i = 0; i < v->count; i++) {
        if (v->groups[i].error != KAFKA_NONE) {
            failed++;
            *exit = cli_fail_kafka(c, v->groups[i].name, v->groups[i].error,
                                   v->groups[i].error_message);
        }
    }
    return failed;
}
