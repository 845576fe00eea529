/* broker/identity.c: meta.properties.
 *
 * WHY      A directory that is mounted at the wrong node, or a node that is started with another cluster's
 *          settings, must be noticed before anything is written.
 * FORMAT   Lines "key=value"; the last one is "crc32c=" and eight hexadecimal digits, over all bytes before it.
 *          Written to a second file, synced, renamed: it is there wholly or not at all.
 * OWNER    Start-up.
 * FAILURE  Unknown keys are accepted; a missing or wrong CRC, version or key is ERR_CORRUPT.
 */
#include "broker/identity.h"

#include "base/crc32c.h"
#include "base/log.h"

#include <stdio.h>

enum { FILE_BYTES_MAX = 4096, VERSION = 1, CRC_DIGITS = 8 };

static const char name[] = "meta.properties";
static const char crc_key[] = "crc32c=";

/* The value of a line "key=value"; BYTES_NULL when there is none. */
static struct bytes value_of(struct bytes text, const char *key)
{
    struct bytes want = bytes_of(key);

    while (text.len > 0) {
        ptrdiff_t end = bytes_find(text, '\n');
        struct bytes line = end < 0 ? text : bytes_slice(text, 0, (size_t)end);
        if (bytes_starts_with(line, want)) {
            return bytes_slice(line, want.len, line.len);
        }
        text = bytes_slice(text, line.len + 1, text.len);
    }
    return BYTES_NULL;
}

/* ---- reading ---- */

static bool crc_right(struct bytes text)
{
    struct bytes said = value_of(text, crc_key);
    char digits[CRC_DIGITS + 1];

    if (said.at == NULL || said.len != CRC_DIGITS) {
        return false;
    }
    size_t before = (size_t)(said.at - text.at) - strlen(crc_key);
    (void)snprintf(digits, sizeof(digits), "%08" PRIx32, crc32c(0, bytes_slice(text, 0, before)));
    return memcmp(digits, said.at, CRC_DIGITS) == 0;
}

static enum err parse(struct bytes text, struct identity *out)
{
    struct bytes cluster_id = value_of(text, "cluster.id=");
    int64_t version = 0, node_id = -1;

    if (!crc_right(text) || bytes_to_i64(value_of(text, "version="), &version) != OK ||
        version != VERSION || bytes_to_i64(value_of(text, "node.id="), &node_id) != OK ||
        node_id < 0 || node_id > INT32_MAX || cluster_id.len == 0 ||
        bytes_to_cstr(cluster_id, out->cluster_id, sizeof(out->cluster_id)) != OK ||
        uuid_parse(value_of(text, "directory.id="), &out->directory_id) != OK) {
        return fail(ERR_CORRUPT, "%s is damaged", name);
    }
    out->node_id = (int32_t)node_id;
    return OK;
}

static enum err read_file(struct env *env, const char *path, struct identity *out)
{
    uint8_t memory[FILE_BYTES_MAX];
    size_t got = 0;
    int file;

    TRY(env_open(env, path, ENV_OPEN_READ, &file));
    enum err e = env_read(env, file, memory, sizeof(memory), 0, &got);
    (void)env_close(env, file);
    return e == OK ? parse((struct bytes){memory, got}, out) : e;
}

/* ---- writing ---- */

static int print(const struct identity *id, char text[FILE_BYTES_MAX])
{
    char directory[UUID_TEXT_BYTES + 1];

    uuid_text(id->directory_id, directory);
    int len = snprintf(text, FILE_BYTES_MAX,
                       "version=%d\nnode.id=%" PRId32 "\ncluster.id=%s\ndirectory.id=%s\n", VERSION,
                       id->node_id, id->cluster_id, directory);
    len += snprintf(text + len, (size_t)(FILE_BYTES_MAX - len), "%s%08" PRIx32 "\n", crc_key,
                    crc32c(0, (struct bytes){(const uint8_t *)text, (size_t)len}));
    return len;
}

static enum err write_file(struct env *env, const char *data_dir, const char *path,
                           const struct identity *id)
{
    char text[FILE_BYTES_MAX], fresh[ENV_PATH_BYTES + sizeof(".new")];
    struct env_slice slice = {text, (size_t)print(id, text)};
    int file;

    (void)snprintf(fresh, sizeof(fresh), "%s.new", path);
    TRY(env_open(env, fresh, ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file));
    enum err e = env_truncate(env, file, 0);
    e = e == OK ? env_write(env, file, &slice, 1, 0) : e;
    e = e == OK ? env_sync(env, file) : e;
    (void)env_close(env, file);
    e = e == OK ? env_rename(env, fresh, path) : e;
    return e == OK ? env_sync_dir(env, data_dir) : e;
}

static enum err make(struct env *env, int32_t node_id, struct bytes cluster_id,
                     struct identity *out)
{
    struct uuid made_up = uuid_random(env_random(env), env_random(env));

    out->node_id = node_id;
    out->directory_id = uuid_random(env_random(env), env_random(env));
    if (cluster_id.len == 0) {
        uuid_text(made_up, out->cluster_id);
        return OK;
    }
    if (bytes_find(cluster_id, '\n') >= 0 ||
        bytes_to_cstr(cluster_id, out->cluster_id, sizeof(out->cluster_id)) != OK) {
        return fail(ERR_USAGE, "cluster.id is not a name of at most %d bytes",
                    CLUSTER_ID_BYTES_MAX);
    }
    return OK;
}

static enum err check(const struct identity *id, int32_t node_id, struct bytes cluster_id)
{
    if (id->node_id != node_id) {
        return fail(ERR_USAGE, "the data directory belongs to node.id %" PRId32 ", not %" PRId32,
                    id->node_id, node_id);
    }
    if (cluster_id.len > 0 && !bytes_equal(cluster_id, bytes_of(id->cluster_id))) {
        return fail(ERR_USAGE, "the data directory belongs to cluster.id %s", id->cluster_id);
    }
    return OK;
}

enum err identity_open(struct env *env, const char *data_dir, int32_t node_id,
                       struct bytes cluster_id, struct identity *out)
{
    struct identity id = {0};
    char path[ENV_PATH_BYTES];

    if (snprintf(path, sizeof(path), "%s/%s", data_dir, name) >= (int)sizeof(path)) {
        return fail(ERR_USAGE, "the path of the data directory is too long");
    }
    enum err e = read_file(env, path, &id);
    if (e == ERR_NOT_FOUND) {
        TRY(make(env, node_id, cluster_id, &id));
        e = write_file(env, data_dir, path, &id);
    }
    if (e != OK) {
        return e;
    }
    TRY(check(&id, node_id, cluster_id));
    *out = id;
    return OK;
}
