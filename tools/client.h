/* tools/client.h: our own small Kafka client, for the command line. One thread, one request at a time, over
 * the same codec as the broker, so that both ends of it are exercised by every use.
 *
 * It connects to the first bootstrap address that answers, asks for the versions of its APIs, and speaks to each
 * broker by a connection of its own. Errors come back as they are; client_retry() is how callers try again what
 * passes (a leader that moves, a broker that starts anew).
 */
#pragma once

#include "base/arena.h"
#include "base/env.h"
#include "schema/apis.h"
#include "schema/errors.h"
#include "schema/metadata.h"

struct client;

struct client_options {
    struct env *env;
    struct bytes bootstrap; /* "host:port,host:port"; a missing port is 9092 */
    struct bytes client_id;
    int64_t timeout_ms;       /* for a whole call */
    bool (*is_stopped)(void); /* asked while waiting: true ends the wait; NULL: never */
};

enum { CLIENT_ANY_BROKER = -1, CLIENT_RESPONSE_BYTES_MAX = 128 << 20 };

/* Connects. ERR_CLOSED: nobody answers at any address; the crumb says which were tried. */
enum err client_new(const struct client_options *options, struct client **out);
void client_free(struct client *c);

/* Wakes a client that waits, so that it asks is_stopped. */
struct env_poller *client_poller(struct client *c);
int64_t client_timeout_ms(const struct client *c);

/* For doing again what failed in passing: zero it at the beginning and after each success. */
struct client_retry {
    uint64_t deadline_us; /* of the first failure, and the time-out */
    int count;
};

/* Waits a little, longer each time. False: the time-out is over, or it was told to stop. */
bool client_retry(struct client *c, struct client_retry *r);

struct client_call {
    int32_t broker;      /* CLIENT_ANY_BROKER, or a broker id of client_metadata() */
    int16_t api;         /* enum api_key */
    int16_t version_max; /* 0: the newest both sides know */
    const void *request;
    void *response;   /* strings point into the arena */
    int16_t version;  /* out: what was spoken; fill fields by it only through `ignorable` rules */
    bool no_response; /* Produce with acks=0 */
};

/* Sends and waits. ERR_CLOSED: the connection broke or timed out (it is made anew at the next call);
 * ERR_UNSUPPORTED: the broker does not know the API or no version of it fits; ERR_MALFORMED. */
enum err client_do(struct client *c, struct client_call *call, struct arena *arena);
/* The version that client_do() would speak, -1: none. For requests that look different by version. */
int16_t client_version(struct client *c, int32_t broker, int16_t api);

/* Asks for topics (names NULL: all), never creating any, and remembers brokers and leaders. */
enum err client_metadata(struct client *c, struct arena *arena, const struct bytes *names,
                         int32_t name_count, struct metadata_response *out);
/* The leader of a partition by the newest metadata, CLIENT_ANY_BROKER when it is not known. */
int32_t client_leader(const struct metadata_response *m, struct bytes topic, int32_t partition);

/* "orders: UNKNOWN_TOPIC_OR_PARTITION (3): no such topic" for people; `error` is not NONE. */
struct bytes client_error_text(struct arena *arena, struct bytes what, enum kafka_error error,
                               struct bytes message);
