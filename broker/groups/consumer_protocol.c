/* broker/groups/consumer_protocol.c: a version in front of a message, and how to be kind to newer ones.
 *
 * WHY      Members of one group may be of different age. The rule of the protocol is that a later version is the
 *          earlier one with more behind it, so whoever knows less reads what it knows and lets the rest be.
 * FORMAT   int16 version, then ConsumerProtocolSubscription or ConsumerProtocolAssignment of that version. Nothing
 *          says where it ends; bytes behind what we know are passed over.
 */
#include "broker/groups/consumer_protocol.h"

enum { VERSION_BYTES = 2 };

int16_t consumer_protocol_version(struct bytes from)
{
    return from.len < VERSION_BYTES ? -1 : (int16_t)wire_load_u16(from.at);
}

static enum err take(struct arena *a, struct bytes from, const struct message_info *m, void *out)
{
    int16_t version = consumer_protocol_version(from);

    if (version < m->first) {
        return fail(ERR_MALFORMED, "%s of version %d", m->name, version);
    }
    struct wire_reader r = wire_reader_of(bytes_slice(from, VERSION_BYTES, from.len));
    return message_read(&r, a, m, MIN(version, m->last), out);
}

enum err consumer_protocol_take_subscription(struct arena *a, struct bytes from,
                                             struct consumer_protocol_subscription *out)
{
    return take(a, from, &consumer_protocol_subscription_message, out);
}

enum err consumer_protocol_take_assignment(struct arena *a, struct bytes from,
                                           struct consumer_protocol_assignment *out)
{
    return take(a, from, &consumer_protocol_assignment_message, out);
}

struct bytes consumer_protocol_put_assignment(struct arena *a, int16_t version,
                                              const struct consumer_protocol_assignment *in)
{
    const struct message_info *m = &consumer_protocol_assignment_message;

    version = MAX(MIN(version, m->last), m->first);
    size_t len = VERSION_BYTES + message_size(m, version, in);
    uint8_t *at = ARENA_ARRAY(a, uint8_t, len);
    if (!at) {
        return BYTES_NULL;
    }
    struct wire_writer w = wire_writer_of(at, len);
    wire_put_u16(&w, (uint16_t)version);
    message_write(&w, m, version, in);
    return (struct bytes){at, len};
}
