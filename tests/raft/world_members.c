/* tests/raft/world_members.c: who is in: changes of membership, and which losses the group can bear.
 *
 * WHY      A group that has lost the disks of a majority is lost, and no checker finds anything there. So a disk is
 *          taken only when every configuration that may come to count keeps a majority without it.
 * HOW      Configurations that may come to count: the newest committed one, all that leaders have appended at or after
 *          it, and the targets of changes under way. A replica that none of them names is taken away some time later:
 *          until then it runs on, and may disturb.
 * OWNER    The world.
 * FAILURE  None.
 */
#include "tests/raft/world_internal.h"

enum { MUTATION_MAX = 3, MEMBER_USUAL_MAX = 7, PRIORITY_MAX = 2 };

/* Its disk, or what it called durable, is gone. */
static bool impaired(struct world *w, uint64_t id)
{
    const struct world_node *n = node_of(w, id);

    if (n == NULL || n->dead || n->host->disk.damaged) {
        return true;
    }
    return w->profile.raft.relaxed &&
           (n->host->disk.fenced || (!node_up(n) && !n->host->disk.clean));
}

static bool majority_left(struct world *w, const struct raft_configuration *c, uint8_t role,
                          uint64_t without)
{
    uint32_t voters = 0, left = 0;

    for (uint32_t i = 0; i < c->count; i++) {
        const struct raft_member *m = &c->members[i];

        if (m->roles & role) {
            voters++;
            left += m->replica_id != without && !impaired(w, m->replica_id) ? 1 : 0;
        }
    }
    return voters == 0 || left * 2 > voters;
}

static bool able(struct world *w, const struct raft_configuration *c, uint64_t without)
{
    return majority_left(w, c, RAFT_VOTER, without) && majority_left(w, c, RAFT_OUTGOING, without);
}

static bool names(const struct raft_configuration *c, uint64_t id)
{
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->members[i].replica_id == id) {
            return true;
        }
    }
    return false;
}

bool members_can_spare(struct world *w, uint64_t replica_id)
{
    bool can = able(w, &w->committed, replica_id);

    for (uint32_t i = 0; i < w->record_count; i++) {
        can = can && able(w, w->records[i].configuration, replica_id);
    }
    for (uint32_t i = 0; i < NODE_MAX; i++) {
        can = can && (!w->nodes[i].changing || able(w, &w->nodes[i].target, replica_id));
    }
    return can;
}

static bool known(const struct world *w, uint64_t id)
{
    bool is = names(&w->committed, id);

    for (uint32_t i = 0; i < w->record_count; i++) {
        is = is || names(w->records[i].configuration, id);
    }
    for (uint32_t i = 0; i < NODE_MAX; i++) {
        is = is || (w->nodes[i].changing && names(&w->nodes[i].target, id));
    }
    return is;
}

void members_appended(struct world *w, uint64_t index, const struct raft_configuration *c)
{
    ASSERT(w->record_count < RECORD_MAX);
    w->records[w->record_count++] = (struct world_record){index, c};
}

void members_committed(struct world *w, uint64_t index, const struct raft_configuration *c)
{
    uint32_t kept = 0;

    if (index <= w->committed_index) {
        return;
    }
    w->committed_index = index;
    w->committed = *c;
    for (uint32_t i = 0; i < w->record_count; i++) {
        if (w->records[i].index > index) {
            w->records[kept++] = w->records[i];
        }
    }
    w->record_count = kept;
}

void members_sweep(struct world *w)
{
    uint64_t linger_us = sim_random_below(&w->random, w->profile.raft.election_ms * 10000ull);

    for (uint32_t i = 0; i < NODE_MAX; i++) {
        struct world_node *n = &w->nodes[i];

        if (n->host == NULL || known(w, n->id)) {
            n->useless_since_us = UINT64_MAX;
        } else if (n->useless_since_us == UINT64_MAX) {
            n->useless_since_us = w->now_us;
        } else if (w->now_us - n->useless_since_us > linger_us) {
            node_retire(w, n);
        }
    }
}

/* -- changes ----------------------------------------------------------------------------------------------- */

/* What the configuration will be when nothing is under way any more. */
static void settled(const struct raft_configuration *from, struct raft_configuration *out)
{
    out->count = 0;
    for (uint32_t i = 0; i < from->count; i++) {
        struct raft_member m = from->members[i];

        m.roles &= RAFT_VOTER | RAFT_LEARNER;
        if (m.roles != 0) {
            out->members[out->count++] = m;
        }
    }
}

static void drop(struct raft_configuration *c, uint32_t at)
{
    c->members[at] = c->members[--c->count];
}

static void add_new(struct world *w, struct raft_configuration *c)
{
    struct raft_member m = {.roles = RAFT_VOTER};
    struct world_node *n;

    if (c->count >= RAFT_MEMBER_MAX || (n = node_new(w, w->empty)) == NULL) {
        return;
    }
    m.replica_id = n->id;
    m.roles = sim_random_below(&w->random, 4) == 0 ? RAFT_LEARNER : RAFT_VOTER;
    m.priority = (uint8_t)sim_random_below(&w->random, PRIORITY_MAX + 1);
    m.start_anew = sim_random_below(&w->random, 3) == 0;
    c->members[c->count++] = m;
    node_start(w, n);
}

/* Number of a member, one whose disk is lost if there is one. */
static uint32_t a_member(struct world *w, const struct raft_configuration *c)
{
    uint32_t from = (uint32_t)sim_random_below(&w->random, c->count);

    for (uint32_t i = 0; i < c->count; i++) {
        uint32_t at = (from + i) % c->count;
        const struct world_node *n = node_of(w, c->members[at].replica_id);

        if (n == NULL || n->dead) {
            return at;
        }
    }
    return from;
}

static void mutate(struct world *w, struct raft_configuration *c)
{
    uint64_t how = sim_random_below(&w->random, 10);
    uint32_t at = c->count > 0 ? a_member(w, c) : 0;

    if (c->count == 0 || (how < 3 && c->count < MEMBER_USUAL_MAX) || how == 0) {
        add_new(w, c);
    } else if (how < 5) {
        drop(c, at);
    } else if (how < 8) {
        drop(c, at);
        add_new(w, c);
    } else if (how == 8) {
        c->members[at].roles ^= RAFT_VOTER | RAFT_LEARNER;
    } else {
        c->members[at].priority = (uint8_t)sim_random_below(&w->random, PRIORITY_MAX + 1);
    }
}

/* All members are others. */
static void replace_all(struct world *w, struct raft_configuration *c)
{
    uint32_t count = c->count;

    c->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        add_new(w, c);
    }
}

static void ask(struct world *w, struct world_node *n)
{
    struct raft_in in = {.kind = RAFT_IN_CHANGE, .now_ms = node_now_ms(w, n)};

    in.change.target = &n->target;
    w->totals.changes_asked++;
    host_step(n->host, &in);
    node_settle(w, n);
}

void members_change(struct world *w)
{
    struct world_node *n = node_leader(w);
    struct raft_configuration now, target;

    if (n == NULL) {
        return;
    }
    if (n->changing) { /* once more, to be refused; it goes on with the first */
        ask(w, n);
        return;
    }
    raft_configuration_get(n->host->raft, &now);
    settled(&now, &target);
    if (sim_random_below(&w->random, 16) == 0) {
        replace_all(w, &target);
    } else {
        for (uint64_t i = sim_random_below(&w->random, MUTATION_MAX); i < MUTATION_MAX; i++) {
            mutate(w, &target);
        }
    }
    if (!raft_configuration_valid(&target) || !able(w, &target, 0)) {
        return; /* what was started for it is swept away */
    }
    n->target = target;
    n->changing = true;
    world_note(w, "replica %" PRIu64 " is asked for a change to %" PRIu64 " members", n->id,
               target.count);
    ask(w, n);
}
