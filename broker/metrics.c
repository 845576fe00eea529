/* broker/metrics.c: the table of counters, made from metrics.def.
 *
 * WHY      A counter is one line in one file; its name, its place and its explanation cannot drift apart.
 * OWNER    Each core its own struct core_stats. Totals are made from copies.
 * FAILURE  None.
 */
#include "broker/metrics.h"

static const struct metric_info infos[] = {
#define COUNTER(id, text) {#id, text, METRIC_COUNTER, offsetof(struct core_stats, id)},
#define GAUGE(id, text)   {#id, text, METRIC_GAUGE, offsetof(struct core_stats, id)},
#include "broker/metrics.def"
};

static_assert(sizeof(struct core_stats) == (COUNT_OF(infos) + METRICS_API_COUNT) * sizeof(uint64_t),
              "core_stats holds the listed numbers and nothing else");

const struct metric_info *metric_info(size_t at)
{
    return at < COUNT_OF(infos) ? &infos[at] : NULL;
}

uint64_t metric_value(const struct core_stats *s, const struct metric_info *m)
{
    uint64_t v;

    memcpy(&v, (const uint8_t *)s + m->offset, sizeof(v));
    return v;
}

void core_stats_add(struct core_stats *sum, const struct core_stats *more)
{
    for (size_t i = 0; i < COUNT_OF(infos); i++) {
        uint64_t v = metric_value(sum, &infos[i]) + metric_value(more, &infos[i]);
        memcpy((uint8_t *)sum + infos[i].offset, &v, sizeof(v));
    }
    for (int i = 0; i < METRICS_API_COUNT; i++) {
        sum->requests[i] += more->requests[i];
    }
}
