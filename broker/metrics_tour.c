/* broker/metrics_tour.c: one message that goes round all cores twice and comes home with numbers.
 *
 * WHY      Nobody is stopped: each core adds what it has when the message comes by, a piece per turn, so that a page
 *          of hundreds of thousands of numbers delays no request by more than a piece.
 * PIECES   One group coordinator, or VISITS_PER_TURN partitions of the image. Coordinators come and go between turns:
 *          the next one is the one with the next higher number.
 * MEMORY   One arena. The numbers of partitions come first, then groups as long as there is room.
 * OWNER    The core it visits.
 * FAILURE  Without memory the arena is exhausted: the tour goes on to its end, quickly.
 * LIMITS   METRICS_TOUR_BYTES_MAX; VISITS_PER_TURN.
 */
#include "broker/metrics_tour.h"

#include "broker/coordinator.h"
#include "broker/node.h"

enum {
    VISITS_PER_TURN = 4096,
    SERIES_OF_GROUP = 2,
    SERIES_OF_POSITION = 2,
    SERIES_OF_PARTITION = 2,
    ALIGN_BYTES = 16, /* what one allocation may cost more than it asks for */
    ARENA_FACTOR = 2, /* blocks of an arena are not filled to their end */
};

/* Takes it from what may be held; otherwise so many series are left out. */
static bool has_room(struct metrics_tour *t, size_t bytes, size_t series)
{
    if (t->arena.exhausted || METRICS_TOUR_BYTES_MAX - t->taken < bytes + ALIGN_BYTES) {
        t->left_out += series;
        return false;
    }
    t->taken += bytes + ALIGN_BYTES;
    return true;
}

/* ---- groups ---- */

static void take_group(void *context, const struct group_numbers *n)
{
    struct metrics_tour *t = context;
    struct metrics_group *g;

    t->group = NULL;
    t->current = NULL;
    if (!has_room(t, sizeof(*g) + n->id.len + ALIGN_BYTES, SERIES_OF_GROUP)) {
        return;
    }
    g = ARENA_NEW(&t->arena, struct metrics_group);
    if (g == NULL) {
        return;
    }
    g->id = arena_copy(&t->arena, n->id);
    g->member_count = n->member_count;
    g->generation = n->generation;
    g->next = t->groups;
    t->groups = t->group = g;
}

static int32_t image_topic_index(const struct image *image, struct bytes name)
{
    int32_t at = image_topic_lower_bound(image, name);

    return at < image_topic_count(image) && bytes_equal(image_topic_at(image, at)->name, name) ? at
                                                                                               : -1;
}

static struct metrics_topic *topic_add(struct metrics_tour *t, const struct group_position *p)
{
    size_t bytes = p->of * sizeof(struct metrics_position);

    if (t->group == NULL ||
        !has_room(t, sizeof(struct metrics_topic) + p->topic.len + bytes + 2 * ALIGN_BYTES, 0)) {
        return NULL;
    }
    struct metrics_topic *topic = ARENA_NEW(&t->arena, struct metrics_topic);
    struct metrics_position *at = ARENA_ARRAY(&t->arena, struct metrics_position, p->of);
    if (topic == NULL || at == NULL) {
        return NULL;
    }
    topic->name = arena_copy(&t->arena, p->topic);
    topic->image_at = image_topic_index(t->image, p->topic);
    topic->at = at;
    topic->next = t->group->topics;
    t->group->topics = topic;
    return topic;
}

static bool is_of_other(const struct metrics_tour *t, const struct group_position *p)
{
    if (t->current->image_at < 0 || uuid_is_zero(p->topic_id)) {
        return false;
    }
    return !uuid_equal(p->topic_id, image_topic_at(t->image, t->current->image_at)->id);
}

static void take_position(void *context, const struct group_position *p)
{
    struct metrics_tour *t = context;

    if (p->at == 0) {
        t->current = topic_add(t, p);
    }
    if (t->current == NULL) {
        t->left_out += SERIES_OF_POSITION;
        return;
    }
    ASSERT(t->current->count == p->at && p->at < p->of);
    t->current->at[t->current->count++] = (struct metrics_position){
        .offset = p->offset, .partition = p->partition, .of_other = is_of_other(t, p)};
}

/* The one with the next higher number. */
static const struct coordinator *next_coordinator(const struct core *on, int32_t after)
{
    const struct coordinator *best = NULL;

    for (const struct coordinator *c = coordinator_first(on); c != NULL;
         c = coordinator_next(on, c)) {
        int32_t at = coordinator_partition(c);
        if (at > after && (best == NULL || at < coordinator_partition(best))) {
            best = c;
        }
    }
    return best;
}

/* One coordinator; false: there is none left on this core. */
static bool gather_groups(struct core *on, struct metrics_tour *t)
{
    const struct coordinator *c = next_coordinator(on, t->coordinator);

    if (c == NULL || t->image == NULL) {
        return false;
    }
    t->coordinator = coordinator_partition(c);
    t->current = NULL;
    if (coordinator_groups(c) != NULL) {
        const struct groups_visitor v = {
            .group = take_group, .position = take_position, .context = t};
        groups_measure(coordinator_groups(c), &v);
    }
    t->loading += coordinator_is_loading(c);
    return true;
}

/* ---- partitions ---- */

static void range_take(struct core *on, const struct metrics_tour *t,
                       const struct image_topic *topic)
{
    struct partition *p = NULL;

    if (core_of_partition(on->node, &topic->id, t->partition) == on->index) {
        p = partition_find(on, &topic->id, t->partition);
    }
    if (p != NULL) {
        t->ranges[t->topic][t->partition] =
            (struct metrics_range){plog_start(p->log), partition_high_watermark(p)};
    }
}

/* Some partitions; false: there are none left on this core. */
static bool gather_ranges(struct core *on, struct metrics_tour *t)
{
    if (t->ranges == NULL || t->arena.exhausted) {
        return false;
    }
    for (int left = VISITS_PER_TURN; left > 0; left--) {
        if (t->topic == image_topic_count(t->image)) {
            return false;
        }
        const struct image_topic *topic = image_topic_at(t->image, t->topic);
        if (t->partition < topic->partition_count) {
            range_take(on, t, topic);
            t->partition++;
        } else {
            t->topic++;
            t->partition = 0;
        }
    }
    return true;
}

/* Room for the ends of all partitions, not known yet. */
static void ranges_new(struct metrics_tour *t)
{
    size_t topics = (size_t)image_topic_count(t->image), partitions = 0;

    for (size_t i = 0; i < topics; i++) {
        partitions += (size_t)image_topic_at(t->image, (int32_t)i)->partition_count;
    }
    if (!has_room(t,
                  topics * (sizeof(struct metrics_range *) + ALIGN_BYTES) +
                      partitions * sizeof(struct metrics_range),
                  SERIES_OF_PARTITION * partitions)) {
        return;
    }
    struct metrics_range **ranges = ARENA_ARRAY(&t->arena, struct metrics_range *, topics);
    struct metrics_range *all = ARENA_ARRAY(&t->arena, struct metrics_range, partitions);
    if (ranges == NULL || all == NULL) {
        return;
    }
    for (size_t i = 0; i < partitions; i++) {
        all[i].end = -1;
    }
    for (size_t i = 0; i < topics; i++) {
        ranges[i] = all;
        all += image_topic_at(t->image, (int32_t)i)->partition_count;
    }
    t->ranges = ranges;
}

/* ---- the way ---- */

static void step(struct core *on, struct message *m);

static void come_home(struct core *on, struct message *m)
{
    struct metrics_tour *t = CONTAINER_OF(m, struct metrics_tour, message);

    ASSERT(on == t->home);
    t->done(t);
}

/* To the next core, round or home. */
static void go_on(struct core *on, struct metrics_tour *t)
{
    t->core++;
    if (t->core == node_core_count(on->node) && !t->second) {
        t->second = true;
        t->core = 0;
    }
    t->coordinator = -1;
    t->topic = t->partition = 0;
    bool end = t->core == node_core_count(on->node);
    t->message.run = end ? come_home : step;
    mailbox_send(on, end ? t->home->index : t->core, &t->message);
}

static void step(struct core *on, struct message *m)
{
    struct metrics_tour *t = CONTAINER_OF(m, struct metrics_tour, message);

    ASSERT(on->index == t->core);
    if (!t->second && t->coordinator == -1) {
        core_stats_add(&t->stats, &on->stats);
    }
    if (t->second ? gather_ranges(on, t) : gather_groups(on, t)) {
        core_later(on, m);
    } else {
        go_on(on, t);
    }
}

void metrics_tour_start(struct core *zero, struct metrics_tour *t,
                        void (*done)(struct metrics_tour *t))
{
    ASSERT_ON_CORE(zero);
    *t = (struct metrics_tour){.home = zero, .done = done, .coordinator = -1};
    arena_init(&t->arena, (size_t)ARENA_FACTOR * METRICS_TOUR_BYTES_MAX);
    if (zero->image != NULL) {
        t->image = image_ref(zero->image);
        ranges_new(t);
    }
    t->message.run = step;
    mailbox_send(zero, 0, &t->message);
}

void metrics_tour_deinit(struct metrics_tour *t)
{
    arena_deinit(&t->arena);
    if (t->image != NULL) {
        image_unref(t->image);
        t->image = NULL;
    }
}
