/* tests/unit/hash_map_test.c: the intrusive hash table against an array of flags. */
#include "base/hash_map.h"
#include "base/mem.h"
#include "tests/harness/test.h"

enum { KEY_COUNT = 3000 };

struct item {
    uint64_t key;
    struct map_link link;
    bool in, seen;
};

static bool has_key(const struct map_link *link, const void *key)
{
    return CONTAINER_OF(link, const struct item, link)->key == *(const uint64_t *)key;
}

static struct item *find(const struct map *m, uint64_t key)
{
    struct map_link *link = map_find(m, map_hash_u64(key, 7), has_key, &key);

    return link == NULL ? NULL : CONTAINER_OF(link, struct item, link);
}

static struct item *make_items(struct arena *arena)
{
    struct item *items = ARENA_ARRAY(arena, struct item, KEY_COUNT);

    for (uint64_t i = 0; i < KEY_COUNT; i++) {
        items[i].key = i * 3;
    }
    return items;
}

static void check_same(const struct map *m, struct item *items)
{
    size_t in = 0, seen = 0;

    for (int i = 0; i < KEY_COUNT; i++) {
        items[i].seen = false;
        in += items[i].in;
        CHECK(find(m, items[i].key) == (items[i].in ? &items[i] : NULL));
    }
    map_for_each(m, link)
    {
        struct item *item = CONTAINER_OF(link, struct item, link);
        CHECK(item->in && !item->seen);
        item->seen = true;
        seen++;
    }
    CHECK_EQ(m->len, in);
    CHECK_EQ(seen, in);
}

TEST(a_map_behaves_like_a_set)
{
    struct item *items = make_items(arena);
    struct map m = {0};

    check_same(&m, items);
    for (int step = 0; step < 40000; step++) {
        struct item *item = &items[test_random_below(KEY_COUNT)];
        if (item->in) {
            map_remove(&m, &item->link);
        } else {
            map_add(&m, map_hash_u64(item->key, 7), &item->link);
        }
        item->in = !item->in;
        if (step % 4000 == 0 || step < 20) {
            check_same(&m, items);
        }
    }
    check_same(&m, items);
    CHECK(find(&m, 1) == NULL);
    map_deinit(&m);
}

TEST(the_current_element_may_be_removed_while_walking)
{
    struct item *items = make_items(arena);
    struct map m = {0};

    for (int i = 0; i < KEY_COUNT; i++) {
        map_add(&m, map_hash_u64(items[i].key, 7), &items[i].link);
        items[i].in = true;
    }
    map_for_each(&m, link)
    {
        struct item *item = CONTAINER_OF(link, struct item, link);
        if (item->key % 2 == 0) {
            map_remove(&m, link);
            item->in = false;
        }
    }
    check_same(&m, items);
    map_for_each(&m, link)
    {
        map_remove(&m, link);
        CONTAINER_OF(link, struct item, link)->in = false;
    }
    check_same(&m, items);
    map_deinit(&m);
}

TEST(a_map_that_cannot_grow_still_finds_everything)
{
    struct item *items = make_items(arena);
    struct map m = {0};

    for (int i = 0; i < KEY_COUNT; i++) {
        (void)mem_fail_nth(i < 100 || i > 1000 ? 1 : 0); /* never at first, and never again */
        map_add(&m, map_hash_u64(items[i].key, 7), &items[i].link);
        items[i].in = true;
        if (i == 99) {
            CHECK(m.buckets == NULL);
        }
    }
    (void)mem_fail_nth(0);
    CHECK(m.bucket_count > 0 && m.bucket_count < KEY_COUNT);
    check_same(&m, items);
    map_deinit(&m);
}

static bool matches_none(const struct map_link *link, const void *key)
{
    (void)link;
    (void)key;
    return false;
}

TEST(equal_hashes_are_told_apart_by_the_match)
{
    struct map m = {0};
    struct item items[40] = {0};

    for (uint64_t i = 0; i < COUNT_OF(items); i++) {
        items[i].key = i;
        map_add(&m, 12345, &items[i].link);
    }
    for (uint64_t i = 0; i < COUNT_OF(items); i++) {
        CHECK(map_find(&m, 12345, has_key, &i) == &items[i].link);
    }
    CHECK(map_find(&m, 12345, matches_none, NULL) == NULL);
    CHECK(map_find(&m, 12346, has_key, &items[0].key) == NULL);
    map_deinit(&m);
}
