/* storage/journal.h: one core's journal while it runs: its files, the group that collects, the group that is
 * being written. Storage's own.
 *
 *     journal_add()      copies an entry into the open group                        (the core)
 *     journal_begin()    closes it and says what to write where                     (the core)
 *     journal_write()    writes and syncs: blocks                                   (a helper)
 *     journal_end()      the group is durable; or journal_fail(): it is dropped     (the core)
 *     journal_recycle()  files whose content is safe elsewhere become free          (the core)
 *
 * One group is in flight at a time, so an older group is durable before a younger one is written. Files
 * come into being when needed: a journal nobody writes to has none.
 */
#pragma once

#include "base/env.h"
#include "base/list.h"
#include "storage/journal_format.h"

enum { JOURNAL_FILE_BYTES = 8 << 20, JOURNAL_GROUP_BYTES_MAX = 4 << 20 };

struct journal_file {
    struct list_link link;
    uint64_t number, generation, salt;
    uint64_t bytes;   /* that groups may fill, with the header */
    uint64_t written; /* below: all of it was written before, by groups or zeroes */
    int file;         /* -1: to be created */
    bool retired;     /* a write or sync failed: never written again */
};

struct journal_buffer {
    uint8_t *at; /* whole pages */
    size_t room, len;
    uint32_t entries_crc, entry_count;
};

/* What a helper needs; nothing else is touched there. */
struct journal_write {
    struct env *env;
    char dir[ENV_PATH_BYTES], path[ENV_PATH_BYTES];
    int file;         /* in and out */
    bool create;      /* a new file */
    uint8_t *header;  /* a block to write and sync first; NULL: the file is in use already */
    uint64_t reserve; /* bytes of a new file */
    const uint8_t *group;
    size_t len;
    size_t ahead; /* zeroes to write behind the group */
    uint64_t position;
};

struct journal {
    struct env *env;
    const char *dir;
    uint64_t incarnation;
    uint32_t core;
    uint64_t bytes_max, file_bytes;
    struct list used;             /* struct journal_file, oldest generation first */
    struct list spare;            /* free for another use */
    struct journal_file *current; /* the last of used, or NULL */
    uint64_t position;            /* in current: where the next group goes */
    struct list gone;             /* not to be used again: close, unlink and free them */
    uint64_t bytes;               /* of all files */
    uint64_t number_next, generation_next, sequence_next, sequence_durable;
    bool wanted; /* an append was turned away for lack of a file */
    struct journal_buffer open, flying;
    struct journal_write write;
    uint8_t *header; /* a page */
    bool busy;       /* flying is on its way */
};

/* dir must outlive it. */
void journal_init(struct journal *j, struct env *env, const char *dir, uint32_t core,
                  uint64_t incarnation);
/* B. Closes its files. */
void journal_close(struct journal *j);
/* Memory only. */
void journal_deinit(struct journal *j);

/* Room for it now? If not for lack of a free file, j->wanted says so until files are recycled. */
bool journal_wants(struct journal *j, size_t payload);
/* ERR_LIMIT: no room, for lack of a free file or because the group is full; ERR_NOMEM. Nothing changed then. */
enum err journal_add(struct journal *j, const struct journal_entry *entry);

/* The generation of the file that takes what is added now, or of one before it. */
static inline uint64_t journal_generation(const struct journal *j)
{
    return j->current == NULL ? j->generation_next : j->current->generation;
}

/* Closes the open group; j->write says what to do. False: nothing to write, no file is free, or one is in
 * flight. ERR_NOMEM leaves everything as it was. */
enum err journal_begin(struct journal *j, bool *begun);
enum err journal_write(struct journal_write *w);
void journal_end(struct journal *j);
/* After a failure: both groups are dropped, the current file is not written any more. */
void journal_fail(struct journal *j);

/* Files of a generation below `below` are free; not the current one unless `current_too`. Those that
 * cannot be used again go to j->gone. */
void journal_recycle(struct journal *j, uint64_t below, bool current_too);
/* Bytes of the files in use. */
uint64_t journal_used(const struct journal *j);
/* Gives back buffers while nothing is collected or written. True: there were some. */
bool journal_shrink(struct journal *j);
void journal_path(const struct journal *j, uint64_t number, char out[ENV_PATH_BYTES]);
