/* tests/sim/sim_tree.h: names on a simulated disk: directories, what they hold now, what they hold on the
 * medium, and the changes in between.
 *
 * A change (creation, removal, rename) is in the order of all changes; a sync of a directory makes its
 * changes durable, with those of other directories they depend on (a rename has two). A power loss keeps a
 * first part of each directory's changes. The owner of an inode is the number of references to it: entries,
 * medium's entries, changes not yet durable, open handles.
 */
#pragma once

#include "base/list.h"
#include "tests/sim/sim_file.h"

struct sim_inode;

struct sim_entry {
    char *name;
    struct sim_inode *inode;
};

/* Sorted by name; holds a reference to each inode. */
struct sim_entries {
    struct sim_entry *at;
    size_t len, cap;
};

struct sim_inode {
    struct list_link link;     /* in the tree's list of all, in order of creation */
    bool is_dir, locked, mark; /* mark: of one walk over the changes */
    uint32_t refs;             /* 0: freed */
    uint32_t names,
        opens;  /* how many entries (not the medium's) and handles: 0 both: takes no space */
    char *path; /* by which it was last created, opened or renamed */
    struct sim_file file;              /* not is_dir */
    struct sim_entries now, on_medium; /* is_dir */
};

struct sim_name_change;

struct sim_tree {
    struct list inodes;
    struct sim_inode *root;
    struct sim_name_change *changes; /* oldest first */
    size_t change_count, change_cap;
    uint64_t block_count; /* of files that take space */
};

/* Where a path leads: the directory that holds its last part, and what is there (NULL: nothing). */
struct sim_place {
    struct sim_inode *dir;
    char name[256];
    struct sim_inode *inode;
};

void sim_tree_init(struct sim_tree *t);
/* No handle may be open. */
void sim_tree_deinit(struct sim_tree *t);

/* False when a directory on the way is missing. "", "." and "/" are the root: dir NULL, inode the root. */
bool sim_tree_find(const struct sim_tree *t, const char *path, struct sim_place *out);
/* Something new at a place that is free. */
struct sim_inode *sim_tree_create(struct sim_tree *t, const struct sim_place *at, const char *path,
                                  bool is_dir);
void sim_tree_remove(struct sim_tree *t, const struct sim_place *at);
/* What is at `to` is replaced. */
void sim_tree_rename(struct sim_tree *t, const struct sim_place *from, const struct sim_place *to,
                     const char *path);
void sim_tree_open(struct sim_tree *t, struct sim_inode *i);
void sim_tree_close(struct sim_tree *t, struct sim_inode *i);

void sim_tree_sync_dir(struct sim_tree *t, struct sim_inode *dir);
void sim_tree_sync_all(struct sim_tree *t);
/* Power loss, names and contents. No handle may be open. */
void sim_tree_crash(struct sim_tree *t, struct sim_crash_odds odds, struct sim_random *r);

/* Calls fn(context, path, inode) for each file by name, sorted by path. */
void sim_tree_each_file(const struct sim_tree *t,
                        void (*fn)(void *, const char *, struct sim_inode *), void *context);
