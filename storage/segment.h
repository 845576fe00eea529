/* storage/segment.h: one file of consecutive batches as its log sees it: place, size, samples, descriptor.
 * Storage's own; belongs to the log's core.
 */
#pragma once

#include "base/env.h"
#include "base/list.h"
#include "storage/checkpoint.h"
#include "storage/index.h"

struct plog;
struct store;

struct segment {
    struct list_link link; /* plog.segments, by base offset */
    struct plog *log;      /* NULL: cut off or deleted; freed by its last user */
    struct segment_summary summary;
    uint64_t at;        /* position of its first byte in the log */
    struct index index; /* of an active one always whole */
    bool index_loaded;
    bool sealed;                    /* nothing is appended any more */
    bool created;                   /* the file is there */
    bool reported;                  /* its damage was */
    uint32_t users;                 /* jobs that work with it */
    int file;                       /* -1: closed */
    struct list_link file_lru;      /* store.files while open */
    struct list_link index_lru;     /* store.indexes while sealed and loaded */
    struct list_link unsynced_link; /* store.unsynced_segments: written since its last sync */
    bool names_unsynced;            /* created since the last sync of its directory */
    struct list index_waiters;      /* struct read_wait: for the index to be loaded */
};

/* ERR_NOMEM. At the end of the log's list. */
enum err segment_new(struct plog *l, const struct segment_summary *summary, uint64_t at,
                     struct segment **out);
/* Takes it out of its log; it goes when no job uses it any more. */
void segment_drop(struct segment *g);
static inline void segment_use(struct segment *g)
{
    g->users++;
}
void segment_unuse(struct segment *g, struct store *s);

static inline uint64_t segment_end(const struct segment *g)
{
    return g->at + g->summary.bytes;
}

/* The name of its file, or with ".idx" of its index. */
void segment_path(const char *dir, int64_t base_offset, const char *suffix,
                  char out[ENV_PATH_BYTES]);
/* ERR_NOT_FOUND: not a name of that kind. */
enum err segment_parse_name(const char *name, const char *suffix, int64_t *base_offset);

/* A helper opened it: keep the descriptor, and close the one not used for longest if there are too many. */
void segment_opened(struct segment *g, struct store *s, int file);
void segment_file_touch(struct segment *g, struct store *s);
/* One without records goes on as the active one: a new one would have its name. */
void segment_reopen(struct segment *g, struct store *s);
void segment_index_loaded(struct segment *g, struct store *s, struct index *taken);
