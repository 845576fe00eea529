/* tests/unit/assignor_test.c: who gets what, on groups made by hand and by chance. */
#include "broker/groups/assignor.h"
#include "tests/harness/test.h"

enum { TOPIC_MAX = 12, MEMBER_MAX = 14, PARTITION_MAX = 24, ROUNDS = 400 };

static const struct assignor *uniform(void)
{
    return assignor_find(BYTES("uniform"));
}

static const struct assignor *range(void)
{
    return assignor_find(BYTES("range"));
}

static struct assignor_group *new_group(struct arena *arena, int32_t topics, int32_t partitions)
{
    struct assignor_group *g = ARENA_NEW(arena, struct assignor_group);
    struct assignor_topic *list = ARENA_ARRAY(arena, struct assignor_topic, topics);

    for (int32_t t = 0; t < topics; t++) {
        list[t].name = arena_format(arena, "topic-%d", t);
        list[t].partition_count = partitions;
    }
    g->topics = list;
    g->topic_count = topics;
    g->members = ARENA_ARRAY(arena, struct assignor_member, 2000);
    return g;
}

/* A member that subscribes to the topics whose bits are set. */
static struct assignor_member *join(struct arena *arena, struct assignor_group *g, const char *id,
                                    uint64_t topics)
{
    struct assignor_member *m = &g->members[g->member_count++];
    int32_t *list = ARENA_ARRAY(arena, int32_t, g->topic_count);

    *m = (struct assignor_member){.member_id = bytes_of(id), .topics = list};
    for (int32_t t = 0; t < g->topic_count; t++) {
        if (topics >> t & 1) {
            list[m->topic_count++] = t;
        }
    }
    return m;
}

static struct assignor_member *join_numbered(struct arena *arena, struct assignor_group *g,
                                             int number, uint64_t topics)
{
    struct bytes id = arena_format(arena, "member-%04d", number);
    struct assignor_member *m = join(arena, g, "", topics);

    m->member_id = id;
    return m;
}

static void assign_with(struct arena *arena, const struct assignor *by, struct assignor_group *g)
{
    CHECK_OK(by->assign(g, arena));
}

/* What was computed becomes what is owned. */
static void settle(struct assignor_group *g)
{
    for (int32_t m = 0; m < g->member_count; m++) {
        g->members[m].owned = g->members[m].assigned;
        g->members[m].owned_count = g->members[m].assigned_count;
    }
}

static void leave(struct assignor_group *g, int32_t member)
{
    memmove(&g->members[member], &g->members[member + 1],
            (size_t)(g->member_count - member - 1) * sizeof(*g->members));
    g->member_count--;
}

/* "0-0 0-1 2-5": topic-partition of each. */
static const char *text_of(struct arena *arena, const struct assignor_member *m)
{
    struct bytes s = BYTES("");

    for (int32_t i = 0; i < m->assigned_count; i++) {
        s = arena_format(arena, "%.*s%s%d-%d", BYTES_ARG(s), i ? " " : "", m->assigned[i].topic,
                         m->assigned[i].partition);
    }
    return (const char *)arena_format(arena, "%.*s%c", BYTES_ARG(s), 0).at;
}

static bool subscribes(const struct assignor_member *m, int32_t topic)
{
    for (int32_t i = 0; i < m->topic_count; i++) {
        if (m->topics[i] == topic) {
            return true;
        }
    }
    return false;
}

static bool has_part(const struct assignor_part *list, int32_t count, struct assignor_part part)
{
    for (int32_t i = 0; i < count; i++) {
        if (list[i].topic == part.topic && list[i].partition == part.partition) {
            return true;
        }
    }
    return false;
}

/* Each list sorted, of subscribed topics; every partition of a subscribed topic exactly once. */
static void check_whole(struct arena *arena, const struct assignor_group *g)
{
    int32_t wanted = 0, given = 0;

    for (int32_t t = 0; t < g->topic_count; t++) {
        bool read = false;
        for (int32_t m = 0; m < g->member_count; m++) {
            read |= subscribes(&g->members[m], t);
        }
        wanted += read ? g->topics[t].partition_count : 0;
    }
    uint8_t *seen = ARENA_ARRAY(arena, uint8_t, (int64_t)g->topic_count * 10000);
    for (int32_t m = 0; m < g->member_count; m++) {
        const struct assignor_member *one = &g->members[m];
        given += one->assigned_count;
        for (int32_t i = 0; i < one->assigned_count; i++) {
            struct assignor_part p = one->assigned[i];
            CHECK(subscribes(one, p.topic));
            CHECK(p.partition >= 0 && p.partition < g->topics[p.topic].partition_count);
            CHECK(!seen[(int64_t)p.topic * 10000 + p.partition]++);
            CHECK(i == 0 || one->assigned[i - 1].topic < p.topic ||
                  (one->assigned[i - 1].topic == p.topic &&
                   one->assigned[i - 1].partition < p.partition));
        }
    }
    CHECK_EQ(given, wanted);
}

/* No chain of moves leads from a member to one that has two less: the reachability is worked out by brute force. */
static void check_level(const struct assignor_group *g)
{
    bool reaches[MEMBER_MAX][MEMBER_MAX] = {{false}};
    int32_t n = g->member_count;

    for (int32_t a = 0; a < n; a++) {
        for (int32_t i = 0; i < g->members[a].assigned_count; i++) {
            for (int32_t b = 0; b < n; b++) {
                reaches[a][b] |= subscribes(&g->members[b], g->members[a].assigned[i].topic);
            }
        }
    }
    for (int32_t by = 0; by < n; by++) {
        for (int32_t a = 0; a < n; a++) {
            for (int32_t b = 0; b < n; b++) {
                reaches[a][b] |= reaches[a][by] && reaches[by][b];
            }
        }
    }
    for (int32_t a = 0; a < n; a++) {
        for (int32_t b = 0; b < n; b++) {
            CHECK_SAYS(!reaches[a][b] ||
                           g->members[a].assigned_count - g->members[b].assigned_count < 2,
                       "member %d has %d, and could hand on to %d with %d", a,
                       g->members[a].assigned_count, b, g->members[b].assigned_count);
        }
    }
}

static int32_t kept(const struct assignor_group *g)
{
    int32_t n = 0;

    for (int32_t m = 0; m < g->member_count; m++) {
        const struct assignor_member *one = &g->members[m];
        for (int32_t i = 0; i < one->owned_count; i++) {
            n += has_part(one->assigned, one->assigned_count, one->owned[i]);
        }
    }
    return n;
}

/* The most that can be kept if all subscribe alike and balance comes first. */
static int32_t most_kept(const struct assignor_group *g)
{
    int32_t total = 0, n = 0, above = 0;

    for (int32_t m = 0; m < g->member_count; m++) {
        total += g->members[m].assigned_count;
    }
    int32_t mean = total / g->member_count, extra = total % g->member_count;
    for (int32_t m = 0; m < g->member_count; m++) {
        n += MIN(g->members[m].owned_count, mean);
        above += g->members[m].owned_count > mean;
    }
    return n + MIN(above, extra);
}

static uint64_t random_topics(int32_t topics)
{
    return test_random() & ((1u << topics) - 1);
}

static struct assignor_group *random_group(struct arena *arena, bool alike)
{
    int32_t topics = 1 + (int32_t)test_random_below(TOPIC_MAX);
    struct assignor_group *g = new_group(arena, topics, 0);
    struct assignor_topic *list = ARENA_ARRAY(arena, struct assignor_topic, topics);
    int members = 1 + (int)test_random_below(MEMBER_MAX - 1);
    uint64_t same = random_topics(topics) | 1;

    for (int32_t t = 0; t < topics; t++) {
        list[t].partition_count = (int32_t)test_random_below(PARTITION_MAX);
    }
    g->topics = list;
    for (int m = 0; m < members; m++) {
        (void)join_numbered(arena, g, (int)test_random_below(1000) * MEMBER_MAX + m,
                            alike ? same : random_topics(topics));
    }
    return g;
}

/* Somebody comes, goes, or subscribes to something else; a topic grows. */
static void change(struct arena *arena, struct assignor_group *g, bool alike)
{
    struct assignor_topic *grown = ARENA_ARRAY(arena, struct assignor_topic, g->topic_count);
    int32_t some = (int32_t)test_random_below((uint64_t)g->member_count);

    switch (test_random_below(4)) {
    case 0:
        if (g->member_count < MEMBER_MAX) {
            struct assignor_member *m =
                join_numbered(arena, g, (int)test_random_below(1000000) + 20000, 0);
            m->topics = alike ? g->members[0].topics : m->topics;
            m->topic_count = alike ? g->members[0].topic_count : 0;
        }
        break;
    case 1:
        if (g->member_count > 1) {
            leave(g, some);
        }
        break;
    case 2:
        if (!alike) {
            struct assignor_member *m = join(arena, g, "", random_topics(g->topic_count));
            g->members[some].topics = m->topics;
            g->members[some].topic_count = m->topic_count;
            g->member_count--;
        }
        break;
    default:
        memcpy(grown, g->topics, (size_t)g->topic_count * sizeof(*grown));
        grown[test_random_below((uint64_t)g->topic_count)].partition_count += 3;
        g->topics = grown;
        break;
    }
}

TEST(assignors_are_found_by_name)
{
    CHECK(uniform() && range());
    CHECK(!assignor_find(BYTES("Uniform")));
    CHECK(!assignor_find(BYTES("")));
    CHECK(!assignor_find(BYTES_NULL));
    CHECK(assignor_at(0) == uniform());
    CHECK(assignor_at(1) == range());
    CHECK(!assignor_at(2) && !assignor_at(-1));
}

TEST(a_group_without_members_or_topics_is_assigned_nothing)
{
    struct assignor_group *g = new_group(arena, 2, 4), none = {0};

    assign_with(arena, uniform(), g);
    assign_with(arena, range(), g);
    assign_with(arena, uniform(), &none);
    assign_with(arena, range(), &none);
    struct assignor_member *m = join(arena, g, "a", 0);
    assign_with(arena, uniform(), g);
    CHECK_EQ(m->assigned_count, 0);
    assign_with(arena, range(), g);
    CHECK_EQ(m->assigned_count, 0);
}

TEST(uniform_fills_members_in_order_of_their_ids)
{
    struct assignor_group *g = new_group(arena, 2, 3);

    (void)join(arena, g, "b", 3);
    (void)join(arena, g, "a", 3);
    assign_with(arena, uniform(), g);
    CHECK_STR_EQ(text_of(arena, &g->members[1]), "0-0 0-1 0-2");
    CHECK_STR_EQ(text_of(arena, &g->members[0]), "1-0 1-1 1-2");
}

TEST(uniform_takes_from_who_has_most_and_leaves_the_rest)
{
    struct assignor_group *g = new_group(arena, 1, 7);

    (void)join(arena, g, "a", 1);
    (void)join(arena, g, "b", 1);
    assign_with(arena, uniform(), g);
    settle(g);
    (void)join(arena, g, "A", 1); /* first in order, and still takes only what it must */
    assign_with(arena, uniform(), g);
    CHECK_STR_EQ(text_of(arena, &g->members[0]), "0-0 0-1 0-2");
    CHECK_STR_EQ(text_of(arena, &g->members[1]), "0-4 0-5");
    CHECK_STR_EQ(text_of(arena, &g->members[2]), "0-3 0-6");
}

TEST(an_owner_keeps_only_what_is_there_subscribed_and_its_own)
{
    static const struct assignor_part stale[] = {{0, 0}, {0, 9}, {1, 0}, {2, 1}};
    static const struct assignor_part twice[] = {{0, 0}, {0, 1}};
    struct assignor_group *g = new_group(arena, 3, 2);
    struct assignor_member *a = join(arena, g, "a", 5), *b = join(arena, g, "b", 5);

    a->owned = stale;
    a->owned_count = COUNT_OF(stale);
    b->owned = twice;
    b->owned_count = COUNT_OF(twice);
    assign_with(arena, uniform(), g);
    CHECK_STR_EQ(text_of(arena, a), "0-0 2-1");
    CHECK_STR_EQ(text_of(arena, b), "0-1 2-0");
}

TEST(uniform_is_whole_even_and_keeps_all_it_can_in_groups_that_subscribe_alike)
{
    for (int round = 0; round < ROUNDS; round++) {
        arena_reset(arena);
        struct assignor_group *g = random_group(arena, true);
        for (int step = 0; step < 8; step++) {
            assign_with(arena, uniform(), g);
            check_whole(arena, g);
            int32_t least = INT32_MAX, most = 0;
            for (int32_t m = 0; m < g->member_count; m++) {
                least = MIN(least, g->members[m].assigned_count);
                most = MAX(most, g->members[m].assigned_count);
            }
            CHECK(most - least <= 1);
            CHECK_EQ(kept(g), most_kept(g));
            settle(g);
            change(arena, g, true);
        }
    }
}

TEST(uniform_is_whole_and_as_even_as_can_be_in_groups_that_do_not)
{
    for (int round = 0; round < ROUNDS; round++) {
        arena_reset(arena);
        struct assignor_group *g = random_group(arena, false);
        for (int step = 0; step < 8; step++) {
            assign_with(arena, uniform(), g);
            check_whole(arena, g);
            check_level(g);
            settle(g);
            change(arena, g, false);
        }
    }
}

TEST(an_unchanged_group_keeps_its_assignment)
{
    for (int round = 0; round < ROUNDS; round++) {
        arena_reset(arena);
        struct assignor_group *g = random_group(arena, round % 2);
        const struct assignor *by = round % 4 < 2 ? uniform() : range();
        assign_with(arena, by, g);
        settle(g);
        assign_with(arena, by, g);
        for (int32_t m = 0; m < g->member_count; m++) {
            CHECK(g->members[m].assigned == g->members[m].owned);
            CHECK_EQ(g->members[m].assigned_count, g->members[m].owned_count);
        }
    }
}

TEST(the_order_in_which_members_are_given_does_not_matter)
{
    for (int round = 0; round < ROUNDS; round++) {
        arena_reset(arena);
        struct assignor_group *g = random_group(arena, round % 2);
        const struct assignor *by = round % 4 < 2 ? uniform() : range();
        struct assignor_group turned = *g;
        turned.members = ARENA_ARRAY(arena, struct assignor_member, g->member_count);
        for (int32_t m = 0; m < g->member_count; m++) {
            turned.members[m] = g->members[g->member_count - 1 - m];
        }
        assign_with(arena, by, g);
        assign_with(arena, by, &turned);
        for (int32_t m = 0; m < g->member_count; m++) {
            CHECK_STR_EQ(text_of(arena, &g->members[m]),
                         text_of(arena, &turned.members[g->member_count - 1 - m]));
        }
    }
}

TEST(a_chain_through_a_third_member_evens_out_two_without_a_common_topic)
{
    static const struct assignor_part much[] = {{0, 0}, {0, 1}, {0, 2}, {0, 3}};
    static const struct assignor_part some[] = {{1, 0}, {1, 1}};
    struct assignor_group *g = new_group(arena, 2, 0);
    struct assignor_topic sizes[] = {{.partition_count = 4}, {.partition_count = 2}};

    g->topics = sizes;
    struct assignor_member *a = join(arena, g, "a", 1), *b = join(arena, g, "b", 3),
                           *c = join(arena, g, "c", 2);
    a->owned = much;
    a->owned_count = COUNT_OF(much);
    b->owned = some;
    b->owned_count = COUNT_OF(some);
    assign_with(arena, uniform(), g);
    CHECK_EQ(a->assigned_count, 2);
    CHECK_EQ(b->assigned_count, 2);
    CHECK_EQ(c->assigned_count, 2);
}

TEST(a_member_that_comes_to_a_mixed_group_takes_from_the_others_only_its_part)
{
    struct assignor_group *g = new_group(arena, 3, 20);

    for (int m = 0; m < 5; m++) {
        (void)join_numbered(arena, g, m, m % 2 ? 7 : 3);
    }
    assign_with(arena, uniform(), g);
    settle(g);
    struct assignor_member *late = join_numbered(arena, g, 9, 7);
    assign_with(arena, uniform(), g);
    check_whole(arena, g);
    check_level(g);
    CHECK_EQ(late->assigned_count, 10);
    CHECK_EQ(kept(g), 50);
}

TEST(range_gives_the_same_numbers_of_topics_that_are_alike)
{
    struct assignor_group *g = new_group(arena, 2, 7);

    (void)join(arena, g, "b", 3);
    (void)join(arena, g, "c", 3);
    (void)join(arena, g, "a", 3);
    assign_with(arena, range(), g);
    CHECK_STR_EQ(text_of(arena, &g->members[2]), "0-0 0-1 0-2 1-0 1-1 1-2");
    CHECK_STR_EQ(text_of(arena, &g->members[0]), "0-3 0-4 1-3 1-4");
    CHECK_STR_EQ(text_of(arena, &g->members[1]), "0-5 0-6 1-5 1-6");
}

TEST(range_cuts_each_topic_among_its_own_subscribers)
{
    struct assignor_group *g = new_group(arena, 3, 2);

    (void)join(arena, g, "a", 3);
    (void)join(arena, g, "b", 6);
    (void)join(arena, g, "c", 2);
    assign_with(arena, range(), g);
    check_whole(arena, g);
    CHECK_STR_EQ(text_of(arena, &g->members[0]), "0-0 0-1 1-0");
    CHECK_STR_EQ(text_of(arena, &g->members[1]), "1-1 2-0 2-1");
    CHECK_STR_EQ(text_of(arena, &g->members[2]), "");
}

TEST(a_static_member_keeps_its_range_under_a_new_member_id)
{
    struct assignor_group *g = new_group(arena, 1, 3);

    join(arena, g, "x", 1)->instance_id = BYTES("i-1");
    join(arena, g, "y", 1)->instance_id = BYTES("i-0");
    (void)join(arena, g, "a", 1);
    assign_with(arena, range(), g);
    CHECK_STR_EQ(text_of(arena, &g->members[0]), "0-1");
    CHECK_STR_EQ(text_of(arena, &g->members[1]), "0-0");
    CHECK_STR_EQ(text_of(arena, &g->members[2]), "0-2");
    g->members[0].member_id = BYTES("0-came-back");
    assign_with(arena, range(), g);
    CHECK_STR_EQ(text_of(arena, &g->members[0]), "0-1");
    CHECK_STR_EQ(text_of(arena, &g->members[1]), "0-0");
}

TEST(range_is_whole_and_each_share_of_a_topic_is_one_piece)
{
    for (int round = 0; round < ROUNDS; round++) {
        arena_reset(arena);
        struct assignor_group *g = random_group(arena, round % 2);
        assign_with(arena, range(), g);
        check_whole(arena, g);
        for (int32_t m = 0; m < g->member_count; m++) {
            const struct assignor_member *one = &g->members[m];
            for (int32_t i = 1; i < one->assigned_count; i++) {
                CHECK(one->assigned[i].topic != one->assigned[i - 1].topic ||
                      one->assigned[i].partition == one->assigned[i - 1].partition + 1);
            }
        }
    }
}

TEST(without_memory_an_assignor_says_so_at_every_step)
{
    for (int alike = 0; alike < 2; alike++) {
        struct assignor_group *g = new_group(arena, 3, 50);
        (void)join(arena, g, "a", 7);
        (void)join(arena, g, "b", alike ? 7 : 3);
        for (int32_t by = 0; by < 2; by++) {
            struct arena small;
            enum err e = ERR_NOMEM;
            size_t bytes = 0;
            for (; e == ERR_NOMEM && bytes < 1 << 20; bytes += 64) {
                arena_init(&small, bytes);
                e = assignor_at(by)->assign(g, &small);
                arena_deinit(&small);
            }
            CHECK_OK(e);
            CHECK(bytes > 1000);
        }
    }
}

TEST(a_member_that_owned_everything_shares_it_with_a_thousand_that_differ)
{
    struct assignor_group *g = new_group(arena, 10, 1000);
    struct assignor_part *all = ARENA_ARRAY(arena, struct assignor_part, 10000);

    for (int32_t i = 0; i < 10000; i++) {
        all[i] = (struct assignor_part){i / 1000, i % 1000};
    }
    for (int m = 0; m < 1000; m++) {
        (void)join_numbered(arena, g, m, m ? 1023 ^ (1u << m % 11) : 1023);
    }
    g->members[0].owned = all;
    g->members[0].owned_count = 10000;
    assign_with(arena, uniform(), g);
    check_whole(arena, g);
    for (int32_t m = 0; m < 1000; m++) {
        CHECK_EQ(g->members[m].assigned_count, 10);
    }
    CHECK_EQ(kept(g), 10);
}
