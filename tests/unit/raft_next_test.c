/* tests/unit/raft_next_test.c: the actions of a step, their order, and what the host owes for them. */
#include "raft/raft_internal.h"
#include "tests/harness/test.h"
#include "tests/raft/single.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct single *started(struct arena *arena, uint32_t voters)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(voters);

    single_init(s, &(struct raft_start){.configuration = &c}, NULL, 0);
    return s;
}

static struct raft_message append_of(uint64_t from, uint32_t term, struct raft_bound prev,
                                     struct raft_bound last)
{
    return (struct raft_message){.kind = RAFT_APPEND,
                                 .term = term,
                                 .from = from,
                                 .append = {.prev = prev,
                                            .sequence = 1,
                                            .span = {.run_count = 1, .bytes = 1, .runs = {last}}}};
}

/* True when the call ends the process by an assertion. */
static bool asserts(void (*call)(struct single *s), struct single *s)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        (void)close(STDERR_FILENO);
        call(s);
        _exit(0);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void check_kinds(const struct single *s, const enum raft_out_kind *kinds, uint32_t count)
{
    for (uint32_t i = 0; i < MIN(count, s->out_count); i++) {
        CHECK_EQ(s->outs[i].kind, kinds[i]);
    }
    CHECK_EQ(s->out_count, count);
}

/* -- order ----------------------------------------------------------------------------------------------- */

TEST(a_follower_persists_before_it_answers)
{
    static const enum raft_out_kind kinds[] = {RAFT_OUT_ROLE, RAFT_OUT_HARD_STATE, RAFT_OUT_APPEND,
                                               RAFT_OUT_SEND, RAFT_OUT_COMMIT};
    struct single *s = started(arena, 3);
    struct raft_message m = append_of(2, 5, (struct raft_bound){0, 0}, (struct raft_bound){4, 5});

    m.append.commit = 3;
    single_receive(s, &m);
    check_kinds(s, kinds, COUNT_OF(kinds));
    CHECK_EQ(s->outs[0].role.leader, 2);
    CHECK_EQ(s->outs[1].hard_state.term, 5);
    CHECK_EQ(s->outs[3].send.after_ticket, s->ticket);
    CHECK_EQ(s->outs[3].send.message.reply.match, 4);
    CHECK_EQ(s->outs[3].send.message.reply.durable, 4);
    CHECK_EQ(s->outs[4].commit.index, 3);
}

TEST(a_leader_elected_alone_does_all_in_few_steps)
{
    static const enum raft_out_kind campaign[] = {RAFT_OUT_ROLE, RAFT_OUT_HARD_STATE};
    static const enum raft_out_kind elected[] = {RAFT_OUT_ROLE, RAFT_OUT_APPEND};
    static const enum raft_out_kind durable[] = {RAFT_OUT_COMMIT};
    static const enum raft_out_kind applied[] = {RAFT_OUT_SERVE};
    struct single *s = started(arena, 1);

    single_do(s, RAFT_IN_CAMPAIGN);
    check_kinds(s, campaign, COUNT_OF(campaign));
    single_durable(s, s->ticket);
    check_kinds(s, elected, COUNT_OF(elected));
    single_durable(s, s->ticket);
    check_kinds(s, durable, COUNT_OF(durable));
    single_step(s, &(struct raft_in){.kind = RAFT_IN_APPLIED, .applied.index = 1});
    check_kinds(s, applied, COUNT_OF(applied));
    CHECK_EQ(raft_deadline(s->raft), UINT64_MAX); /* nobody to beat */
}

TEST(a_leader_appends_and_sends_in_one_step)
{
    static const enum raft_out_kind kinds[] = {RAFT_OUT_APPEND, RAFT_OUT_SEND, RAFT_OUT_SEND};
    struct single *s = started(arena, 3);

    single_lead(s);
    single_propose(s, 5);
    check_kinds(s, kinds, COUNT_OF(kinds));
    CHECK_EQ(s->outs[1].send.after_ticket, 0); /* not gated by the leader's own disk */
    CHECK_EQ(s->outs[1].send.message.to, 2);
    CHECK_EQ(s->outs[2].send.message.to, 3);
    CHECK_EQ(s->outs[2].send.message.append.span.runs[0].index, s->view.last.index);
}

TEST(a_configuration_is_appended_with_what_it_says)
{
    struct single *s = started(arena, 1);
    struct raft_configuration target = single_voters(2);

    single_lead(s);
    single_step(s, &(struct raft_in){.kind = RAFT_IN_CHANGE, .change.target = &target});
    const struct raft_out *append = single_find(s, RAFT_OUT_APPEND);
    const struct raft_out *now = single_find(s, RAFT_OUT_CONFIGURATION);
    CHECK(append && now);
    CHECK_EQ(append->append.source, RAFT_ENTRY_CONFIGURATION);
    CHECK_EQ(append->room.count, 2);
    CHECK_EQ(append->room.members[1].roles, RAFT_LEARNER);
    CHECK_EQ(now->configuration.index, append->append.last.index);
    CHECK(!now->configuration.committed);
    CHECK_EQ(now->configuration.configuration->count, 2);
    CHECK_EQ(s->view.joint, false);
    CHECK_EQ(raft_member_max(s->raft), 2); /* the host has made room */
}

TEST(a_halted_replica_says_so_and_is_silent)
{
    struct single *s = started(arena, 3);

    single_lead(s);
    single_do(s, RAFT_IN_HALT);
    CHECK_EQ(s->out_count, 1);
    CHECK_EQ(s->outs[0].role.role, RAFT_HALTED);
    CHECK_EQ(raft_deadline(s->raft), UINT64_MAX);
    single_time(s, s->now_ms + 100000);
    CHECK_EQ(s->out_count, 0);
    single_propose(s, 1);
    CHECK_EQ(s->out_count, 0);
}

TEST(two_leaders_in_a_term_halt_who_sees_both)
{
    struct single *s = started(arena, 3);
    struct raft_message m = append_of(2, 1, (struct raft_bound){0, 0}, (struct raft_bound){1, 1});

    single_receive(s, &m);
    m.from = 3;
    single_receive(s, &m);
    CHECK_EQ(s->out_count, 2);
    CHECK_EQ(s->outs[0].role.role, RAFT_HALTED);
    CHECK_EQ(s->outs[1].kind, RAFT_OUT_FATAL);
    CHECK(strlen(s->outs[1].fatal.why) > 0);
}

/* -- tickets --------------------------------------------------------------------------------------------- */

static void next_without_ticket(struct single *s)
{
    struct raft_in in = {.kind = RAFT_IN_PROPOSE, .now_ms = s->now_ms};
    struct raft_out out;

    in.propose.last = s->view.last.index + 1;
    raft_step(s->raft, &in);
    if (raft_next(s->raft, &out) && out.kind == RAFT_OUT_APPEND) {
        (void)raft_next(s->raft, &out);
    }
}

static void step_without_draining(struct single *s)
{
    struct raft_in in = {.kind = RAFT_IN_TIME, .now_ms = raft_deadline(s->raft)};

    raft_step(s->raft, &in);
    raft_step(s->raft, &in);
}

static void ticket_for_nothing(struct single *s)
{
    raft_ticket(s->raft, s->ticket + 1);
}

static void propose_with_ticket(struct single *s, uint64_t ticket)
{
    struct raft_in in = {.kind = RAFT_IN_PROPOSE, .now_ms = s->now_ms};
    struct raft_out out;

    in.propose.last = s->view.last.index + 1;
    raft_step(s->raft, &in);
    if (raft_next(s->raft, &out)) {
        raft_ticket(s->raft, ticket);
    }
}

static void ticket_zero(struct single *s)
{
    propose_with_ticket(s, 0);
}

static void ticket_that_is_durable(struct single *s)
{
    propose_with_ticket(s, s->durable);
}

static void ticket_that_is_right(struct single *s)
{
    propose_with_ticket(s, s->ticket + 1);
}

static void time_that_goes_back(struct single *s)
{
    struct raft_in in = {.kind = RAFT_IN_TIME, .now_ms = s->now_ms - 1};

    raft_step(s->raft, &in);
}

static void move_to_less(struct single *s)
{
    (void)raft_move(s->raft, s->memory[1], 2);
}

static void an_input_of_no_kind(struct single *s)
{
    struct raft_in in = {.kind = (enum raft_in_kind)(RAFT_IN_HALT + 1), .now_ms = s->now_ms};

    raft_step(s->raft, &in);
}

TEST(a_broken_promise_of_the_host_is_asserted)
{
    struct single *s = started(arena, 3);

    single_lead(s);
    single_time(s, 5);
    CHECK(!asserts(ticket_that_is_right, s)); /* or what follows would say nothing */
    CHECK(asserts(next_without_ticket, s));
    CHECK(asserts(step_without_draining, s));
    CHECK(asserts(ticket_for_nothing, s));
    CHECK(asserts(ticket_zero, s));
    CHECK(asserts(ticket_that_is_durable, s));
    CHECK(asserts(time_that_goes_back, s));
    CHECK(asserts(move_to_less, s));
    CHECK(asserts(an_input_of_no_kind, s));
}

static void start_with(struct single *s, struct raft_start start)
{
    struct raft_configuration c = single_voters(1);

    start.configuration = &c;
    single_init(s, &start, NULL, 0);
}

static void start_with_rare_elections(struct single *s)
{
    struct raft_options o = s->options;

    o.election_ms = 3 * o.beat_ms - 1;
    start_with(s, (struct raft_start){.options = &o});
}

static void start_fenced_but_strict(struct single *s)
{
    start_with(s, (struct raft_start){.fenced = true});
}

static void start_in_a_term_that_is_none(struct single *s)
{
    start_with(s, (struct raft_start){.term = RAFT_TERM_MAX + 1u});
}

static void start_with_too_much_committed(struct single *s)
{
    start_with(s, (struct raft_start){.commit = 1});
}

static void start_with_too_many(struct single *s)
{
    (void)s;
    (void)raft_size(RAFT_MEMBER_MAX + 1);
}

TEST(a_start_that_cannot_be_is_asserted)
{
    struct single *s = started(arena, 1);

    CHECK(asserts(start_with_rare_elections, s));
    CHECK(asserts(start_fenced_but_strict, s));
    CHECK(asserts(start_in_a_term_that_is_none, s));
    CHECK(asserts(start_with_too_much_committed, s));
    CHECK(asserts(start_with_too_many, s));
}

/* -- memory ---------------------------------------------------------------------------------------------- */

/* The same life twice, once in other memory at each step: all actions are the same. */
TEST(a_replica_that_moves_does_what_it_would_have_done)
{
    struct single *still = started(arena, 3), *moving = started(arena, 3);

    moving->restless = true;
    single_lead(still);
    single_lead(moving);
    for (uint32_t i = 0; i < 100; i++) {
        struct single *both[] = {still, moving};

        for (uint32_t k = 0; k < COUNT_OF(both); k++) {
            single_propose(both[k], i % 3 + 1);
            single_acked(both[k], 2 + i % 2);
            single_durable(both[k], both[k]->ticket - i % 2);
            single_time(both[k], both[k]->now_ms + 10);
        }
        CHECK_EQ(still->out_count, moving->out_count);
        CHECK(memcmp(&still->view, &moving->view, sizeof(still->view)) == 0);
        CHECK_EQ(raft_deadline(still->raft), raft_deadline(moving->raft));
    }
    CHECK(still->view.commit > 100);
}

static uint32_t room(struct single *s, const struct raft_message *m,
                     const struct raft_configuration_entry *entries, uint32_t count)
{
    struct raft_in in = {.kind = RAFT_IN_RECV, .now_ms = s->now_ms};

    in.recv.message = m;
    in.recv.configurations = entries;
    in.recv.configuration_count = count;
    return raft_room_for(s->raft, &in);
}

static struct raft_configuration voters_from(uint64_t first, uint32_t count)
{
    struct raft_configuration c = single_voters(count);

    for (uint32_t i = 0; i < count; i++) {
        c.members[i].replica_id = first + i;
    }
    return c;
}

TEST(the_room_asked_for_is_enough_for_what_comes)
{
    struct single *s = started(arena, 3);
    struct raft_message m = append_of(2, 1, (struct raft_bound){0, 0}, (struct raft_bound){9, 1});
    struct raft_configuration_entry entries[] = {{2, voters_from(3, 3)}, {5, voters_from(4, 7)}};
    struct raft_configuration none = {.count = 0};
    struct raft_in change = {.kind = RAFT_IN_CHANGE};

    CHECK_EQ(raft_member_max(s->raft), 3);
    CHECK_EQ(room(s, &m, NULL, 0), 3);
    CHECK_EQ(room(s, &m, entries, 1), 5); /* 1 2 3 and 3 4 5 */
    CHECK_EQ(room(s, &m, entries, 2), 8); /* 3 4 5 and 4..10 */
    entries[1].configuration = voters_from(3, 1);
    CHECK_EQ(room(s, &m, entries, 2), 5);
    entries[1].configuration = none;
    CHECK_EQ(room(s, &m, entries, 2), 5);
    entries[0].configuration = none;
    CHECK_EQ(room(s, &m, entries, 2), 3);
    entries[0].configuration = voters_from(100, RAFT_MEMBER_MAX);
    CHECK_EQ(room(s, &m, entries, 1), RAFT_MEMBER_MAX); /* and it will be dropped */

    change.change.target = &entries[0].configuration;
    CHECK_EQ(raft_room_for(s->raft, &change), RAFT_MEMBER_MAX);
    entries[0].configuration = voters_from(2, 4);
    CHECK_EQ(raft_room_for(s->raft, &change), 5);
    change.change.target = &none;
    CHECK_EQ(raft_room_for(s->raft, &change), 3);

    struct raft_snapshot snapshot = {.configuration = voters_from(1, 9)};
    struct raft_message install = {.kind = RAFT_SNAPSHOT, .install.snapshot = &snapshot};
    CHECK_EQ(room(s, &install, NULL, 0), 9);
    struct raft_in time = {.kind = RAFT_IN_TIME};
    CHECK_EQ(raft_room_for(s->raft, &time), 3);
}

TEST(a_replica_without_members_has_room_for_one)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_in time = {.kind = RAFT_IN_TIME};

    single_init(s, &(struct raft_start){.replica_id = 4}, NULL, 0);
    CHECK_EQ(raft_room_for(s->raft, &time), 1);
    CHECK_EQ(raft_deadline(s->raft), UINT64_MAX); /* it waits to be told */
}

/* Members beyond RAFT_MEMBER_MAX together: dropped, not asserted. */
TEST(configurations_that_cannot_follow_are_not_adopted)
{
    struct single *s = started(arena, 3);
    struct raft_message m = append_of(2, 1, (struct raft_bound){0, 0}, (struct raft_bound){9, 1});
    struct raft_configuration_entry entry = {2, voters_from(100, RAFT_MEMBER_MAX)};
    struct raft_in in = {.kind = RAFT_IN_RECV};

    m.to = 1;
    in.recv.message = &m;
    in.recv.configurations = &entry;
    in.recv.configuration_count = 1;
    single_step(s, &in);
    CHECK_EQ(s->view.configuration_index, 0);
    CHECK(!single_find(s, RAFT_OUT_APPEND));
}
