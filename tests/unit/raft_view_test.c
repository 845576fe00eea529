/* tests/unit/raft_view_test.c: names and numbers for those who look. */
#include "raft/raft.h"
#include "tests/harness/test.h"
#include "tests/raft/single.h"

enum { NO_SUCH = 99 };

TEST(what_has_no_name_is_a_question_mark)
{
    CHECK_STR_EQ(raft_role_name(RAFT_PRE_CANDIDATE), "pre_candidate");
    CHECK_STR_EQ(raft_message_name(RAFT_TIMEOUT_NOW), "timeout_now");
    CHECK_STR_EQ(raft_reason_name(RAFT_LOST), "lost");
    CHECK_STR_EQ(raft_role_name((enum raft_role)NO_SUCH), "?");
    CHECK_STR_EQ(raft_message_name((enum raft_message_kind)NO_SUCH), "?");
    CHECK_STR_EQ(raft_reason_name((enum raft_reason)NO_SUCH), "?");
}

TEST(peers_are_all_members_but_the_replica_itself)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(3);
    struct raft_peer_view p;

    single_init(s, &(struct raft_start){.configuration = &c, .replica_id = 2}, NULL, 0);
    CHECK(raft_peer_get(s->raft, 0, &p) && p.replica_id == 1);
    CHECK(raft_peer_get(s->raft, 1, &p) && p.replica_id == 3);
    CHECK(!raft_peer_get(s->raft, 2, &p));
}
