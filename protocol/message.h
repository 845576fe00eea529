/* protocol/message.h: from bytes to structs and back, for every message of the protocol.
 *
 * The files in protocol/schema say what a message is made of; protocol/generate.py makes of it, in the build
 * folder, one header per schema file ("schema/produce.h": structs, constructors, typed wrappers of the calls
 * below) and constant tables that describe the structs to the one codec in message.c.
 *
 * STRUCTS  A struct holds the fields of all versions. Strings, bytes and records are views into what was read:
 *          they live as long as those bytes do. An array is { at, len }, len -1 is null. A struct that may be
 *          null is a pointer. A field that the version lacks has the schema's default after a read.
 * WRITING  A field at its default is never a problem; another value in a version without the field is dropped
 *          if the schema says `ignorable`, and a bug of ours otherwise. A null string in a version that knows no
 *          null is written empty.
 * MEMORY   A read allocates arrays and nullable structs in the arena: at most DECODE_FACTOR times the bytes it
 *          was given plus ARENA_SLACK_BYTES, whatever these say. ERR_NOMEM when the arena has less.
 * THREADS  No state anywhere.
 */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/uuid.h"
#include "protocol/wire.h"

enum field_kind {
    FIELD_BOOL,
    FIELD_INT8,
    FIELD_INT16,
    FIELD_UINT16,
    FIELD_INT32,
    FIELD_UINT32,
    FIELD_INT64,
    FIELD_FLOAT64,
    FIELD_UUID,
    FIELD_ERROR,   /* int16 on the wire, enum kafka_error in the struct */
    FIELD_STRING,  /* struct bytes */
    FIELD_BYTES,   /* struct bytes */
    FIELD_RECORDS, /* struct bytes: record batches, never looked into here */
    FIELD_STRUCT,
};

enum field_flag {
    FIELD_ARRAY = 1 << 0,
    FIELD_POINTER = 1 << 1,    /* a struct that may be null */
    FIELD_IGNORABLE = 1 << 2,  /* a value that the version cannot carry is dropped */
    FIELD_INFLEXIBLE = 1 << 3, /* keeps the old form of its length in flexible versions */
};

enum { FIELD_NOT_TAGGED = -1 };

struct struct_info;

struct field_info {
    const char *name;             /* as Kafka's JSON has it: transactionalId */
    const struct struct_info *of; /* FIELD_STRUCT only */
    uint32_t offset;              /* in the C struct */
    uint8_t kind;                 /* enum field_kind */
    uint8_t flags;                /* enum field_flag */
    int16_t first, last;          /* versions that have it */
    int16_t null_first,
        null_last; /* versions in which it may be null; none: null_first > null_last */
    int32_t tag;   /* or FIELD_NOT_TAGGED */
};

struct struct_info {
    const char *name; /* of the C struct */
    const struct field_info
        *fields;        /* those without a tag in their order, then those with one by tag */
    const void *normal; /* a C struct with every field at its default */
    uint32_t bytes;     /* of the C struct */
    uint16_t field_count, tagged_count;
    uint16_t wire_bytes_min; /* no version takes fewer bytes */
    int32_t unknown_offset;  /* of `struct message_tag *unknown_tags`; -1: no version is flexible */
};

enum message_kind {
    MESSAGE_REQUEST,
    MESSAGE_RESPONSE,
    MESSAGE_HEADER,
    MESSAGE_COORDINATOR_KEY,
    MESSAGE_COORDINATOR_VALUE,
    MESSAGE_METADATA,
    MESSAGE_DATA,
};

enum { MESSAGE_NEVER_FLEXIBLE = INT16_MAX };

/* How deep structs stand in structs, at most; message.c goes that deep and no deeper. */
enum { MESSAGE_DEPTH_MAX = 8 };

struct message_info {
    const char *name; /* ProduceRequest */
    enum message_kind kind;
    int16_t key; /* API or record key, -1: none */
    int16_t first, last, flexible_from;
    const struct struct_info *body;
};

enum api_listener { API_ON_BROKER = 1, API_ON_CONTROLLER = 2 };

/* One API, whether or not this program serves it. */
struct api_info {
    const char *name; /* Produce */
    int16_t key;
    int16_t first, last;    /* versions; last includes unstable ones */
    int16_t last_stable;    /* what is advertised ends here */
    int16_t advertise_from; /* and begins here, which may be below `first` */
    int16_t flexible_from;
    bool response_header_zero; /* answers keep header 0 in flexible versions */
    uint8_t listeners;         /* enum api_listener */
    const struct message_info *request, *response;
};

/* A tagged field that no schema of ours knows, kept by message_read_all(). */
struct message_tag {
    struct message_tag *next;
    uint32_t tag;
    struct bytes data;
};

/* Any array of a message, seen without its type. */
struct message_array {
    void *at;
    int32_t len;
};

/* Declares an array of plain values and its constructor, which gives length 0 when the arena is exhausted. */
#define MESSAGE_ARRAY(name, type)                                          \
    struct name {                                                          \
        type *at;                                                          \
        int32_t len;                                                       \
    };                                                                     \
    static inline struct name name##_new(struct arena *a, int32_t len)     \
    {                                                                      \
        struct message_array m = message_values_new(a, sizeof(type), len); \
        return (struct name){m.at, m.len};                                 \
    }

struct message_array message_values_new(struct arena *a, size_t bytes, int32_t len);

MESSAGE_ARRAY(int8_array, int8_t)
MESSAGE_ARRAY(int16_array, int16_t)
MESSAGE_ARRAY(int32_array, int32_t)
MESSAGE_ARRAY(int64_array, int64_t)
MESSAGE_ARRAY(uuid_array, struct uuid)
MESSAGE_ARRAY(string_array, struct bytes)

/* `len` structs with every field at its default; length 0 when the arena is exhausted. */
struct message_array message_structs_new(struct arena *a, const struct struct_info *s, int32_t len);

/* Every field at its default. */
static inline void message_init(const struct message_info *m, void *out)
{
    memcpy(out, m->body->normal, m->body->bytes);
}

/* Reads one message and leaves the reader behind it; what follows is the caller's to judge. Unknown tagged
 * fields are skipped. ERR_UNSUPPORTED: no such version. ERR_MALFORMED, ERR_LIMIT: the bytes are at fault.
 * ERR_NOMEM: the arena is exhausted. After an error `out` is half-filled and of no use. */
enum err message_read(struct wire_reader *r, struct arena *a, const struct message_info *m,
                      int16_t version, void *out);
/* The same, and keeps unknown tagged fields, so that writing gives the same bytes again. */
enum err message_read_all(struct wire_reader *r, struct arena *a, const struct message_info *m,
                          int16_t version, void *out);

/* The bytes that message_write will write. The version must be one of the message's. */
size_t message_size(const struct message_info *m, int16_t version, const void *in);
void message_write(struct wire_writer *w, const struct message_info *m, int16_t version,
                   const void *in);
/* Both, in the arena; BYTES_NULL when it is exhausted. */
struct bytes message_bytes(struct arena *a, const struct message_info *m, int16_t version,
                           const void *in);

/* A place in a written message where `records` of that many bytes belong. */
struct message_gap {
    size_t position; /* in what message_write_gaps wrote */
    struct bytes records;
};

/* The same as message_write, but the content of `records` fields is left out (their lengths are written): a
 * reply sends them from where they are. gaps->at has an entry per records field that is not empty, in order;
 * gaps->at[i].records is the field as the struct has it. */
struct message_gaps {
    struct message_gap *at;
    int32_t len, max;
};

/* Size without the records, and how many gaps there will be. */
size_t message_size_gaps(const struct message_info *m, int16_t version, const void *in,
                         int32_t *gap_count);
void message_write_gaps(struct wire_writer *w, const struct message_info *m, int16_t version,
                        const void *in, struct message_gaps *gaps);

/* The message of that name ("ProduceRequest"), or NULL. */
const struct message_info *message_find(struct bytes name);
