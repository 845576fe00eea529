"""Record batches, good and bad: every header field can be given, the checksum is right unless it is."""
import struct

MAGIC, HEADER_BYTES, CRC_AT, CRC_FROM = 2, 61, 17, 21
POLYNOMIAL = 0x82F63B78  # CRC-32C, reflected


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def zigzag(value):
    value = value << 1 ^ value >> 63
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def record(offset_delta=0, key=b"k", value=b"v", timestamp_delta=0, headers=()):
    body = b"\0" + zigzag(timestamp_delta) + zigzag(offset_delta)
    for part in (key, value):
        body += zigzag(-1) if part is None else zigzag(len(part)) + part
    body += zigzag(len(headers)) + b"".join(zigzag(len(k)) + k + zigzag(len(v)) + v for k, v in headers)
    return zigzag(len(body)) + body


def batch(count=1, records=None, crc=None, **field):
    """field: base_offset length epoch magic attributes last_delta first_time max_time producer_id producer_epoch
    sequence record_count"""
    records = b"".join(record(i) for i in range(count)) if records is None else records
    time = field.get("first_time", 1_000_000)
    behind = struct.pack(">hiqqqhii", field.get("attributes", 0), field.get("last_delta", count - 1), time,
                         field.get("max_time", time), field.get("producer_id", -1), field.get("producer_epoch", -1),
                         field.get("sequence", -1), field.get("record_count", count)) + records
    head = struct.pack(">qiibI", field.get("base_offset", 0), field.get("length", len(behind) + 9),
                       field.get("epoch", -1), field.get("magic", MAGIC), crc32c(behind) if crc is None else crc)
    return head + behind


def base_offsets(data):
    """[(base offset, last offset)] of the whole batches in what a fetch brought."""
    found, at = [], 0
    while at + HEADER_BYTES <= len(data):
        base, size = struct.unpack_from(">qi", data, at)
        if at + 12 + size > len(data):
            break
        found.append((base, base + struct.unpack_from(">i", data, at + 23)[0]))
        at += 12 + size
    return found


def records(data):
    """[(offset, key, value)] of the whole batches in what a fetch brought; not of compressed or control batches."""
    found, at = [], 0
    while at + HEADER_BYTES <= len(data):
        base, size = struct.unpack_from(">qi", data, at)
        if at + 12 + size > len(data):
            break
        attributes, count = struct.unpack_from(">h", data, at + 21)[0], struct.unpack_from(">i", data, at + 57)[0]
        if attributes & 7:
            raise ValueError("a compressed batch")
        place = at + HEADER_BYTES
        for _ in range(0 if attributes & 32 else count):
            size_of, place = unzigzag(data, place)
            found.append(one_record(data, place, base))
            place += size_of
        at += 12 + size
    return found


def one_record(data, at, base):
    _, at = unzigzag(data, at + 1)
    delta, at = unzigzag(data, at)
    parts = []
    for _ in range(2):
        count, at = unzigzag(data, at)
        parts.append(None if count < 0 else data[at:at + count])
        at += max(count, 0)
    return base + delta, *parts


def unzigzag(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value >> 1 ^ -(value & 1), at
