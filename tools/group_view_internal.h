/* tools/group_view_internal.h: the parts of group_view_load(), each in a file of its own. */
#pragma once

#include "tools/group_view.h"

/* Calls `ask` for the groups of each coordinator that `wanted` lets through, GROUPS_AT_ONCE at a time. */
struct group_batch {
    struct group_view *view;
    int32_t coordinator;
    struct group_view_group **groups;
    int32_t count;
};
typedef bool group_wanted(const struct group_view_group *g, uint32_t parts);
typedef enum err group_ask(struct cli *c, const struct group_batch *b);
enum err group_batches(struct cli *c, struct group_view *v, group_wanted *wanted, group_ask *ask,
                       uint32_t parts);
/* The group of a batch with that name, NULL. Batches are sorted by name. */
struct group_view_group *group_of_batch(const struct group_batch *b, struct bytes name);
/* Keeps an error of one group; what passes makes the view unsettled. */
void group_note(struct group_view *v, struct group_view_group *g, enum kafka_error error,
                struct bytes message);

enum err group_view_members(struct cli *c, struct group_view *v, uint32_t parts);
enum err group_view_offsets(struct cli *c, struct group_view *v);
enum err group_view_ends(struct cli *c, struct group_view *v);
enum err group_view_times(struct cli *c, struct group_view *v);

/* DeleteGroups of all of them, and a row for each: the end of a command of which `failed` things failed before, the last
 * with `exit`. In cmd_group_delete.c. */
int group_delete_all(struct cli *c, struct group_view *v, int failed, int exit);
