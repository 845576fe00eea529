/* base/env_linux_file.c: files and directories.
 *
 * WHY      The few calls that storage makes, each whole: a read or write that the kernel cuts short is
 *          continued here, so callers see all or an error.
 * OWNER    No state: a file is its descriptor. Any thread, except that these calls block (env.h says which).
 * FAILURE  An errno becomes the code that callers act on, and a crumb with the path, which for an open file
 *          is asked of /proc. Only an interrupted call is made again, and of those not fdatasync(2): after
 *          any failed sync the kernel may have forgotten what was not written.
 *          O_DIRECT is a wish: a file system may refuse it at open(2) or, some of them, at the first
 *          read or write (EINVAL). Then the flag is dropped, and the page cache takes its place.
 */
#include "base/env_linux_internal.h"
#include "base/mem.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    FILE_MODE = 0640,
    FOLDER_MODE = 0750,
    WRITE_SLICES_MAX = 64,
    FOLDER_NAMES_BYTES_MAX = 64 << 20
};

static_assert(sizeof(off_t) == 8, "files are large");
static_assert(sizeof(struct env_slice) == sizeof(struct iovec), "same layout");
static_assert(offsetof(struct env_slice, len) == offsetof(struct iovec, iov_len), "same layout");

/* fail() for a call on an open file. */
static enum err file_error(int number, const char *doing, int file)
{
    char link[64], path[ENV_PATH_BYTES];

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    path[MAX(n, 0)] = 0;
    return fail_errno(number, doing, n > 0 ? path : link);
}

static enum err file_open(struct env *e, const char *path, uint32_t flags, int *out)
{
    int how = O_CLOEXEC | ((flags & ENV_OPEN_WRITE) != 0 ? O_RDWR : O_RDONLY) |
              ((flags & ENV_OPEN_CREATE) != 0 ? O_CREAT : 0) |
              ((flags & ENV_OPEN_EXCLUSIVE) != 0 ? O_EXCL : 0);
    int direct = (flags & ENV_OPEN_DIRECT) != 0 ? O_DIRECT : 0;

    (void)e;
    int file = open(path, how | direct, FILE_MODE);
    if (file < 0 && errno == EINVAL && direct != 0) {
        /* The refused call may have created the file already. */
        file = open(path, how & ~O_EXCL, FILE_MODE);
    }
    if (file < 0) {
        return fail_errno(errno, "open", path);
    }
    *out = file;
    return OK;
}

static enum err file_close(struct env *e, int file)
{
    (void)e;
    if (close(file) != 0 && errno != EINTR) { /* closed in any case */
        return fail(env_linux_error(errno), "close a file: %s", env_linux_error_text(errno));
    }
    return OK;
}

/* After an EINVAL: was the page cache bypassed, and is it no longer? */
static bool stop_direct(int file)
{
    int flags = fcntl(file, F_GETFL);

    return flags >= 0 && (flags & O_DIRECT) != 0 && fcntl(file, F_SETFL, flags & ~O_DIRECT) == 0;
}

static bool call_again(int number, int file)
{
    return number == EINTR || (number == EINVAL && stop_direct(file));
}

static enum err file_read(struct env *e, int file, void *to, size_t len, uint64_t position,
                          size_t *got)
{
    size_t done = 0;

    (void)e;
    while (done < len) {
        ssize_t n = pread(file, (uint8_t *)to + done, len - done, (off_t)(position + done));
        if (n == 0) {
            break;
        }
        if (n < 0 && !call_again(errno, file)) {
            return file_error(errno, "read", file);
        }
        done += n < 0 ? 0 : (size_t)n;
    }
    *got = done;
    return OK;
}

/* A place in a row of slices. */
struct slice_cursor {
    const struct env_slice *slices;
    int count;
    size_t skip; /* bytes of the first that are done */
};

static int fill(const struct slice_cursor *c, struct iovec out[WRITE_SLICES_MAX])
{
    int n = 0;

    for (; n < c->count && n < WRITE_SLICES_MAX; n++) {
        size_t skip = n == 0 ? c->skip : 0;
        out[n].iov_base = (uint8_t *)c->slices[n].at + skip;
        out[n].iov_len = c->slices[n].len - skip;
    }
    return n;
}

/* Forward by `bytes`, and past empty slices. */
static void advance(struct slice_cursor *c, size_t bytes)
{
    while (c->count > 0 && bytes >= c->slices[0].len - c->skip) {
        bytes -= c->slices[0].len - c->skip;
        c->slices++;
        c->count--;
        c->skip = 0;
    }
    c->skip += bytes;
    ASSERT(c->count > 0 || bytes == 0);
}

static enum err file_write(struct env *e, int file, const struct env_slice *slices, int count,
                           uint64_t position)
{
    struct slice_cursor c = {slices, count, 0};
    struct iovec v[WRITE_SLICES_MAX];

    (void)e;
    ASSERT(count >= 0);
    advance(&c, 0);
    while (c.count > 0) {
        ssize_t n = pwritev(file, v, fill(&c, v), (off_t)position);
        if (n == 0) {
            return file_error(EIO, "write (no progress)", file);
        }
        if (n < 0 && !call_again(errno, file)) {
            return file_error(errno, "write", file);
        }
        if (n > 0) {
            advance(&c, (size_t)n);
            position += (uint64_t)n;
        }
    }
    return OK;
}

static enum err file_sync(struct env *e, int file)
{
    (void)e;
    return fdatasync(file) == 0 ? OK : file_error(errno, "sync", file);
}

static enum err folder_sync(struct env *e, const char *path)
{
    (void)e;
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        return fail_errno(errno, "open", path);
    }
    enum err result = fsync(folder) == 0 ? OK : fail_errno(errno, "sync", path);
    (void)close(folder);
    return result;
}

static enum err file_sync_all(struct env *e, int file)
{
    (void)e;
    return syncfs(file) == 0 ? OK : file_error(errno, "sync the file system of", file);
}

static enum err file_truncate(struct env *e, int file, uint64_t bytes)
{
    int failed;

    (void)e;
    do {
        failed = ftruncate(file, (off_t)bytes);
    } while (failed != 0 && errno == EINTR);
    return failed == 0 ? OK : file_error(errno, "truncate", file);
}

static enum err file_allocate(struct env *e, int file, uint64_t position, uint64_t len)
{
    int failed;

    (void)e;
    if (len == 0) {
        return OK;
    }
    do {
        failed = fallocate(file, FALLOC_FL_KEEP_SIZE, (off_t)position, (off_t)len);
    } while (failed != 0 && errno == EINTR);
    if (failed != 0 && errno != EOPNOTSUPP && errno != ENOSYS) {
        return file_error(errno, "allocate", file);
    }
    return OK;
}

static enum err file_size(struct env *e, int file, uint64_t *out)
{
    struct stat s;

    (void)e;
    if (fstat(file, &s) != 0) {
        return file_error(errno, "ask for the size of", file);
    }
    *out = (uint64_t)s.st_size;
    return OK;
}

static enum err path_rename(struct env *e, const char *from, const char *to)
{
    (void)e;
    if (rename(from, to) != 0) {
        return fail(env_linux_error(errno), "rename %s to %s: %s", from, to,
                    env_linux_error_text(errno));
    }
    return OK;
}

static enum err path_unlink(struct env *e, const char *path)
{
    (void)e;
    return unlink(path) == 0 ? OK : fail_errno(errno, "remove", path);
}

static enum err path_mkdir(struct env *e, const char *path)
{
    struct stat s;

    (void)e;
    if (mkdir(path, FOLDER_MODE) == 0) {
        return OK;
    }
    int number = errno;
    if (number == EEXIST && stat(path, &s) == 0 && S_ISDIR(s.st_mode)) {
        return OK;
    }
    return fail_errno(number, "make the directory", path);
}

static enum err path_rmdir(struct env *e, const char *path)
{
    (void)e;
    return rmdir(path) == 0 ? OK : fail_errno(errno, "remove the directory", path);
}

/* All names in the folder as they come, each with its NUL; *count of them. */
static enum err read_names(DIR *folder, const char *path, struct buf *names, size_t *count)
{
    struct dirent *entry;

    *count = 0;
    for (errno = 0; (entry = readdir(folder)) != NULL; errno = 0) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            TRY(buf_add(names, (struct bytes){(const uint8_t *)name, strlen(name) + 1}));
            ++*count;
        }
    }
    return errno == 0 ? OK : fail_errno(errno, "list", path);
}

static int by_name(const void *a, const void *b)
{
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

static enum err add_sorted(struct bytes names, size_t count, struct buf *out)
{
    struct bytes *sorted = count == 0 ? NULL : mem_zalloc(count, sizeof(*sorted));
    enum err result = OK;

    if (count == 0) {
        return OK;
    }
    if (sorted == NULL) {
        return fail(ERR_NOMEM, "no memory to sort %zu names", count);
    }
    for (size_t i = 0; i < count; i++) {
        sorted[i] = bytes_slice(names, 0, strlen((const char *)names.at) + 1);
        names = bytes_slice(names, sorted[i].len, names.len);
    }
    qsort(sorted, count, sizeof(*sorted), by_name);
    for (size_t i = 0; i < count && result == OK; i++) {
        result = buf_add(out, sorted[i]);
    }
    mem_free(sorted);
    return result;
}

static enum err folder_list(struct env *e, const char *path, struct buf *names)
{
    struct buf raw;
    size_t count = 0;

    (void)e;
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return fail_errno(errno, "list", path);
    }
    buf_init(&raw, FOLDER_NAMES_BYTES_MAX);
    enum err result = read_names(folder, path, &raw, &count);
    if (result == OK) {
        result = add_sorted(buf_view(&raw), count, names);
    }
    buf_deinit(&raw);
    (void)closedir(folder);
    return result;
}

/* The lock belongs to the open file (not to the process, as older kinds do), so two openings in one process
 * exclude each other as well, and closing another descriptor of the file does not release it. */
static enum err file_lock(struct env *e, const char *path, int *out)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    (void)e;
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE);
    if (file < 0) {
        return fail_errno(errno, "open", path);
    }
    if (fcntl(file, F_OFD_SETLK, &whole) != 0) {
        int number = errno;
        (void)close(file);
        if (number == EAGAIN || number == EACCES) {
            return fail(ERR_EXISTS, "%s is locked by another process", path);
        }
        return fail_errno(number, "lock", path);
    }
    *out = file;
    return OK;
}

static enum err path_space(struct env *e, const char *path, struct env_disk_space *out)
{
    struct statvfs s;

    (void)e;
    if (statvfs(path, &s) != 0) {
        return fail_errno(errno, "ask for the space at", path);
    }
    out->free_bytes = (uint64_t)s.f_bavail * s.f_frsize;
    out->total_bytes = (uint64_t)s.f_blocks * s.f_frsize;
    return OK;
}

/* No crumb for ERR_AGAIN: it is an ordinary answer on a hot path. */
static enum err file_read_cached(struct env *e, int file, void *to, size_t len, uint64_t position,
                                 size_t *got)
{
    struct iovec v = {to, len};
    uint64_t size = 0;

    ssize_t n = preadv2(file, &v, 1, (off_t)position, RWF_NOWAIT);
    if (n < 0) {
        bool cannot_tell = errno == EAGAIN || errno == EOPNOTSUPP || errno == ENOSYS ||
                           errno == EINTR || errno == EPERM;
        return cannot_tell ? ERR_AGAIN : file_error(errno, "read", file);
    }
    if ((size_t)n < len) { /* the end of the file, or the first page that is not there? */
        TRY(file_size(e, file, &size));
        if (position + (uint64_t)n < size) {
            return ERR_AGAIN;
        }
    }
    *got = (size_t)n;
    return OK;
}

static enum err file_send(struct env *e, int socket, int file, uint64_t position, size_t len,
                          size_t *sent)
{
    off_t at = (off_t)position;
    ssize_t n;

    (void)e;
    do {
        n = sendfile(socket, file, &at, len);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return errno == EAGAIN ? ERR_AGAIN : file_error(errno, "send", file);
    }
    if (n == 0 && len > 0) {
        return file_error(EIO, "send (the file ends too early)", file);
    }
    *sent = (size_t)n;
    return OK;
}

void env_linux_file_calls(struct env_vtable *v)
{
    v->open = file_open;
    v->close = file_close;
    v->read = file_read;
    v->write = file_write;
    v->sync = file_sync;
    v->sync_dir = folder_sync;
    v->sync_all = file_sync_all;
    v->truncate = file_truncate;
    v->allocate = file_allocate;
    v->size = file_size;
    v->rename = path_rename;
    v->unlink = path_unlink;
    v->mkdir = path_mkdir;
    v->rmdir = path_rmdir;
    v->list = folder_list;
    v->lock = file_lock;
    v->space = path_space;
    v->read_cached = file_read_cached;
    v->send_file = file_send;
}
