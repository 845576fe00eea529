/* broker/metrics.h: what a core counts. Each core has its own numbers; nobody else writes them. */
#pragma once

#include "base/base.h"

/* API keys are small: what is past the table is not counted by key. */
enum { METRICS_API_COUNT = 100 };

struct core_stats {
#define COUNTER(id, text) uint64_t id;
#define GAUGE(id, text)   uint64_t id;
#include "broker/metrics.def"
    uint64_t requests[METRICS_API_COUNT]; /* by API key */
};

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

struct metric_info {
    const char *name, *text;
    enum metric_kind kind;
    size_t offset; /* in struct core_stats */
};

/* All but requests[]; NULL after the last. */
const struct metric_info *metric_info(size_t at);
uint64_t metric_value(const struct core_stats *s, const struct metric_info *m);
/* Adds what another core counted: totals of a node. */
void core_stats_add(struct core_stats *sum, const struct core_stats *more);
