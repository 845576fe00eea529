/* tests/unit/image_test.c: images are immutable, shared and complete. */
#include "broker/image_edit.h"

#include "base/mem.h"
#include "tests/harness/test.h"

static struct uuid id_of(int n)
{
    return (struct uuid){{(uint8_t)(n * 37), (uint8_t)n}};
}

static struct image_topic topic_of(struct arena *arena, int n, int32_t partitions)
{
    struct image_partition *p = ARENA_ARRAY(arena, struct image_partition, partitions);
    static const int32_t replicas[] = {1, 2};

    for (int32_t i = 0; i < partitions; i++) {
        p[i] = (struct image_partition){.leader = 1, .replicas = replicas, .replica_count = 2};
    }
    return (struct image_topic){.id = id_of(n),
                                .name = arena_format(arena, "topic-%03d", n),
                                .partitions = p,
                                .partition_count = partitions};
}

static const struct image *image_with(struct arena *arena, const struct image *base, int from,
                                      int to)
{
    struct image_edit *e = NULL;
    const struct image *out = NULL;

    CHECK_OK(image_edit_new(base, &e));
    for (int n = from; n < to; n++) {
        struct image_topic t = topic_of(arena, n, 3);
        image_edit_topic_put(e, &t);
    }
    CHECK_OK(image_edit_finish(e, to, &out));
    return out;
}

TEST(topics_are_found_by_name_and_id_and_listed_in_order)
{
    const struct image *i = image_with(arena, NULL, 0, 100);

    CHECK_EQ(image_topic_count(i), 100);
    CHECK_EQ(image_version(i), 100);
    for (int n = 0; n < 100; n++) {
        const struct image_topic *t = image_topic_by_id(i, id_of(n));
        CHECK(t != NULL);
        CHECK(image_topic_by_name(i, t->name) == t);
        CHECK(image_topic_at(i, n) == t);
        CHECK_EQ(t->partitions[2].replicas[1], 2);
    }
    CHECK(image_topic_by_name(i, BYTES("topic")) == NULL);
    CHECK_EQ(image_topic_lower_bound(i, BYTES("topic-0505")), 51);
    CHECK_EQ(image_topic_lower_bound(i, BYTES("zzz")), 100);
    image_unref(i);
}

TEST(an_edit_leaves_the_old_image_as_it_was_and_shares_what_it_kept)
{
    const struct image *old = image_with(arena, NULL, 0, 10);
    struct image_edit *e = NULL;
    const struct image *new = NULL;
    struct image_topic grown = topic_of(arena, 4, 9);

    CHECK_OK(image_edit_new(old, &e));
    image_edit_topic_put(e, &grown);
    image_edit_topic_remove(e, id_of(7));
    CHECK_OK(image_edit_finish(e, 11, &new));
    CHECK_EQ(image_topic_by_id(old, id_of(4))->partition_count, 3);
    CHECK_EQ(image_topic_by_id(new, id_of(4))->partition_count, 9);
    CHECK(image_topic_by_id(old, id_of(7)) != NULL);
    CHECK(image_topic_by_id(new, id_of(7)) == NULL);
    CHECK(image_topic_by_id(old, id_of(1)) == image_topic_by_id(new, id_of(1)));
    image_unref(old);
    CHECK_EQ(image_topic_by_id(new, id_of(1))->partition_count, 3);
    image_unref(new);
}

TEST(brokers_and_cluster_are_carried_over)
{
    struct image_edit *e = NULL;
    const struct image *first = NULL, *second = NULL;

    CHECK_OK(image_edit_new(NULL, &e));
    image_edit_broker_put(e, &(struct image_broker){.id = 3, .host = BYTES("a"), .port = 1});
    image_edit_broker_put(e, &(struct image_broker){.id = 3, .host = BYTES("b"), .port = 2});
    image_edit_cluster(e, BYTES("cluster"), 3);
    CHECK_OK(image_edit_finish(e, 0, &first));
    CHECK_OK(image_edit_new(first, &e));
    image_edit_broker_put(e,
                          &(struct image_broker){.id = 4, .host = BYTES("c"), .rack = BYTES("r")});
    CHECK_OK(image_edit_finish(e, 1, &second));
    image_unref(first);
    CHECK_EQ(image_broker_count(second), 2);
    CHECK_BYTES_EQ(image_broker_find(second, 3)->host, BYTES("b"));
    CHECK_BYTES_EQ(image_broker_find(second, 4)->rack, BYTES("r"));
    CHECK(image_broker_find(second, 5) == NULL);
    CHECK_BYTES_EQ(image_cluster_id(second), BYTES("cluster"));
    CHECK_EQ(image_controller_id(second), 3);
    image_unref(second);
}

TEST(running_out_of_memory_anywhere_gives_no_image_and_leaks_nothing)
{
    const struct image *base = image_with(arena, NULL, 0, 9);
    struct image_topic t = topic_of(arena, 50, 2);

    for (uint64_t nth = 1;; nth++) {
        struct image_edit *e = NULL;
        const struct image *out = NULL;
        CHECK(nth < 100);
        (void)mem_fail_nth(nth);
        enum err err = image_edit_new(base, &e);
        if (err == OK) {
            image_edit_topic_put(e, &t);
            image_edit_broker_put(e, &(struct image_broker){.id = 1, .host = BYTES("h")});
            image_edit_cluster(e, BYTES("c"), 1);
            err = image_edit_finish(e, 1, &out);
        }
        bool reached = mem_fail_nth(0) == 0;
        CHECK((err == OK) == !reached);
        image_unref(out);
        if (!reached) {
            break;
        }
    }
    image_unref(base);
}
