/* tools/group_history.h: what happened to a group, out of its records in the order of their log.
 *
 *     history.group = BYTES("billing");
 *     group_history_add(&history, arena, &record);   for each
 *
 * A record says how things are; an event is the difference to the one before. The first record of a log that was
 * compacted has no one before it: the members it names are told as "member", not as joined.
 */
#pragma once

#include "tools/group_record.h"

enum group_event_kind {
    GROUP_EVENT_MEMBER, /* was there when the log begins */
    GROUP_EVENT_JOINED,
    GROUP_EVENT_LEFT,
    GROUP_EVENT_REBALANCED, /* a new generation or epoch */
    GROUP_EVENT_EMPTY,      /* the last member left */
    GROUP_EVENT_DELETED,
    GROUP_EVENT_CONVERTED, /* from one protocol to the other, by its members */
};

struct group_event {
    enum group_event_kind kind;
    int64_t timestamp_ms;
    int32_t epoch; /* generation or group epoch; -1: not known */
    int32_t member_count;
    struct group_record_member member; /* id null: it is about the whole group */
    struct bytes reason;               /* null: not told */
    int64_t pause_ms;                  /* -1: not told */
};

struct group_history {
    struct bytes group;
    struct group_record_member *members;
    int32_t member_count, member_room;
    int32_t epoch;
    bool begun;           /* a state is known */
    int64_t forgotten_ms; /* it was deleted then, and nothing came after; -1: no */
    int32_t forgotten_members;
    struct group_event *events;
    int32_t count, room;
};

void group_history_init(struct group_history *h, struct bytes group);
/* Copies what it keeps into the arena. Records of other groups are passed over. ERR_NOMEM. */
enum err group_history_add(struct group_history *h, struct arena *arena,
                           const struct group_record *r);
const char *group_event_name(enum group_event_kind kind);
