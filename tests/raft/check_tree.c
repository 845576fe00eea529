/* tests/raft/check_tree.c: all entries of all logs, as one tree.
 *
 * WHY      Log matching (paper figure 3) says that equal index and term mean equal logs up to there. Kept as a tree
 *          it is one comparison per appended entry: the node of (index, term) has one parent. The same tree answers
 *          "does this log hold that entry" without a copy of any log.
 * FORMAT   `jump` goes to an ancestor whose depth is chosen as in a skew-binary number: a search by depth, index or
 *          term, all of which only grow downwards, takes about 2 log2(depth) steps.
 * OWNER    One checker. Nodes live as long as it does.
 * FAILURE  I2 when an entry is met under another parent or with another content.
 * LIMITS   Memory only: about 130 bytes per entry.
 */
#include "base/mem.h"
#include "tests/raft/check_internal.h"

enum { NODE_CAP_FIRST = 1024 };

static uint64_t mix(uint64_t x)
{
    x ^= x >> 31;
    x *= 0x9e3779b97f4a7c15u;
    x ^= x >> 29;
    x *= 0xbf58476d1ce4e5b9u;
    return x ^ x >> 32;
}

void check_state_apply(struct check_state *state, const struct check_entry *entry)
{
    uint64_t hash =
        mix(state->hash ^ mix(entry->bound.index + ((uint64_t)entry->bound.term << 40)));

    state->hash = mix(hash ^ entry->value);
    if (entry->value != 0) {
        state->count++;
        state->value = entry->value;
    }
}

static size_t slot_of(const struct check *c, struct raft_bound bound)
{
    size_t at = (size_t)mix(bound.index ^ mix(bound.term)) & (c->node_cap - 1);

    while (c->nodes[at] &&
           (c->nodes[at]->bound.index != bound.index || c->nodes[at]->bound.term != bound.term)) {
        at = (at + 1) & (c->node_cap - 1);
    }
    return at;
}

static void grow(struct check *c)
{
    struct node **old = c->nodes;
    size_t old_cap = c->node_cap;

    c->node_cap = old_cap ? 2 * old_cap : NODE_CAP_FIRST;
    c->nodes = (struct node **)mem_zalloc(c->node_cap, sizeof(struct node *));
    ASSERT(c->nodes != NULL);
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i]) {
            c->nodes[slot_of(c, old[i]->bound)] = old[i];
        }
    }
    mem_free(old);
}

static struct node *make(struct check *c, struct node *parent, const struct check_entry *entry)
{
    struct node *n = ARENA_NEW(&c->arena, struct node);

    ASSERT(n != NULL);
    n->bound = entry->bound;
    n->value = entry->value;
    if (entry->configuration) {
        struct raft_configuration *copy = ARENA_NEW(&c->arena, struct raft_configuration);
        ASSERT(copy != NULL);
        *copy = *entry->configuration;
        n->configuration = copy;
    }
    n->configured = n->configuration ? n : parent ? parent->configured : n;
    n->parent = n->jump = parent;
    if (parent) {
        n->depth = parent->depth + 1;
        n->state = parent->state;
        n->internal = parent->internal + (entry->value == 0);
        check_state_apply(&n->state, entry);
        struct node *far = parent->jump;
        if (far && far->jump && parent->depth - far->depth == far->depth - far->jump->depth) {
            n->jump = far->jump;
        }
    }
    if (2 * ++c->node_count > c->node_cap) {
        grow(c);
    }
    c->nodes[slot_of(c, n->bound)] = n;
    return n;
}

void tree_init(struct check *c)
{
    struct check_entry first = {.configuration = &c->initial};

    ASSERT(c != NULL);
    c->root = make(c, NULL, &first);
    c->root->committed = true;
    c->committed = c->known = c->root;
}

struct node *tree_find(const struct check *c, struct raft_bound bound)
{
    return c->nodes[slot_of(c, bound)];
}

struct node *tree_enter(struct check *c, struct node *parent, const struct check_entry *entry,
                        bool may_make)
{
    struct node *n = tree_find(c, entry->bound);

    if (!n) {
        LAW(c, "I2", may_make, "an entry %" PRIu64 "^%" PRIu32 " that no leader has written",
            entry->bound.index, entry->bound.term);
        LAW(c, "I2",
            entry->bound.index > parent->bound.index && entry->bound.term >= parent->bound.term,
            "the entry %" PRIu64 "^%" PRIu32 " after " BOUND, entry->bound.index, entry->bound.term,
            BOUND_OF(parent));
        return make(c, parent, entry);
    }
    LAW(c, "I2", n != c->root && n->parent == parent,
        "the entry " BOUND " after " BOUND ", elsewhere it is after " BOUND, BOUND_OF(n),
        BOUND_OF(parent), BOUND_OF(n->parent ? n->parent : n));
    LAW(c, "I2",
        n->value == entry->value && (n->configuration == NULL) == (entry->configuration == NULL) &&
            (!n->configuration || member_same(n->configuration, entry->configuration)),
        "the entry " BOUND " has two contents: %" PRIu64 " and %" PRIu64, BOUND_OF(n), n->value,
        entry->value);
    return n;
}

struct node *tree_at_depth(struct node *tip, uint32_t depth)
{
    while (tip->depth > depth) {
        tip = tip->jump->depth >= depth ? tip->jump : tip->parent;
    }
    return tip;
}

bool tree_holds(const struct node *tip, const struct node *old)
{
    if (tip == old) {
        return true;
    }
    while (tip->depth > old->depth) {
        tip = tip->jump->depth >= old->depth ? tip->jump : tip->parent;
    }
    return tip == old;
}

struct node *tree_before(struct node *tip, uint64_t index)
{
    while (tip->bound.index > index) {
        tip = tip->jump->bound.index > index ? tip->jump : tip->parent;
    }
    return tip;
}

struct node *tree_at(struct node *tip, uint64_t index)
{
    struct node *n = tree_before(tip, index);

    return n->bound.index == index ? n : NULL;
}

struct node *tree_term(struct node *tip, uint32_t term_max)
{
    while (tip->bound.term > term_max) {
        tip = tip->jump->bound.term > term_max ? tip->jump : tip->parent;
    }
    return tip;
}

struct node *tree_common(struct node *a, struct node *b)
{
    a = tree_at_depth(a, MIN(a->depth, b->depth));
    b = tree_at_depth(b, a->depth);
    while (a != b) { /* equally deep nodes have equally deep jumps */
        bool far = a->jump != b->jump;
        a = far ? a->jump : a->parent;
        b = far ? b->jump : b->parent;
    }
    return a;
}
