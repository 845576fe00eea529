/* broker/metrics_page.c: what a tour brought home becomes text.
 *
 * WHY      The format wants all lines of a name together, so the page goes over groups and topics once for each name.
 *          What says most in the fewest lines comes first: if the page grows too long, the lines per partition go.
 * FLOW     metrics_tour -> the node's own numbers -> each family, UNIT by unit (a topic, a group, a topic of a group)
 *          -> done. After LINES_PER_TURN the rest waits for the next turn.
 * OWNER    Core 0.
 * FAILURE  Without memory the page has no text.
 * LIMITS   METRICS_SERIES_MAX, METRICS_TEXT_BYTES_MAX, METRICS_TOUR_BYTES_MAX; LINES_PER_TURN, and what one topic of
 *          one group has more.
 */
#include "broker/metrics_page.h"

#include "base/mem.h"
#include "broker/metrics_text.h"
#include "broker/metrics_tour.h"
#include "broker/node.h"
#include "schema/dispatch.h"

#include <stdio.h>

enum { LINES_PER_TURN = 2000, UNITS_PER_TURN = 10 * 1000, NAME_BYTES_MAX = 96 };

enum unit { TOPIC, GROUP, GROUP_TOPIC };

struct metrics_page {
    struct metrics_tour tour; /* with the message of the turns to come */
    struct metrics_text text;
    struct core *core;
    void (*done)(void *context, struct metrics_page *page);
    void *context;
    bool is_done;
    /* What comes next. */
    size_t family;
    bool begun;
    int32_t topic_at;
    const struct metrics_group *group;
    const struct metrics_topic *topic;
};

struct family {
    const char *name, *help;
    enum unit unit;
    void (*write)(struct metrics_page *p);
};

static void plain_series(struct metrics_page *p, int64_t value)
{
    metrics_text_series(&p->text, METRICS_NO_PARTITION, value);
}

/* ---- the node's own numbers ---- */

static void write_stats(struct metrics_page *p)
{
    const struct metric_info *m;
    char name[NAME_BYTES_MAX];

    for (size_t i = 0; (m = metric_info(i)) != NULL; i++) {
        (void)snprintf(name, sizeof(name), "weir_%s%s", m->name,
                       m->kind == METRIC_COUNTER ? "_total" : "");
        metrics_text_family(&p->text, name, m->text, m->kind);
        plain_series(p, (int64_t)metric_value(&p->tour.stats, m));
    }
}

static void write_requests(struct metrics_page *p)
{
    metrics_text_family(&p->text, "weir_requests_total", "requests served, by API", METRIC_COUNTER);
    for (int i = 0; i < METRICS_API_COUNT; i++) {
        const struct dispatch_row *row = p->core->node->options.api_find((int16_t)i);
        if (row != NULL && p->tour.stats.requests[i] > 0) {
            metrics_text_label(&p->text, "api", bytes_of(row->api->name));
            plain_series(p, (int64_t)p->tour.stats.requests[i]);
            metrics_text_unlabel(&p->text);
        }
    }
}

static void write_node(struct metrics_page *p)
{
    write_stats(p);
    write_requests(p);
    if (p->tour.image == NULL) {
        return;
    }
    metrics_text_family(&p->text, "weir_group_coordinators_loading",
                        "group coordinators whose groups are not known yet", METRIC_GAUGE);
    plain_series(p, (int64_t)p->tour.loading);
    metrics_text_family(&p->text, "kafka_brokers", "brokers of the cluster", METRIC_GAUGE);
    plain_series(p, image_broker_count(p->tour.image));
}

/* ---- topics ---- */

static void write_partition_count(struct metrics_page *p)
{
    const struct image_topic *topic = image_topic_at(p->tour.image, p->topic_at);

    metrics_text_label(&p->text, "topic", topic->name);
    plain_series(p, topic->partition_count);
}

static void write_ranges(struct metrics_page *p, bool ends)
{
    const struct image_topic *topic = image_topic_at(p->tour.image, p->topic_at);

    if (p->tour.ranges == NULL) {
        return;
    }
    metrics_text_label(&p->text, "topic", topic->name);
    for (int32_t i = 0; i < topic->partition_count; i++) {
        const struct metrics_range *r = &p->tour.ranges[p->topic_at][i];
        if (r->end >= 0) {
            metrics_text_series(&p->text, i, ends ? r->end : r->start);
        }
    }
}

static void write_ends(struct metrics_page *p)
{
    write_ranges(p, true);
}

static void write_starts(struct metrics_page *p)
{
    write_ranges(p, false);
}

/* ---- groups ---- */

static void write_members(struct metrics_page *p)
{
    metrics_text_label(&p->text, "consumergroup", p->group->id);
    plain_series(p, (int64_t)p->group->member_count);
}

static void write_generation(struct metrics_page *p)
{
    metrics_text_label(&p->text, "consumergroup", p->group->id);
    plain_series(p, p->group->generation);
}

static void label_group_topic(struct metrics_page *p)
{
    metrics_text_label(&p->text, "consumergroup", p->group->id);
    metrics_text_label(&p->text, "topic", p->topic->name);
}

/* False: it cannot be known. */
static bool lag_of(const struct metrics_page *p, const struct metrics_position *at, int64_t *out)
{
    int32_t topic = p->topic->image_at;

    if (p->tour.ranges == NULL || topic < 0 || at->of_other || at->offset < 0 ||
        at->partition < 0 ||
        at->partition >= image_topic_at(p->tour.image, topic)->partition_count) {
        return false;
    }
    int64_t end = p->tour.ranges[topic][at->partition].end;
    *out = MAX(end - at->offset, (int64_t)0);
    return end >= 0;
}

static bool position_of(const struct metrics_page *p, const struct metrics_position *at,
                        int64_t *out)
{
    (void)p;
    *out = at->offset;
    return at->offset >= 0;
}

typedef bool number_of(const struct metrics_page *p, const struct metrics_position *at,
                       int64_t *out);

static void write_each(struct metrics_page *p, number_of *number)
{
    int64_t value;

    label_group_topic(p);
    for (size_t i = 0; i < p->topic->count; i++) {
        if (number(p, &p->topic->at[i], &value)) {
            metrics_text_series(&p->text, p->topic->at[i].partition, value);
        }
    }
}

static void write_sum(struct metrics_page *p, number_of *number)
{
    int64_t value, sum = 0;
    bool any = false;

    for (size_t i = 0; i < p->topic->count; i++) {
        if (number(p, &p->topic->at[i], &value)) {
            any = true;
            if (__builtin_add_overflow(sum, value, &sum)) {
                sum = INT64_MAX;
            }
        }
    }
    if (any) {
        label_group_topic(p);
        plain_series(p, sum);
    }
}

static void write_lags(struct metrics_page *p)
{
    write_each(p, lag_of);
}

static void write_lag_sum(struct metrics_page *p)
{
    write_sum(p, lag_of);
}

static void write_positions(struct metrics_page *p)
{
    write_each(p, position_of);
}

static void write_position_sum(struct metrics_page *p)
{
    write_sum(p, position_of);
}

/* ---- all of it, a piece at a time ---- */

static const struct family families[] = {
    {"kafka_topic_partitions", "partitions of a topic", TOPIC, write_partition_count},
    {"kafka_consumergroup_members", "members of a group", GROUP, write_members},
    {"weir_group_generation", "generation (epoch) of a group: it rises with every rebalance", GROUP,
     write_generation},
    {"kafka_consumergroup_lag_sum", "records a group has not committed yet, by topic", GROUP_TOPIC,
     write_lag_sum},
    {"kafka_consumergroup_current_offset_sum", "committed offsets of a group, by topic",
     GROUP_TOPIC, write_position_sum},
    {"kafka_consumergroup_lag", "records a group has not committed yet, by partition", GROUP_TOPIC,
     write_lags},
    {"kafka_consumergroup_current_offset", "committed offset of a group, by partition", GROUP_TOPIC,
     write_positions},
    {"kafka_topic_partition_current_offset", "next offset of a partition", TOPIC, write_ends},
    {"kafka_topic_partition_oldest_offset", "first offset of a partition", TOPIC, write_starts},
};

/* To the next topic of any group, from the place p->group, p->topic on. */
static void skip_empty_groups(struct metrics_page *p)
{
    while (p->topic == NULL && p->group != NULL) {
        p->group = p->group->next;
        p->topic = p->group == NULL ? NULL : p->group->topics;
    }
}

static void begin(struct metrics_page *p, const struct family *f)
{
    metrics_text_family(&p->text, f->name, f->help, METRIC_GAUGE);
    p->begun = true;
    p->topic_at = 0;
    p->group = p->tour.groups;
    p->topic = p->group == NULL ? NULL : p->group->topics;
    if (f->unit == GROUP_TOPIC) {
        skip_empty_groups(p);
    }
}

static bool at_end(const struct metrics_page *p, enum unit unit)
{
    return unit == TOPIC ? p->topic_at == image_topic_count(p->tour.image) : p->group == NULL;
}

static void advance(struct metrics_page *p, enum unit unit)
{
    if (unit == TOPIC) {
        p->topic_at++;
    } else if (unit == GROUP) {
        p->group = p->group->next;
    } else {
        p->topic = p->topic->next;
        skip_empty_groups(p);
    }
}

/* One unit; false: all is written. */
static bool write_unit(struct metrics_page *p)
{
    if (p->tour.image == NULL || p->family == COUNT_OF(families)) {
        return false;
    }
    const struct family *f = &families[p->family];
    if (!p->begun) {
        begin(p, f);
    }
    if (at_end(p, f->unit)) {
        p->family++;
        p->begun = false;
        return true;
    }
    f->write(p);
    metrics_text_unlabel(&p->text);
    advance(p, f->unit);
    return true;
}

static void finish(struct metrics_page *p)
{
    metrics_text_leave_out(&p->text, p->tour.left_out);
    metrics_text_end(&p->text);
    p->text.nomem = p->text.nomem || p->tour.arena.exhausted;
    metrics_tour_deinit(&p->tour);
    p->is_done = true;
    p->done(p->context, p);
}

static void write_some(struct core *on, struct message *m)
{
    struct metrics_page *p = CONTAINER_OF(m, struct metrics_page, tour.message);
    size_t lines = p->text.series + p->text.left_out;

    for (int i = 0; i < UNITS_PER_TURN; i++) {
        if (p->text.nomem || p->tour.arena.exhausted || !write_unit(p)) {
            finish(p);
            return;
        }
        if (p->text.series + p->text.left_out - lines >= LINES_PER_TURN) {
            break;
        }
    }
    core_later(on, m);
}

static void toured(struct metrics_tour *t)
{
    struct metrics_page *p = CONTAINER_OF(t, struct metrics_page, tour);

    write_node(p);
    t->message.run = write_some;
    core_later(p->core, &t->message);
}

enum err metrics_page_start(struct core *zero,
                            void (*done)(void *context, struct metrics_page *page), void *context,
                            struct metrics_page **out)
{
    struct metrics_page *p = mem_zalloc(1, sizeof(*p));

    if (p == NULL) {
        return fail(ERR_NOMEM, "a page of metrics");
    }
    p->core = zero;
    p->done = done;
    p->context = context;
    metrics_text_init(&p->text, METRICS_SERIES_MAX, METRICS_TEXT_BYTES_MAX);
    metrics_tour_start(zero, &p->tour, toured);
    *out = p;
    return OK;
}

enum err metrics_page_result(const struct metrics_page *page)
{
    ASSERT(page->is_done);
    return page->text.nomem ? ERR_NOMEM : OK;
}

struct bytes metrics_page_text(const struct metrics_page *page)
{
    return buf_view(&page->text.text);
}

void metrics_page_free(struct metrics_page *page)
{
    metrics_tour_deinit(&page->tour);
    metrics_text_deinit(&page->text);
    mem_free(page);
}
