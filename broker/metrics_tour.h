/* broker/metrics_tour.h: what a page of metrics is made of, gathered from core to core.
 *
 * ROUNDS   The first asks every core for its counters and its groups with their positions, the second for the ends of
 *          its partitions: so a position never lies behind an end for being younger.
 * OWNER    Core 0 makes, keeps and frees it; while it is under way whatever core it visits writes in it.
 */
#pragma once

#include "base/arena.h"
#include "broker/core.h"
#include "broker/groups/groups.h"

/* Memory for names, positions and ends; what does not fit is counted as left out. */
enum { METRICS_TOUR_BYTES_MAX = 32 << 20 };

struct metrics_position {
    int64_t offset;
    int32_t partition;
    bool of_other; /* committed for an earlier topic of that name */
};

/* A topic that a group has positions in. */
struct metrics_topic {
    struct metrics_topic *next;
    struct bytes name;
    int32_t image_at; /* in the image; -1: not there any more */
    size_t count;
    struct metrics_position *at;
};

struct metrics_group {
    struct metrics_group *next;
    struct metrics_topic *topics;
    struct bytes id;
    size_t member_count;
    int32_t generation;
};

/* First and next offset of a partition; end -1: not known. */
struct metrics_range {
    int64_t start, end;
};

struct metrics_tour {
    struct message message;
    const struct image *image; /* of the whole tour; NULL: the node keeps nothing */
    struct arena arena;
    struct core_stats stats; /* of all cores */
    struct metrics_group *groups;
    size_t loading;  /* coordinators whose groups are not known yet */
    size_t left_out; /* series for which there was no room */
    /* By topic of the image, by partition; NULL: no room. */
    struct metrics_range *const *ranges;
    /* The tour's own. */
    void (*done)(struct metrics_tour *t);
    struct core *home;
    size_t taken; /* of METRICS_TOUR_BYTES_MAX */
    int core;
    bool second;
    int32_t coordinator; /* the last one visited on this core; -1: none yet */
    int32_t topic, partition;
    struct metrics_group *group;   /* whose positions come; NULL: it is left out */
    struct metrics_topic *current; /* likewise */
};

/* On core 0. `done` is called there, in a later turn, unless the node ends before. When arena.exhausted is set by then,
 * there was no memory, and what was gathered is of no use. */
void metrics_tour_start(struct core *zero, struct metrics_tour *t,
                        void (*done)(struct metrics_tour *t));
/* It is home, or no core runs any more. */
void metrics_tour_deinit(struct metrics_tour *t);
