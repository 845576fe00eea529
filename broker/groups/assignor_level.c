/* broker/groups/assignor_level.c: evenness where not everybody can have everything.
 *
 * WHY      When subscriptions differ, a member with much and one with little may have no topic in common, and
 *          still balance each other through third ones. So looking at pairs is not enough: chains of moves are
 *          searched, in the graph
 *              member --(has a partition of)--> topic --(is subscribed to by)--> member
 *          A chain from a member to one with two less makes both more even and changes nobody between. When there
 *          is no such chain, no assignment is more even.
 * METHOD   1. Free partitions go to the subscriber that has least, topics with fewest subscribers first.
 *          2. Those that have most, and all they reach, are a world of their own: nothing leaves it. Its mean,
 *             rounded up, is what somebody in it will have at least. While someone has more than that, chains lead
 *             from those above it to those below. Otherwise the ones that have most can only hand on to those that
 *             have two less; who still has as much when that ends is settled, with all they reach.
 *          3. Again with what is not settled.
 *          Chains are found like Dinic's flows: a search in breadth numbers everything by distance, then chains are
 *          followed along rising numbers; an arc found useless is not tried again in the same round.
 * STICKY   What is handed on is, of a member's partitions of the topic, the one it got last: what it had all along
 *          goes at the end.
 * LIMITS   ASSIGNOR_STEPS_MAX; after every chain the assignment is whole, so it may end anywhere.
 */
#include "broker/groups/assignor_internal.h"

#include <stdlib.h>

enum { NONE = -1 };

/* One subscription: a member and a topic. Counted through by member: `first_edge`. */
struct level {
    struct assignor_work *work;
    int64_t steps;
    int32_t *first_edge; /* per place, and one more */
    int32_t *edge_topic; /* per edge */
    int32_t *head,
        *next; /* per edge, per slot: the slots the member has of the topic, newest first */
    int32_t *first_reader; /* per topic, and one more: into `readers` */
    int32_t *readers;      /* edges of the topic's subscribers, by place */
    int32_t *reader_place; /* per entry of readers */
    /* Of the search: distance from where it began, NONE where it has not been; arcs up to `arc` are tried. */
    int32_t *member_far, *topic_far, *member_arc, *topic_arc;
    int32_t *queue, queue_len; /* places that the search has reached */
    bool *settled;             /* per place */
    int32_t *chain;            /* edges, alternately of the one who gives and the one who gets */
};

/* The members a search begins at have `most` or more, those it looks for `least` or less. */
struct span {
    int32_t most, least;
};

static enum err level_init(struct level *l, struct assignor_work *w)
{
    struct arena *a = w->arena;
    int32_t members = w->member_count, topics = w->topic_count, edges = 0;

    for (int32_t t = 0; t < topics; t++) {
        edges += w->subscribers[t];
    }
    *l = (struct level){
        .work = w,
        .first_edge = ARENA_ARRAY(a, int32_t, members + 1),
        .edge_topic = ARENA_ARRAY(a, int32_t, edges),
        .head = ARENA_ARRAY(a, int32_t, edges),
        .next = ARENA_ARRAY(a, int32_t, w->slot_count),
        .first_reader = ARENA_ARRAY(a, int32_t, topics + 1),
        .readers = ARENA_ARRAY(a, int32_t, edges),
        .reader_place = ARENA_ARRAY(a, int32_t, edges),
        .member_far = ARENA_ARRAY(a, int32_t, members),
        .topic_far = ARENA_ARRAY(a, int32_t, topics),
        .member_arc = ARENA_ARRAY(a, int32_t, members),
        .topic_arc = ARENA_ARRAY(a, int32_t, topics),
        .queue = ARENA_ARRAY(a, int32_t, members),
        .settled = ARENA_ARRAY(a, bool, members),
        .chain = ARENA_ARRAY(a, int32_t, 2 * (int64_t)members),
    };
    return a->exhausted ? fail(ERR_NOMEM, "levelling %d subscriptions", edges) : OK;
}

static void number_edges(struct level *l)
{
    const struct assignor_work *w = l->work;
    int32_t edge = 0;

    for (int32_t t = 0; t < w->topic_count; t++) {
        l->first_reader[t + 1] = l->first_reader[t] + w->subscribers[t];
        l->topic_arc[t] = l->first_reader[t];
    }
    for (int32_t place = 0; place < w->member_count; place++) {
        const struct assignor_member *m = w->members[place];
        for (int32_t i = 0; i < m->topic_count; i++, edge++) {
            int32_t reader = l->topic_arc[m->topics[i]]++;
            l->readers[reader] = edge;
            l->reader_place[reader] = place;
            l->edge_topic[edge] = m->topics[i];
            l->head[edge] = NONE;
        }
        l->first_edge[place + 1] = edge;
    }
}

static void push_slot(struct level *l, int32_t edge, int32_t slot)
{
    l->next[slot] = l->head[edge];
    l->head[edge] = slot;
}

/* What is kept, per subscription. Slots of a topic meet its subscribers' edges through `edge_of`. */
static enum err list_kept(struct level *l)
{
    const struct assignor_work *w = l->work;
    int32_t *edge_of = ARENA_ARRAY(w->arena, int32_t, w->member_count);

    if (!edge_of) {
        return fail(ERR_NOMEM, "levelling %d members", w->member_count);
    }
    for (int32_t t = 0; t < w->topic_count; t++) {
        for (int32_t r = l->first_reader[t]; r < l->first_reader[t + 1]; r++) {
            edge_of[l->reader_place[r]] = l->readers[r];
        }
        for (int32_t slot = w->first_slot[t]; slot < w->first_slot[t + 1]; slot++) {
            if (w->owner[slot] != SLOT_FREE) {
                push_slot(l, edge_of[w->owner[slot]], slot);
            }
        }
    }
    return OK;
}

/* ---- 1: free partitions ---- */

/* A heap of readers: the one on top has least; of several, the first. */
struct heap {
    const struct level *level;
    int32_t *at;
    int32_t len;
};

static bool has_less(const struct heap *h, int32_t a, int32_t b)
{
    int32_t left = h->level->reader_place[a], right = h->level->reader_place[b];
    const int32_t *count = h->level->work->count;

    return count[left] != count[right] ? count[left] < count[right] : left < right;
}

static void sift_down(struct heap *h, int32_t at)
{
    int32_t moved = h->at[at];

    for (int32_t child; (child = 2 * at + 1) < h->len; at = child) {
        if (child + 1 < h->len && has_less(h, h->at[child + 1], h->at[child])) {
            child++;
        }
        if (!has_less(h, h->at[child], moved)) {
            break;
        }
        h->at[at] = h->at[child];
    }
    h->at[at] = moved;
}

static void hand_out_topic(struct level *l, struct heap *h, int32_t topic)
{
    struct assignor_work *w = l->work;
    bool ready = false;

    h->len = l->first_reader[topic + 1] - l->first_reader[topic];
    for (int32_t slot = w->first_slot[topic]; slot < w->first_slot[topic + 1]; slot++) {
        if (w->owner[slot] != SLOT_FREE) {
            continue;
        }
        if (!ready) {
            for (int32_t i = 0; i < h->len; i++) {
                h->at[i] = l->first_reader[topic] + i;
            }
            for (int32_t i = h->len / 2; i-- > 0;) {
                sift_down(h, i);
            }
            ready = true;
        }
        assignor_give(w, slot, l->reader_place[h->at[0]]);
        push_slot(l, l->readers[h->at[0]], slot);
        sift_down(h, 0);
    }
}

struct rank {
    int32_t subscribers, topic;
};

static int by_subscribers(const void *left, const void *right)
{
    const struct rank *a = left, *b = right;

    return a->subscribers != b->subscribers ? (a->subscribers < b->subscribers ? -1 : 1)
                                            : (a->topic > b->topic) - (a->topic < b->topic);
}

static enum err hand_out(struct level *l)
{
    const struct assignor_work *w = l->work;
    struct rank *ranks = ARENA_ARRAY(w->arena, struct rank, w->topic_count);
    struct heap h = {.level = l, .at = ARENA_ARRAY(w->arena, int32_t, w->member_count)};

    if (!ranks || !h.at) {
        return fail(ERR_NOMEM, "handing out %d topics", w->topic_count);
    }
    for (int32_t t = 0; t < w->topic_count; t++) {
        ranks[t] = (struct rank){w->subscribers[t], t};
    }
    qsort(ranks, (size_t)w->topic_count, sizeof(*ranks), by_subscribers);
    for (int32_t i = 0; i < w->topic_count; i++) {
        hand_out_topic(l, &h, ranks[i].topic);
    }
    return OK;
}

/* ---- 2: chains ---- */

static void reach(struct level *l, int32_t place, int32_t far)
{
    l->member_far[place] = far;
    l->member_arc[place] = l->first_edge[place];
    l->queue[l->queue_len++] = place;
}

static void search_begin(struct level *l, struct span s)
{
    const struct assignor_work *w = l->work;

    memset(l->member_far, 0xff, (size_t)w->member_count * sizeof(*l->member_far));
    memset(l->topic_far, 0xff, (size_t)w->topic_count * sizeof(*l->topic_far));
    l->steps += w->member_count + w->topic_count;
    l->queue_len = 0;
    for (int32_t place = 0; place < w->member_count; place++) {
        if (!l->settled[place] && w->count[place] >= s.most) {
            reach(l, place, 0);
        }
    }
}

/* Everybody who subscribes to the topic; true: one of them is looked for. */
static bool search_topic(struct level *l, struct span s, int32_t topic, int32_t far)
{
    bool found = false;

    l->topic_far[topic] = far;
    l->topic_arc[topic] = l->first_reader[topic];
    for (int32_t r = l->first_reader[topic]; r < l->first_reader[topic + 1]; r++) {
        int32_t place = l->reader_place[r];
        l->steps++;
        if (l->member_far[place] == NONE && !l->settled[place]) {
            reach(l, place, far + 1);
            found |= l->work->count[place] <= s.least;
        }
    }
    return found;
}

/* Numbers what can be reached, up to the distance of the first one looked for. False: there is none; the queue then
 * holds everybody who can be reached. */
static bool search(struct level *l, struct span s)
{
    int32_t last = INT32_MAX;

    search_begin(l, s);
    for (int32_t i = 0; i < l->queue_len; i++) {
        int32_t place = l->queue[i], far = l->member_far[place];
        if (far >= last) {
            break;
        }
        for (int32_t edge = l->first_edge[place]; edge < l->first_edge[place + 1]; edge++) {
            l->steps++;
            if (l->head[edge] != NONE && l->topic_far[l->edge_topic[edge]] == NONE &&
                search_topic(l, s, l->edge_topic[edge], far + 1)) {
                last = far + 2;
            }
        }
    }
    return last != INT32_MAX;
}

/* The next edge by which the member can hand something on, NONE when all are tried. */
static int32_t next_gift(struct level *l, int32_t place)
{
    for (int32_t *edge = &l->member_arc[place]; *edge < l->first_edge[place + 1]; (*edge)++) {
        int32_t topic = l->edge_topic[*edge];
        l->steps++;
        if (l->head[*edge] != NONE && l->topic_far[topic] == l->member_far[place] + 1 &&
            l->topic_arc[topic] < l->first_reader[topic + 1]) {
            return *edge;
        }
    }
    return NONE;
}

/* The next subscriber, one further away than the topic; as an index into readers, or NONE. */
static int32_t next_reader(struct level *l, int32_t topic)
{
    for (int32_t *r = &l->topic_arc[topic]; *r < l->first_reader[topic + 1]; (*r)++) {
        l->steps++;
        if (l->member_far[l->reader_place[*r]] == l->topic_far[topic] + 1) {
            return *r;
        }
    }
    return NONE;
}

/* Hands on along the chain: the last one gets one more, the first one has one less. */
static void hand_on(struct level *l, int32_t chain_len, int32_t first, int32_t last)
{
    struct assignor_work *w = l->work;

    for (int32_t i = chain_len; i > 0; i -= 2) {
        int32_t giver = l->chain[i - 2], reader = l->chain[i - 1];
        int32_t slot = l->head[giver];
        l->head[giver] = l->next[slot];
        push_slot(l, l->readers[reader], slot);
        w->owner[slot] = l->reader_place[reader];
    }
    w->count[first]--;
    w->count[last]++;
}

/* Follows one chain from this member to one looked for. False: no more chains begin here in this round. */
static bool follow(struct level *l, struct span s, int32_t first)
{
    int32_t place = first, len = 0;

    while (place == first || l->work->count[place] > s.least) {
        int32_t edge = next_gift(l, place);
        int32_t reader = edge == NONE ? NONE : next_reader(l, l->edge_topic[edge]);
        if (reader != NONE) {
            l->chain[len++] = edge;
            l->chain[len++] = reader;
            place = l->reader_place[reader];
        } else if (edge != NONE) {
            l->member_arc[place]++; /* that topic leads nowhere any more */
        } else if (len == 0) {
            return false;
        } else { /* nor does this member: back to whoever led here, and past it */
            len -= 2;
            l->topic_arc[l->edge_topic[l->chain[len]]]++;
            place = len == 0 ? first : l->reader_place[l->chain[len - 1]];
        }
    }
    hand_on(l, len, first, place);
    return true;
}

/* Until there is no chain any more; the queue then holds whoever those left with `most` can reach. */
static void drain(struct level *l, struct span s)
{
    while (l->steps < ASSIGNOR_STEPS_MAX && search(l, s)) {
        for (int32_t i = 0; i < l->queue_len && l->member_far[l->queue[i]] == 0; i++) {
            int32_t place = l->queue[i];
            while (l->work->count[place] >= s.most && follow(l, s, place)) {
            }
        }
    }
}

/* Of those not settled: how many the one with most has, and the one with least. */
static struct span extremes(const struct level *l)
{
    struct span s = {0, INT32_MAX};

    for (int32_t place = 0; place < l->work->member_count; place++) {
        if (!l->settled[place]) {
            s.most = MAX(s.most, l->work->count[place]);
            s.least = MIN(s.least, l->work->count[place]);
        }
    }
    return s;
}

/* The mean of those in the queue, rounded up. */
static int32_t mean_reached(const struct level *l)
{
    int64_t sum = 0;

    for (int32_t i = 0; i < l->queue_len; i++) {
        sum += l->work->count[l->queue[i]];
    }
    return (int32_t)((sum + l->queue_len - 1) / l->queue_len);
}

static void level_counts(struct level *l)
{
    while (l->steps < ASSIGNOR_STEPS_MAX) {
        struct span all = extremes(l);
        if (all.most - 1 <= all.least) { /* even, or everybody is settled */
            break;
        }
        (void)search(l, (struct span){all.most, -1});
        int32_t mean = mean_reached(l);
        if (all.most > mean) {
            drain(l, (struct span){mean + 1, mean - 1});
            continue;
        }
        drain(l, (struct span){all.most, all.most - 2});
        for (int32_t i = 0; i < l->queue_len; i++) {
            l->settled[l->queue[i]] = true;
        }
    }
}

enum err assignor_level(struct assignor_work *w)
{
    struct level l;

    TRY(level_init(&l, w));
    number_edges(&l);
    TRY(list_kept(&l));
    TRY(hand_out(&l));
    level_counts(&l);
    return OK;
}
