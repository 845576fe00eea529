/* tools/client.c: connections, versions, request and response.
 *
 * WHY      The command line must not need a client library that speaks for itself: what people see is what
 *          the protocol said. It is also the smallest honest user of protocol/.
 * FORMAT   protocol/frame.h.
 * OWNER    One thread. A connection is broken by any error on it and made anew when it is next needed.
 * FAILURE  Time is bounded by options.timeout_ms per call; nothing is retried here but connecting.
 * LIMITS   CLIENT_BROKERS_MAX connections, CLIENT_RESPONSE_BYTES_MAX bytes of response.
 */
#include "tools/client.h"

#include "base/mem.h"
#include "protocol/frame.h"
#include "schema/api_versions.h"

enum {
    CLIENT_BROKERS_MAX = 64,
    CLIENT_EVENTS = 8,
    API_KEYS_MAX = 128,
    BOOTSTRAP_MAX = 16,
    DEFAULT_PORT = 9092,
    RETRY_FIRST_MS = 20,
    RETRY_DOUBLINGS = 5,
    US_PER_MS = 1000,
};

struct version_range {
    int16_t first, last; /* last < first: not there */
};

struct connection {
    int32_t broker; /* CLIENT_ANY_BROKER: a bootstrap address */
    struct env_address address;
    int socket; /* -1: not connected */
    struct version_range versions[API_KEYS_MAX];
};

struct client {
    struct client_options options;
    struct env *env;
    struct env_poller *poller;
    struct connection connections[CLIENT_BROKERS_MAX];
    int connection_count;
    int32_t correlation_id;
    struct buf frame; /* the response being read; strings of a response are copied out of it */
};

/* ---- connections ---- */

static void disconnect(struct client *c, struct connection *conn)
{
    if (conn->socket >= 0) {
        env_close_socket(c->env, conn->socket);
        conn->socket = -1;
    }
}

static enum err wait_watched(struct client *c, struct connection *conn, uint32_t interest,
                             uint64_t deadline_us)
{
    struct env_event events[CLIENT_EVENTS];

    for (uint64_t now = env_now_us(c->env); now < deadline_us; now = env_now_us(c->env)) {
        if (c->options.is_stopped != NULL && c->options.is_stopped()) {
            return fail(ERR_CLOSED, "told to stop");
        }
        int n = env_poll(c->env, c->poller, events, CLIENT_EVENTS, (int64_t)(deadline_us - now));
        for (int i = 0; i < n; i++) {
            if (events[i].tag == conn && (events[i].ready & interest) != 0) {
                return OK;
            }
        }
    }
    return fail(ERR_CLOSED, "%s:%u did not answer in time", conn->address.host, conn->address.port);
}

/* Until the socket is ready for `interest`, or the time is over. Watched only meanwhile, so that one that nobody
 * waits for does not keep the poller awake. */
static enum err wait_ready(struct client *c, struct connection *conn, uint32_t interest,
                           uint64_t deadline_us)
{
    TRY(env_watch(c->env, c->poller, conn->socket, interest, conn));
    enum err e = wait_watched(c, conn, interest, deadline_us);
    env_unwatch(c->env, c->poller, conn->socket);
    return e;
}

static enum err send_all(struct client *c, struct connection *conn, struct bytes b,
                         uint64_t deadline_us)
{
    while (b.len > 0) {
        struct env_slice slice = {(void *)(uintptr_t)b.at, b.len};
        size_t sent = 0;
        enum err e = env_send(c->env, conn->socket, &slice, 1, &sent);
        if (e == ERR_AGAIN) {
            TRY(wait_ready(c, conn, ENV_WRITABLE, deadline_us));
            continue;
        }
        TRY(e);
        b = bytes_slice(b, sent, b.len);
    }
    return OK;
}

static enum err receive_all(struct client *c, struct connection *conn, size_t len,
                            uint64_t deadline_us)
{
    TRY(buf_reserve(&c->frame, len));
    for (size_t left = len; left > 0;) {
        size_t got = 0;
        enum err e = env_receive(c->env, conn->socket, c->frame.at + c->frame.len, left, &got);
        if (e == ERR_AGAIN) {
            TRY(wait_ready(c, conn, ENV_READABLE, deadline_us));
            continue;
        }
        TRY(e);
        c->frame.len += got;
        left -= got;
    }
    return OK;
}

static enum err receive_frame(struct client *c, struct connection *conn, uint64_t deadline_us)
{
    buf_reset(&c->frame);
    TRY(receive_all(c, conn, FRAME_LENGTH_BYTES, deadline_us));
    uint32_t len = wire_load_u32(c->frame.at);
    if (len > CLIENT_RESPONSE_BYTES_MAX) {
        return fail(ERR_MALFORMED, "%s:%u does not speak Kafka (a response of %u bytes)",
                    conn->address.host, conn->address.port, len);
    }
    buf_reset(&c->frame);
    return receive_all(c, conn, len, deadline_us);
}

/* One request and its response over a connection that stands. */
static enum err exchange(struct client *c, struct connection *conn, const struct api_info *api,
                         struct client_call *call, struct arena *arena)
{
    uint64_t deadline_us = env_now_us(c->env) + (uint64_t)c->options.timeout_ms * US_PER_MS;
    struct frame_request rq = {.api = api,
                               .key = api->key,
                               .version = call->version,
                               .correlation_id = ++c->correlation_id,
                               .client_id = c->options.client_id};
    size_t body = message_size(api->request, call->version, call->request);
    size_t bytes = frame_request_size(&rq) + body;
    uint8_t *at = arena_alloc(arena, bytes);

    if (at == NULL) {
        return fail(ERR_NOMEM, "no memory for a request of %zu bytes", bytes);
    }
    struct wire_writer w = wire_writer_of(at, bytes);
    frame_write_request(&w, &rq, body);
    message_write(&w, api->request, call->version, call->request);
    TRY(send_all(c, conn, (struct bytes){at, bytes}, deadline_us));
    if (call->no_response) {
        return OK;
    }
    TRY(receive_frame(c, conn, deadline_us));
    struct bytes frame = arena_copy(arena, buf_view(&c->frame));
    struct frame_response rs;
    if (frame.at == NULL) {
        return fail(ERR_NOMEM, "no memory for a response of %zu bytes", c->frame.len);
    }
    TRY(frame_read_response(frame, api, call->version, &rs));
    if (rs.correlation_id != rq.correlation_id) {
        return fail(ERR_MALFORMED, "%s:%u answered another request", conn->address.host,
                    conn->address.port);
    }
    struct wire_reader r = wire_reader_of(rs.body);
    return message_read(&r, arena, api->response, call->version, call->response);
}

static void note_versions(struct connection *conn, const struct api_versions_response *rs)
{
    for (int i = 0; i < API_KEYS_MAX; i++) {
        conn->versions[i] = (struct version_range){0, -1};
    }
    for (int32_t i = 0; i < rs->api_keys.len; i++) {
        int16_t key = rs->api_keys.at[i].api_key;
        if (key >= 0 && key < API_KEYS_MAX) {
            conn->versions[key] = (struct version_range){rs->api_keys.at[i].min_version,
                                                         rs->api_keys.at[i].max_version};
        }
    }
}

/* Asks what the broker speaks: our newest version first, version 0 when it does not know that. */
static enum err ask_versions(struct client *c, struct connection *conn)
{
    const struct api_info *api = api_find(API_API_VERSIONS);
    struct arena arena;
    struct api_versions_request rq;
    struct api_versions_response rs;
    struct client_call call = {.request = &rq, .response = &rs, .version = 3};

    arena_init(&arena, CLIENT_RESPONSE_BYTES_MAX);
    api_versions_request_init(&rq);
    rq.client_software_name = BYTES("weir");
    rq.client_software_version = BYTES("1");
    enum err e = exchange(c, conn, api, &call, &arena);
    if (e == ERR_MALFORMED || (e == OK && rs.error_code == KAFKA_UNSUPPORTED_VERSION)) {
        call.version = 0;
        api_versions_request_init(&rq);
        e = exchange(c, conn, api, &call, &arena);
    }
    if (e == OK && rs.error_code != KAFKA_NONE) {
        e = fail(ERR_UNSUPPORTED, "%s:%u does not say what it speaks", conn->address.host,
                 conn->address.port);
    }
    if (e == OK) {
        note_versions(conn, &rs);
    }
    arena_deinit(&arena);
    return e;
}

static enum err connect_to(struct client *c, struct connection *conn)
{
    uint64_t deadline_us = env_now_us(c->env) + (uint64_t)c->options.timeout_ms * US_PER_MS;

    if (conn->socket >= 0) {
        return OK;
    }
    TRY(env_connect(c->env, &conn->address, &conn->socket));
    enum err e = wait_ready(c, conn, ENV_WRITABLE, deadline_us);
    if (e == OK) {
        e = env_connect_result(c->env, conn->socket);
    }
    if (e == OK) {
        e = ask_versions(c, conn);
    }
    if (e != OK) {
        disconnect(c, conn);
    }
    return e;
}

static struct connection *connection_of(struct client *c, int32_t broker)
{
    for (int i = 0; i < c->connection_count; i++) {
        if (broker == CLIENT_ANY_BROKER || c->connections[i].broker == broker) {
            return &c->connections[i];
        }
    }
    return NULL;
}

struct env_poller *client_poller(struct client *c)
{
    return c->poller;
}

int64_t client_timeout_ms(const struct client *c)
{
    return c->options.timeout_ms;
}

bool client_retry(struct client *c, struct client_retry *r)
{
    struct env_event events[CLIENT_EVENTS];
    uint64_t now = env_now_us(c->env);

    if (r->count == 0) {
        r->deadline_us = now + (uint64_t)c->options.timeout_ms * US_PER_MS;
    }
    uint64_t until = now + ((uint64_t)RETRY_FIRST_MS * US_PER_MS << MIN(r->count, RETRY_DOUBLINGS));
    r->count++;
    while (now < until) {
        if (now >= r->deadline_us || (c->options.is_stopped != NULL && c->options.is_stopped())) {
            return false;
        }
        (void)env_poll(c->env, c->poller, events, CLIENT_EVENTS, (int64_t)(until - now));
        now = env_now_us(c->env);
    }
    return true;
}

/* ---- calls ---- */

static enum err choose_version(const struct connection *conn, const struct api_info *api,
                               int16_t version_max, int16_t *out)
{
    struct version_range theirs = conn->versions[api->key];
    int16_t last = MIN(theirs.last, api->last_stable);

    if (version_max > 0) {
        last = MIN(last, version_max);
    }
    if (last < theirs.first || last < api->first) {
        return fail(ERR_UNSUPPORTED, "%s:%u does not serve %s in a version known here",
                    conn->address.host, conn->address.port, api->name);
    }
    *out = last;
    return OK;
}

enum err client_do(struct client *c, struct client_call *call, struct arena *arena)
{
    const struct api_info *api = api_find(call->api);
    struct connection *conn = connection_of(c, call->broker);

    ASSERT(api != NULL);
    if (conn == NULL) {
        return fail(ERR_NOT_FOUND, "broker %d is not known", call->broker);
    }
    TRY(connect_to(c, conn));
    TRY(choose_version(conn, api, call->version_max, &call->version));
    enum err e = exchange(c, conn, api, call, arena);
    if (e != OK) {
        disconnect(c, conn);
    }
    return e;
}

int16_t client_version(struct client *c, int32_t broker, int16_t api)
{
    struct connection *conn = connection_of(c, broker);
    int16_t version = -1;

    if (conn == NULL || connect_to(c, conn) != OK ||
        choose_version(conn, api_find(api), 0, &version) != OK) {
        return -1;
    }
    return version;
}

/* A broker told by metadata gets a connection of its own; a bootstrap connection to the same address is it. */
static void note_broker(struct client *c, const struct metadata_response_broker *b)
{
    struct env_address address = {.port = (uint16_t)b->port};
    struct connection *conn = connection_of(c, b->node_id);

    if (bytes_to_cstr(b->host, address.host, sizeof(address.host)) != OK) {
        return;
    }
    for (int i = 0; conn == NULL && i < c->connection_count; i++) {
        struct connection *other = &c->connections[i];
        if (other->broker == CLIENT_ANY_BROKER && other->address.port == address.port &&
            strcmp(other->address.host, address.host) == 0) {
            conn = other;
        }
    }
    if (conn == NULL && c->connection_count < CLIENT_BROKERS_MAX) {
        conn = &c->connections[c->connection_count++];
        *conn = (struct connection){.socket = -1};
    }
    if (conn == NULL) {
        return;
    }
    if (conn->address.port != address.port || strcmp(conn->address.host, address.host) != 0) {
        disconnect(c, conn);
    }
    conn->broker = b->node_id;
    conn->address = address;
}

enum err client_metadata(struct client *c, struct arena *arena, const struct bytes *names,
                         int32_t name_count, struct metadata_response *out)
{
    struct metadata_request rq;
    struct client_call call = {
        .broker = CLIENT_ANY_BROKER, .api = API_METADATA, .request = &rq, .response = out};

    metadata_request_init(&rq);
    rq.allow_auto_topic_creation = false;
    rq.topics.len = -1;
    if (names != NULL) {
        rq.topics = metadata_request_topics_new(arena, name_count);
        for (int32_t i = 0; i < rq.topics.len; i++) {
            rq.topics.at[i].name = names[i];
        }
    }
    /* Below 4 a broker would create the topics. */
    if (client_version(c, CLIENT_ANY_BROKER, API_METADATA) < 4) {
        rq.allow_auto_topic_creation = true;
    }
    TRY(client_do(c, &call, arena));
    for (int32_t i = 0; i < out->brokers.len; i++) {
        note_broker(c, &out->brokers.at[i]);
    }
    return OK;
}

int32_t client_leader(const struct metadata_response *m, struct bytes topic, int32_t partition)
{
    for (int32_t i = 0; i < m->topics.len; i++) {
        const struct metadata_response_topic *t = &m->topics.at[i];
        for (int32_t j = 0; bytes_equal(t->name, topic) && j < t->partitions.len; j++) {
            if (t->partitions.at[j].partition_index == partition) {
                return t->partitions.at[j].leader_id;
            }
        }
    }
    return CLIENT_ANY_BROKER;
}

struct bytes client_error_text(struct arena *arena, struct bytes what, enum kafka_error error,
                               struct bytes message)
{
    const struct kafka_error_info *info = kafka_error_info(error);
    struct bytes text = message.len > 0 ? message : bytes_of(info->text);

    return arena_format(arena, "%.*s: %s (%d): %.*s", BYTES_ARG(what), info->name, (int)error,
                        BYTES_ARG(text));
}

/* ---- life ---- */

static enum err parse_address(struct bytes text, struct env_address *out)
{
    size_t colon = text.len;
    int64_t port = DEFAULT_PORT;

    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == ':') {
            colon = i;
        }
    }
    if (text.len > 0 && text.at[text.len - 1] == ']') {
        colon = text.len; /* [::1] */
    }
    if (colon < text.len) {
        TRY(bytes_to_i64(bytes_slice(text, colon + 1, text.len), &port));
    }
    struct bytes host = bytes_slice(text, 0, colon);
    if (host.len >= 2 && host.at[0] == '[' && host.at[host.len - 1] == ']') {
        host = bytes_slice(host, 1, host.len - 2);
    }
    if (host.len == 0 || port <= 0 || port > UINT16_MAX) {
        return fail(ERR_USAGE, "'%.*s' is not host:port", BYTES_ARG(text));
    }
    out->port = (uint16_t)port;
    return bytes_to_cstr(host, out->host, sizeof(out->host));
}

static enum err try_bootstrap(struct client *c)
{
    struct bytes rest = c->options.bootstrap;
    enum err e = fail(ERR_USAGE, "no bootstrap address is given");

    while (rest.len > 0) {
        ptrdiff_t comma = bytes_find(rest, ',');
        size_t len = comma < 0 ? rest.len : (size_t)comma;
        struct connection *conn = &c->connections[0];
        *conn = (struct connection){.broker = CLIENT_ANY_BROKER, .socket = -1};
        e = parse_address(bytes_trim(bytes_slice(rest, 0, len)), &conn->address);
        if (e == OK) {
            e = connect_to(c, conn);
        }
        if (e == OK) {
            c->connection_count = 1;
            return OK;
        }
        rest = bytes_slice(rest, len + 1, rest.len);
    }
    return e;
}

enum err client_new(const struct client_options *options, struct client **out)
{
    struct client *c = mem_zalloc(1, sizeof(*c));

    if (c == NULL) {
        return fail(ERR_NOMEM, "no memory for a client");
    }
    c->options = *options;
    c->env = options->env;
    buf_init(&c->frame, CLIENT_RESPONSE_BYTES_MAX);
    enum err e = env_poller_new(c->env, &c->poller);
    if (e == OK) {
        e = try_bootstrap(c);
    }
    if (e != OK) {
        client_free(c);
        return e;
    }
    *out = c;
    return OK;
}

void client_free(struct client *c)
{
    if (c == NULL) {
        return;
    }
    for (int i = 0; i < c->connection_count; i++) {
        disconnect(c, &c->connections[i]);
    }
    if (c->poller != NULL) {
        env_poller_free(c->env, c->poller);
    }
    buf_deinit(&c->frame);
    mem_free(c);
}
