/* tests/sim/sim_tree.c: names on a simulated disk.
 *
 * WHY      Forgetting to sync a directory is a classic loss, and real file systems mostly hide it. Here a
 *          file's own sync never makes its name durable.
 * ORDER    One list of changes for the whole disk, oldest first; each touches one directory or (a rename
 *          across) two. At a power loss every directory loses its changes from some point on; a change of
 *          two directories is lost in both or in none, and then what comes after it is lost in both.
 * SYNC     Walking back from the newest: a change of the directory is wanted, and so is every earlier change
 *          of a directory that a wanted change touches. The wanted ones are applied to the medium.
 * OWNER    References are counted. Letting go of a directory lets go of what it holds; that runs over a
 *          work list, not by recursion.
 */
#include "tests/sim/sim_tree.h"

#include "base/env.h"
#include "tests/sim/sim_mem.h"

#include <stdio.h>

enum { HUNDRED = 100 };

/* Takes (from_dir, from_name) away, if any, and puts inode at (to_dir, to_name), if any. */
struct sim_name_change {
    struct sim_inode *from_dir, *to_dir, *inode;
    char *from_name, *to_name;
    bool wanted, lost;
};

static void inode_unref(struct sim_tree *t, struct sim_inode *i);

/* Index of the first entry not below `name`. */
static size_t entries_find(const struct sim_entries *e, const char *name, bool *found)
{
    size_t low = 0, high = e->len;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (strcmp(e->at[middle].name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *found = low < e->len && strcmp(e->at[low].name, name) == 0;
    return low;
}

static struct sim_inode *entries_get(const struct sim_entries *e, const char *name)
{
    bool found;
    size_t at = entries_find(e, name, &found);

    return found ? e->at[at].inode : NULL;
}

static void entries_take(struct sim_tree *t, struct sim_entries *e, const char *name)
{
    bool found;
    size_t at = entries_find(e, name, &found);

    if (!found) {
        return;
    }
    struct sim_entry old = e->at[at];
    memmove(&e->at[at], &e->at[at + 1], (e->len - at - 1) * sizeof(*e->at));
    e->len--;
    sim_release(old.name);
    inode_unref(t, old.inode);
}

static void entries_put(struct sim_tree *t, struct sim_entries *e, const char *name,
                        struct sim_inode *i)
{
    bool found;

    i->refs++;
    entries_take(t, e, name);
    size_t at = entries_find(e, name, &found);
    if (e->len == e->cap) {
        e->cap = MAX(e->cap * 2, (size_t)8);
        e->at = sim_resize(e->at, e->cap * sizeof(*e->at));
    }
    memmove(&e->at[at + 1], &e->at[at], (e->len - at) * sizeof(*e->at));
    e->at[at] = (struct sim_entry){sim_copy_text(name), i};
    e->len++;
}

/* Moves the inodes that only these entries held to the work list. */
static void entries_deinit(struct sim_entries *e, struct list *dead, struct list *all)
{
    for (size_t k = 0; k < e->len; k++) {
        struct sim_inode *i = e->at[k].inode;

        sim_release(e->at[k].name);
        if (--i->refs == 0) {
            list_remove(all, &i->link);
            list_add_last(dead, &i->link);
        }
    }
    sim_release(e->at);
    *e = (struct sim_entries){0};
}

static void inode_unref(struct sim_tree *t, struct sim_inode *i)
{
    struct list dead = {0};

    ASSERT(i->refs > 0);
    if (--i->refs > 0) {
        return;
    }
    list_remove(&t->inodes, &i->link);
    list_add_last(&dead, &i->link);
    for (struct list_link *l = list_take_first(&dead); l != NULL; l = list_take_first(&dead)) {
        struct sim_inode *gone = CONTAINER_OF(l, struct sim_inode, link);

        entries_deinit(&gone->now, &dead, &t->inodes);
        entries_deinit(&gone->on_medium, &dead, &t->inodes);
        sim_file_deinit(&gone->file);
        sim_release(gone->path);
        sim_release(gone);
    }
}

static struct sim_inode *inode_new(struct sim_tree *t, const char *path, bool is_dir)
{
    struct sim_inode *i = sim_alloc(sizeof(*i));

    i->is_dir = is_dir;
    i->path = sim_copy_text(path);
    list_add_last(&t->inodes, &i->link);
    return i;
}

void sim_tree_init(struct sim_tree *t)
{
    *t = (struct sim_tree){0};
    t->root = inode_new(t, "/", true);
    t->root->refs = 1;
}

static void change_drop(struct sim_tree *t, const struct sim_name_change *c)
{
    sim_release(c->from_name);
    sim_release(c->to_name);
    if (c->from_dir != NULL) {
        inode_unref(t, c->from_dir);
    }
    if (c->to_dir != NULL) {
        inode_unref(t, c->to_dir);
        inode_unref(t, c->inode);
    }
}

static void change_add(struct sim_tree *t, struct sim_name_change c)
{
    if (t->change_count == t->change_cap) {
        t->change_cap = MAX(t->change_cap * 2, (size_t)16);
        t->changes = sim_resize(t->changes, t->change_cap * sizeof(*t->changes));
    }
    if (c.from_dir != NULL) {
        c.from_dir->refs++;
        c.from_name = sim_copy_text(c.from_name);
    }
    if (c.to_dir != NULL) {
        c.to_dir->refs++;
        c.inode->refs++;
        c.to_name = sim_copy_text(c.to_name);
    }
    t->changes[t->change_count++] = c;
}

void sim_tree_deinit(struct sim_tree *t)
{
    for (size_t k = 0; k < t->change_count; k++) {
        change_drop(t, &t->changes[k]);
    }
    sim_release(t->changes);
    inode_unref(t, t->root);
    ASSERT(list_empty(&t->inodes));
    *t = (struct sim_tree){0};
}

bool sim_tree_find(const struct sim_tree *t, const char *path, struct sim_place *out)
{
    *out = (struct sim_place){.inode = t->root};
    for (const char *at = path; *at != '\0';) {
        size_t len = strcspn(at, "/");

        if (len > 0 && !(len == 1 && at[0] == '.')) {
            if (out->inode == NULL || !out->inode->is_dir || len >= sizeof(out->name)) {
                return false;
            }
            out->dir = out->inode;
            memcpy(out->name, at, len);
            out->name[len] = '\0';
            out->inode = entries_get(&out->dir->now, out->name);
        }
        at += len + (at[len] == '/');
    }
    return true;
}

/* Takes or gives back the space of a file that begins or ceases to be reachable. */
static void names_add(struct sim_tree *t, struct sim_inode *i, uint32_t *count)
{
    t->block_count += i->names + i->opens == 0 ? i->file.block_count : 0;
    (*count)++;
}

static void names_drop(struct sim_tree *t, struct sim_inode *i, uint32_t *count)
{
    ASSERT(*count > 0);
    (*count)--;
    t->block_count -= i->names + i->opens == 0 ? i->file.block_count : 0;
}

struct sim_inode *sim_tree_create(struct sim_tree *t, const struct sim_place *at, const char *path,
                                  bool is_dir)
{
    struct sim_place place = *at;
    struct sim_inode *i = inode_new(t, path, is_dir);

    ASSERT(at->dir != NULL && at->inode == NULL);
    names_add(t, i, &i->names);
    entries_put(t, &place.dir->now, place.name, i);
    change_add(t, (struct sim_name_change){.to_dir = place.dir, .to_name = place.name, .inode = i});
    return i;
}

void sim_tree_remove(struct sim_tree *t, const struct sim_place *at)
{
    struct sim_place place = *at;

    ASSERT(at->dir != NULL && at->inode != NULL);
    change_add(t, (struct sim_name_change){.from_dir = place.dir, .from_name = place.name});
    names_drop(t, place.inode, &place.inode->names);
    entries_take(t, &place.dir->now, place.name);
}

void sim_tree_rename(struct sim_tree *t, const struct sim_place *from, const struct sim_place *to,
                     const char *path)
{
    struct sim_place source = *from, target = *to;

    ASSERT(source.dir != NULL && source.inode != NULL && target.dir != NULL);
    if (source.inode == target.inode) {
        return;
    }
    change_add(t, (struct sim_name_change){source.dir, target.dir, source.inode, source.name,
                                           target.name, false, false});
    if (target.inode != NULL) {
        names_drop(t, target.inode, &target.inode->names);
    }
    entries_put(t, &target.dir->now, target.name, source.inode);
    entries_take(t, &source.dir->now, source.name);
    sim_release(source.inode->path);
    source.inode->path = sim_copy_text(path);
}

void sim_tree_open(struct sim_tree *t, struct sim_inode *i)
{
    names_add(t, i, &i->opens);
    i->refs++;
}

void sim_tree_close(struct sim_tree *t, struct sim_inode *i)
{
    names_drop(t, i, &i->opens);
    inode_unref(t, i);
}

/* Applies the wanted changes to the medium, in order, and drops them and the lost ones. */
static void changes_settle(struct sim_tree *t)
{
    size_t kept = 0;

    for (size_t k = 0; k < t->change_count; k++) {
        struct sim_name_change c = t->changes[k];

        if (!c.wanted && !c.lost) {
            t->changes[kept++] = c;
            continue;
        }
        if (c.wanted && c.to_dir != NULL) {
            entries_put(t, &c.to_dir->on_medium, c.to_name, c.inode);
        }
        if (c.wanted && c.from_dir != NULL) {
            entries_take(t, &c.from_dir->on_medium, c.from_name);
        }
        change_drop(t, &c);
    }
    t->change_count = kept;
}

static bool is_marked(const struct sim_name_change *c)
{
    return (c->from_dir != NULL && c->from_dir->mark) || (c->to_dir != NULL && c->to_dir->mark);
}

static void mark(const struct sim_name_change *c, bool on)
{
    if (c->from_dir != NULL) {
        c->from_dir->mark = on;
    }
    if (c->to_dir != NULL) {
        c->to_dir->mark = on;
    }
}

static void marks_clear(struct sim_tree *t)
{
    for (size_t k = 0; k < t->change_count; k++) {
        mark(&t->changes[k], false);
    }
}

void sim_tree_sync_dir(struct sim_tree *t, struct sim_inode *dir)
{
    dir->mark = true;
    for (size_t k = t->change_count; k-- > 0;) {
        t->changes[k].wanted = is_marked(&t->changes[k]);
        if (t->changes[k].wanted) {
            mark(&t->changes[k], true);
        }
    }
    marks_clear(t);
    dir->mark = false;
    changes_settle(t);
}

static struct sim_inode *inode_of(struct list_link *l)
{
    return CONTAINER_OF(l, struct sim_inode, link);
}

void sim_tree_sync_all(struct sim_tree *t)
{
    for (size_t k = 0; k < t->change_count; k++) {
        t->changes[k].wanted = true;
    }
    changes_settle(t);
    list_for_each (&t->inodes, l) {
        if (!inode_of(l)->is_dir) {
            sim_file_sync(&inode_of(l)->file);
        }
    }
}

/* Decides for every change whether the medium got it: no directory keeps one after one it lost. */
static void changes_lose(struct sim_tree *t, struct sim_random *r)
{
    static const uint8_t lost_percents[] = {0, 5, 25, 50, 100};
    uint64_t percent = lost_percents[sim_random_below(r, COUNT_OF(lost_percents))];

    for (size_t k = 0; k < t->change_count; k++) {
        struct sim_name_change *c = &t->changes[k];

        c->lost = is_marked(c) || sim_random_below(r, HUNDRED) < percent;
        c->wanted = !c->lost;
        if (c->lost) {
            mark(c, true);
        }
    }
    marks_clear(t);
}

/* Directories hold what the medium says. The caller holds every inode. */
static void names_from_medium(struct sim_tree *t, struct sim_inode *dir)
{
    while (dir->now.len > 0) {
        const struct sim_entry *last = &dir->now.at[dir->now.len - 1];

        names_drop(t, last->inode, &last->inode->names);
        entries_take(t, &dir->now, last->name);
    }
    for (size_t k = 0; k < dir->on_medium.len; k++) {
        struct sim_inode *child = dir->on_medium.at[k].inode;

        names_add(t, child, &child->names);
        entries_put(t, &dir->now, dir->on_medium.at[k].name, child);
    }
}

static struct sim_inode *unreferenced(struct sim_tree *t)
{
    list_for_each (&t->inodes, l) {
        if (inode_of(l)->refs == 0) {
            return inode_of(l);
        }
    }
    return NULL;
}

static void tree_from_medium(struct sim_tree *t)
{
    list_for_each (&t->inodes, l) {
        inode_of(l)->refs++;
        inode_of(l)->locked = false;
    }
    list_for_each (&t->inodes, l) {
        names_from_medium(t, inode_of(l));
    }
    list_for_each (&t->inodes, l) {
        inode_of(l)->refs--;
    }
    for (struct sim_inode *i = unreferenced(t); i != NULL; i = unreferenced(t)) {
        i->refs = 1;
        inode_unref(t, i);
    }
}

void sim_tree_crash(struct sim_tree *t, struct sim_crash_odds odds, struct sim_random *r)
{
    changes_lose(t, r);
    changes_settle(t);
    tree_from_medium(t);
    t->block_count = 0;
    list_for_each (&t->inodes, l) {
        struct sim_inode *i = inode_of(l);

        ASSERT(i->opens == 0);
        if (!i->is_dir) {
            sim_file_crash(&i->file, odds, r);
            t->block_count += i->file.block_count;
        }
    }
}

/* One directory of the walk below. */
struct level {
    const struct sim_inode *dir;
    size_t next, path_len;
};

enum { DEPTH_MAX = 64 };

void sim_tree_each_file(const struct sim_tree *t,
                        void (*fn)(void *, const char *, struct sim_inode *), void *context)
{
    struct level levels[DEPTH_MAX] = {{t->root, 0, 0}};
    char path[ENV_PATH_BYTES] = "";
    int depth = 1;

    while (depth > 0) {
        struct level *l = &levels[depth - 1];

        if (l->next == l->dir->now.len) {
            depth--;
            continue;
        }
        const struct sim_entry *e = &l->dir->now.at[l->next++];
        int len = snprintf(path + l->path_len, sizeof(path) - l->path_len, "/%s", e->name);
        ASSERT(len > 0 && l->path_len + (size_t)len < sizeof(path) && depth < DEPTH_MAX);
        if (e->inode->is_dir) {
            levels[depth++] = (struct level){e->inode, 0, l->path_len + (size_t)len};
        } else {
            fn(context, path, e->inode);
        }
    }
}
