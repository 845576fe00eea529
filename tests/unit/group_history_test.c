/* tests/unit/group_history_test.c: from successive records to events. */
#include "tools/group_history.h"

#include "tests/harness/test.h"

enum { MEMBERS_MAX = 4 };

struct told {
    struct group_history history;
    struct arena *arena;
    int64_t now;
};

static struct told begin(struct arena *arena)
{
    struct told t = {.arena = arena};

    group_history_init(&t.history, BYTES("billing"));
    return t;
}

/* A generation with members whose names are single letters: "ab". */
static void generation(struct told *t, int32_t epoch, const char *members, int64_t pause_ms)
{
    struct group_record_member m[MEMBERS_MAX] = {{BYTES_NULL, BYTES_NULL, BYTES_NULL, BYTES_NULL}};
    struct group_record r = {.kind = GROUP_RECORD_CLASSIC,
                             .group = BYTES("billing"),
                             .timestamp_ms = ++t->now,
                             .epoch = epoch,
                             .members = m,
                             .pause_ms = pause_ms,
                             .reason = pause_ms < 0 ? BYTES_NULL : BYTES("because")};

    for (; members[r.member_count] != 0; r.member_count++) {
        m[r.member_count].id = (struct bytes){(const uint8_t *)members + r.member_count, 1};
    }
    CHECK_OK(group_history_add(&t->history, t->arena, &r));
}

static void record(struct told *t, int16_t kind, struct bytes member, bool gone, int32_t epoch)
{
    struct group_record_member m = {member, BYTES("client"), BYTES("/h"), BYTES_NULL};
    struct group_record r = {.kind = kind,
                             .group = BYTES("billing"),
                             .member = member,
                             .gone = gone,
                             .timestamp_ms = ++t->now,
                             .epoch = epoch,
                             .pause_ms = -1,
                             .members = &m,
                             .member_count = gone ? 0 : 1};

    CHECK_OK(group_history_add(&t->history, t->arena, &r));
}

/* "joined a 1, rebalanced 1, ..." */
static struct bytes events(const struct told *t)
{
    struct bytes text = BYTES("");

    for (int32_t i = 0; i < t->history.count; i++) {
        const struct group_event *e = &t->history.events[i];
        text = arena_format(t->arena, "%.*s%s%s%s%.*s %d", BYTES_ARG(text), i == 0 ? "" : ", ",
                            group_event_name(e->kind), e->member.id.len > 0 ? " " : "",
                            BYTES_ARG(e->member.id), e->epoch);
    }
    return text;
}

TEST(who_is_new_in_a_generation_joined_and_who_is_missing_left)
{
    struct told t = begin(arena);

    generation(&t, 1, "a", -1);
    generation(&t, 2, "ab", -1);
    generation(&t, 3, "b", -1);
    generation(&t, 4, "", -1);
    CHECK_BYTES_EQ(events(&t), BYTES("joined a 1, rebalanced 1, joined b 2, rebalanced 2, "
                                     "left a 3, rebalanced 3, left b 4, empty 4"));
    CHECK_EQ(t.history.events[2].timestamp_ms, 2);
    CHECK_EQ(t.history.events[3].member_count, 2);
}

TEST(the_first_generation_of_a_compacted_log_tells_who_is_there)
{
    struct told t = begin(arena);

    generation(&t, 17, "ab", -1);
    CHECK_BYTES_EQ(events(&t), BYTES("member a 17, member b 17, rebalanced 17"));
}

TEST(the_same_generation_written_again_is_no_rebalance)
{
    struct told t = begin(arena);

    generation(&t, 1, "a", -1);
    generation(&t, 1, "a", -1);
    CHECK_BYTES_EQ(events(&t), BYTES("joined a 1, rebalanced 1"));
}

TEST(reason_and_pause_stand_at_the_rebalance)
{
    struct told t = begin(arena);

    generation(&t, 1, "a", 42);
    CHECK_EQ(t.history.count, 2);
    CHECK_EQ(t.history.events[0].pause_ms, -1);
    CHECK_EQ(t.history.events[1].pause_ms, 42);
    CHECK_BYTES_EQ(t.history.events[1].reason, BYTES("because"));
}

TEST(members_and_epochs_of_a_consumer_group_are_records_of_their_own)
{
    struct told t = begin(arena);

    record(&t, GROUP_RECORD_MEMBER, BYTES("a"), false, -1);
    record(&t, GROUP_RECORD_CONSUMER, BYTES(""), false, 2);
    record(&t, GROUP_RECORD_MEMBER, BYTES("a"), false, -1); /* a changed subscription */
    record(&t, GROUP_RECORD_TARGET, BYTES(""), false, 2);
    record(&t, GROUP_RECORD_CURRENT, BYTES("a"), false, 2);
    record(&t, GROUP_RECORD_MEMBER, BYTES("b"), false, -1);
    record(&t, GROUP_RECORD_CONSUMER, BYTES(""), false, 3);
    record(&t, GROUP_RECORD_MEMBER, BYTES("a"), true, -1);
    record(&t, GROUP_RECORD_MEMBER, BYTES("b"), true, -1);
    record(&t, GROUP_RECORD_CONSUMER, BYTES(""), false, 4);
    CHECK_BYTES_EQ(events(&t), BYTES("joined a -1, rebalanced 2, joined b 2, rebalanced 3, "
                                     "left a 3, left b 3, empty 3"));
}

TEST(a_deleted_group_begins_anew)
{
    struct told t = begin(arena);

    generation(&t, 1, "a", -1);
    record(&t, GROUP_RECORD_CLASSIC, BYTES(""), true, -1);
    record(&t, GROUP_RECORD_CLASSIC, BYTES(""), true, -1);
    generation(&t, 1, "a", -1);
    CHECK_BYTES_EQ(events(&t),
                   BYTES("joined a 1, rebalanced 1, deleted 1, joined a 1, rebalanced 1"));
}

TEST(a_group_that_changes_its_protocol_keeps_its_members)
{
    struct told t = begin(arena);

    generation(&t, 1, "a", -1);
    record(&t, GROUP_RECORD_CLASSIC, BYTES(""), true, -1);
    t.now--; /* one batch, one time */
    record(&t, GROUP_RECORD_MEMBER, BYTES("a"), false, -1);
    t.now--;
    record(&t, GROUP_RECORD_CONSUMER, BYTES(""), false, 1);
    record(&t, GROUP_RECORD_MEMBER, BYTES("b"), false, -1);
    CHECK_BYTES_EQ(events(&t), BYTES("joined a 1, rebalanced 1, converted 1, rebalanced 1, "
                                     "joined b 1"));
}

TEST(records_of_other_groups_are_passed_over)
{
    struct told t = begin(arena);
    struct group_record r = {.kind = GROUP_RECORD_CONSUMER, .group = BYTES("other"), .epoch = 1};

    CHECK_OK(group_history_add(&t.history, arena, &r));
    CHECK_EQ(t.history.count, 0);
}

TEST(a_history_without_memory_says_so)
{
    struct arena small;
    struct told t = begin(arena);
    enum err e = OK;

    arena_init(&small, 4096);
    for (int32_t i = 1; i < 1000 && e == OK; i++) {
        struct group_record_member m = {BYTES("a"), BYTES_NULL, BYTES_NULL, BYTES_NULL};
        struct group_record r = {.kind = GROUP_RECORD_CLASSIC,
                                 .group = BYTES("billing"),
                                 .epoch = i,
                                 .pause_ms = -1,
                                 .members = &m,
                                 .member_count = 1};
        e = group_history_add(&t.history, &small, &r);
    }
    CHECK_EQ(e, ERR_NOMEM);
    arena_deinit(&small);
}
