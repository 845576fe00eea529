/* tools/group_text.h: rows and words that several commands about groups print. */
#pragma once

#include "tools/group_view.h"

/* "orders[0-2,5] other[0]"; BYTES_NULL when there are none. */
struct bytes group_places_text(struct arena *arena, const struct group_places *p);
/* "2 members on /10.0.0.1, 1 on /10.0.0.2" */
struct bytes group_hosts_text(struct arena *arena, const struct group_view_group *g);
/* A number, or "-" when it is negative. */
void group_cell(struct cli_table *t, int64_t n);
/* Text, or "-" when it is empty. */
void group_cell_text(struct cli_table *t, struct bytes text);

/* GROUP MEMBER INSTANCE CLIENT HOST EPOCH PARTITIONS TARGET, without GROUP when the eyes need none. */
struct cli_table *group_members_begin(struct cli *c, bool with_group);
void group_members_add(struct cli *c, struct cli_table *t, const struct group_view_group *g,
                       bool with_group);
