/* broker/groups/consumer_regex.c: which topics an expression stands for.
 *
 * WHEN     Expressions are resolved to names in the operation that brings them, and again after metadata has changed,
 *          REGEX_EVERY_MS apart at least; the names are records, so a restart need not match again.
 * EPOCH    Other names raise the group's epoch. So does an expression that stands for nothing, when whoever brings it
 *          gives something up for it: else nobody would read that until something else happens (in Kafka nobody does).
 * OWNER    The group; a pattern that was compiled stays with its expression (topic_pattern.h).
 * FAILURE  No memory breaks the coordinator's state, and it is read back from the log (groups_break()).
 */
#include "broker/groups/consumer_internal.h"

enum { REGEX_EVERY_MS = 1000, US_PER_MS = 1000 };

static bool regex_has_text(const struct map_link *link, const void *text)
{
    return bytes_equal(CONTAINER_OF(link, const struct consumer_regex, link)->text,
                       *(const struct bytes *)text);
}

struct consumer_names consumer_regex_topics(const struct consumer_member *m)
{
    struct map_link *link = m->regex.len == 0
                                ? NULL
                                : map_find(&m->group->consumer->regexes, bytes_hash(m->regex, 0),
                                           regex_has_text, &m->regex);

    return link == NULL ? (struct consumer_names){0}
                        : CONTAINER_OF(link, struct consumer_regex, link)->topics;
}

bool consumer_regex_is_resolved(const struct group *group, struct bytes text)
{
    struct map_link *link =
        map_find(&group->consumer->regexes, bytes_hash(text, 0), regex_has_text, &text);
    const struct consumer_regex *r =
        link == NULL ? NULL : CONTAINER_OF(link, const struct consumer_regex, link);

    return r != NULL && r->resolved && r->uses > 0;
}

enum kafka_error consumer_regex_check(struct groups *g, struct arena *a, struct bytes text,
                                      struct bytes *why)
{
    struct topic_pattern *p = NULL;
    enum err e = text.len == 0 ? OK : topic_pattern_new(text, &p);

    topic_pattern_free(p);
    if (e == ERR_NOMEM) {
        groups_break(g);
    }
    if (e == OK || e == ERR_NOMEM) {
        return KAFKA_NONE;
    }
    *why = arena_format(a, "SubscribedTopicRegex `%.*s` is not a valid regular expression: %s.",
                        BYTES_ARG(text), err_crumb());
    return KAFKA_INVALID_REGULAR_EXPRESSION;
}

/* The names it stands for in this image. False: no memory. */
static bool resolve(struct groups *g, struct consumer_regex *r, struct bytes **out, int32_t *count)
{
    const struct image *image = groups_image(g);

    *count = 0;
    *out = ARENA_ARRAY(&g->scratch, struct bytes, image_topic_count(image));
    if (*out == NULL ||
        (r->pattern == NULL && topic_pattern_new(r->text, &r->pattern) == ERR_NOMEM)) {
        return false;
    }
    for (int32_t i = 0; r->pattern != NULL && i < image_topic_count(image); i++) {
        const struct image_topic *t = image_topic_at(image, i);
        bool matches = false;

        if (!t->internal && topic_pattern_match(r->pattern, t->name, &matches) != OK) {
            return false;
        }
        if (matches) {
            (*out)[(*count)++] = t->name;
        }
    }
    return true;
}

static bool names_equal(struct consumer_names names, const struct bytes *at, int32_t count)
{
    /* Both are in order of name. */
    for (int32_t i = 0; i < count && names.len == count; i++) {
        if (!bytes_equal(names.at[i], at[i])) {
            return false;
        }
    }
    return names.len == count;
}

/* Has a member that brings this expression a target that it does not read any more? The others wait for that. */
static bool leaves_behind(const struct groups *g, const struct group *group,
                          const struct consumer_regex *r)
{
    list_for_each (&group->consumer->members, link) {
        const struct consumer_member *m = CONTAINER_OF(link, const struct consumer_member, link);

        for (int32_t i = 0; bytes_equal(m->regex, r->text) && i < m->target.len; i++) {
            if (!consumer_reads(g, m, m->target.at[i].topic_id)) {
                return true;
            }
        }
    }
    return false;
}

void consumer_regex_refresh(struct groups *g, struct group *group)
{
    struct consumer_group *cg = group->consumer;
    bool changed = false;

    map_for_each(&cg->regexes, link)
    {
        struct consumer_regex *r = CONTAINER_OF(link, struct consumer_regex, link);
        struct bytes *names;
        int32_t count;

        if (g->broken || r->uses == 0 ||
            (r->resolved && r->version == image_version(groups_image(g)))) {
            continue;
        }
        if (!resolve(g, r, &names, &count)) {
            groups_break(g);
            return;
        }
        bool first = !r->resolved, same = names_equal(r->topics, names, count);
        if (first || !same) {
            consumer_put_regex(g, group, r->text, names, count);
        }
        r->version = image_version(groups_image(g));
        changed = changed || !same || (first && leaves_behind(g, group, r));
    }
    cg->regex_us = groups_now_us(g);
    consumer_bump_if_changed(g, group, changed,
                             BYTES("a regular expression stands for other topics"));
}

static void regex_due(struct groups *g, struct group_timer *t)
{
    struct consumer_group *cg = CONTAINER_OF(t, struct consumer_group, regex_timer);

    consumer_regex_refresh(g, cg->group);
}

void consumer_regex_soon(struct groups *g, struct group *group)
{
    struct consumer_group *cg = group->consumer;
    bool missing = false;

    map_for_each(&cg->regexes, link)
    {
        const struct consumer_regex *r = CONTAINER_OF(link, const struct consumer_regex, link);

        missing = missing ||
                  (r->uses > 0 && (!r->resolved || r->version != image_version(groups_image(g))));
    }
    if (missing && !group_timer_runs(&cg->regex_timer)) {
        group_timer_start(g, &cg->regex_timer, 1, regex_due);
    }
}

void consumer_image_changed(struct groups *g, struct group *group, const struct image *old)
{
    struct consumer_group *cg = group->consumer;

    (void)old;
    cg->topics_changed = true;
    if (cg->regexes.len > 0 && !group_timer_runs(&cg->regex_timer)) {
        int64_t since_ms = (int64_t)((groups_now_us(g) - cg->regex_us) / US_PER_MS);

        group_timer_start(g, &cg->regex_timer, MAX(REGEX_EVERY_MS - since_ms, 0), regex_due);
    }
}
