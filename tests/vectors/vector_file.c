/* tests/vectors/vector_file.c: reads a file of vectors into memory.
 *
 * WHY      The compact set stands in the repository packed, because JSON and hex of the same message repeat
 *          each other; a set made for one run is tens of megabytes of plain lines.
 * LIMITS   VECTOR_FILE_BYTES_MAX of text.
 */
#include "tests/vectors/vector_file.h"

#include <stdio.h>
#include <zstd.h>

enum { VECTOR_FILE_BYTES_MAX = 512 << 20, READ_BYTES = 1 << 16 };

static enum err read_plain(const char *path, struct buf *out)
{
    static uint8_t part[READ_BYTES];
    FILE *f = fopen(path, "rb");
    enum err e = OK;

    if (f == NULL) {
        return fail(ERR_NOT_FOUND, "%s cannot be opened", path);
    }
    for (size_t n = 1; n > 0 && e == OK;) {
        n = fread(part, 1, sizeof(part), f);
        e = buf_add(out, (struct bytes){part, n});
    }
    if (e == OK && ferror(f) != 0) {
        e = fail(ERR_IO, "%s cannot be read", path);
    }
    (void)fclose(f);
    return e;
}

static enum err unpack(struct arena *a, const char *path, struct bytes packed, struct bytes *out)
{
    unsigned long long size = ZSTD_getFrameContentSize(packed.at, packed.len);

    if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR ||
        size > VECTOR_FILE_BYTES_MAX) {
        return fail(ERR_CORRUPT, "%s does not say how long it is unpacked", path);
    }
    uint8_t *at = arena_alloc(a, size);
    if (at == NULL) {
        return fail(ERR_NOMEM, "%s", path);
    }
    size_t n = ZSTD_decompress(at, size, packed.at, packed.len);
    *out = (struct bytes){at, n};
    return ZSTD_isError(n) || n != size ? fail(ERR_CORRUPT, "%s does not unpack", path) : OK;
}

enum err vector_file_read(struct arena *a, const char *path, struct bytes *out)
{
    struct buf raw;
    size_t len = strlen(path);
    bool packed = len > 4 && strcmp(path + len - 4, ".zst") == 0;

    buf_init(&raw, VECTOR_FILE_BYTES_MAX);
    enum err e = read_plain(path, &raw);
    if (e == OK && packed) {
        e = unpack(a, path, buf_view(&raw), out);
    } else if (e == OK) {
        *out = arena_copy(a, buf_view(&raw));
        e = out->at == NULL ? fail(ERR_NOMEM, "%s", path) : OK;
    }
    buf_deinit(&raw);
    return e;
}

bool vector_file_line(struct bytes *text, struct bytes *out)
{
    if (text->len == 0) {
        return false;
    }
    ptrdiff_t end = bytes_find(*text, '\n');
    size_t len = end < 0 ? text->len : (size_t)end;
    *out = bytes_slice(*text, 0, len);
    *text = bytes_slice(*text, MIN(len + 1, text->len), text->len);
    return true;
}
