"""Kafka's protocol in plain values, driven by protocol/schema: dicts, lists, ints, str, bytes, None.

    api = Api.load("metadata")
    with Peer("127.0.0.1:9092") as peer:
        answer = peer.ask(api, version, {"topics": None})     # None: the server has closed the connection

Fields that a request leaves out take their defaults. Errors are read by name.
"""
import json
import pathlib
import socket
import struct
import uuid

SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "protocol" / "schema"
ERRORS = {e["code"]: e["name"] for e in json.loads((SCHEMA / "errors.json").read_text())["errors"]}
PLAIN = {"bool": ">?", "int8": ">b", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "int64": ">q",
         "float64": ">d"}
ZERO = {"bool": False, "float64": 0.0, "string": "", "bytes": b"", "records": b"", "uuid": str(uuid.UUID(int=0)),
        "error": "NONE"}
ANSWER_S = 20
ACKS_NONE = 0


def inside(versions, version):
    """Is the version in "3+", "3-12", "0" or None, which is all?"""
    if versions is None:
        return True
    if versions == "none":
        return False
    first, _, last = versions.rstrip("+").partition("-")
    return int(first) <= version and (versions.endswith("+") or version <= int(last or first))


class Message:
    """One direction of an API: write() and read()."""

    def __init__(self, fields, structs, flexible):
        self.fields, self.structs, self.flexible = fields, dict(structs), flexible
        self.collect(fields)
        for shared in structs.values():
            self.collect(shared)

    def collect(self, fields):
        for field in fields:
            if "fields" in field:
                self.structs[field["type"].strip("[]?")] = field["fields"]
                self.collect(field["fields"])

    def write(self, value, version):
        return self.put_struct(self.fields, value, version)

    def read(self, data, version):
        reader = Reader(data)
        value = self.get_struct(self.fields, reader, version)
        if reader.at != len(data):
            raise ValueError(f"{len(data) - reader.at} bytes are left over")
        return value

    def nullable(self, field, version):
        return field["type"].endswith("?") or inside(field.get("nullable", "none"), version)

    def put_struct(self, fields, value, version):
        unknown = set(value) - {f["name"] for f in fields}
        if unknown:
            raise ValueError(f"there is no field {unknown}")
        out, tagged = b"", []
        for field in fields:
            if not inside(field.get("versions"), version):
                continue
            if "tag" in field:
                if field["name"] in value:
                    tagged.append((field["tag"], self.put(field, value[field["name"]], version, True)))
                continue
            out += self.put(field, value.get(field["name"], self.default(field)), version, False)
        if inside(self.flexible, version):
            out += varint(len(tagged))
            out += b"".join(varint(tag) + varint(len(data)) + data for tag, data in sorted(tagged))
        return out

    def default(self, field):
        base = field["type"].rstrip("?")
        if "default" in field:
            return field["default"]
        if base in self.structs:
            return {f["name"]: self.default(f) for f in self.structs[base]}
        return [] if base.startswith("[]") else ZERO.get(base, 0)

    def put(self, field, value, version, tagged):
        base, flexible = field["type"].rstrip("?"), inside(self.flexible, version)
        if base.startswith("[]"):
            head = length(None if value is None else len(value), 4, flexible)
            item = {"type": base[2:]}
            return head + b"".join(self.put(item, v, version, False) for v in value or [])
        if base in self.structs:
            mark = b""
            if self.nullable(field, version):
                mark = varint(int(value is not None)) if tagged else struct.pack(">b", -1 if value is None else 1)
            return mark if value is None else mark + self.put_struct(self.structs[base], value, version)
        if base in ("string", "bytes", "records"):
            data = value.encode() if isinstance(value, str) else value
            return length(None if data is None else len(data), 2 if base == "string" else 4, flexible) + (data or b"")
        if base == "uuid":
            return uuid.UUID(value).bytes
        return struct.pack(PLAIN[base], value)

    def get_struct(self, fields, reader, version):
        value = {}
        for field in fields:
            if inside(field.get("versions"), version):
                value[field["name"]] = self.default(field) if "tag" in field else self.get(field, reader, version, False)
        if inside(self.flexible, version):
            tags = {f["tag"]: f for f in fields if "tag" in f and inside(f.get("versions"), version)}
            for _ in range(reader.varint()):
                tag, data = reader.varint(), Reader(reader.take(reader.varint()))
                if tag in tags:
                    value[tags[tag]["name"]] = self.get(tags[tag], data, version, True)
        return value

    def get(self, field, reader, version, tagged):
        base, flexible = field["type"].rstrip("?"), inside(self.flexible, version)
        if base.startswith("[]"):
            count, item = reader.length(4, flexible), {"type": base[2:]}
            return None if count is None else [self.get(item, reader, version, False) for _ in range(count)]
        if base in self.structs:
            if self.nullable(field, version) and (reader.varint() == 0 if tagged else reader.plain(">b") < 0):
                return None
            return self.get_struct(self.structs[base], reader, version)
        if base in ("string", "bytes", "records"):
            count = reader.length(2 if base == "string" else 4, flexible)
            data = None if count is None else reader.take(count)
            return data.decode() if base == "string" and data is not None else data
        if base == "uuid":
            return str(uuid.UUID(bytes=reader.take(16)))
        if base == "error":
            return ERRORS[reader.plain(">h")]
        return reader.plain(PLAIN[base])


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if count < 0 or self.at + count > len(self.data):
            raise ValueError(f"{count} bytes wanted, {len(self.data) - self.at} are there")
        self.at += count
        return self.data[self.at - count:self.at]

    def plain(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def length(self, size, flexible):
        count = self.varint() - 1 if flexible else self.plain(">h" if size == 2 else ">i")
        return None if count < 0 else count


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def length(count, size, flexible):
    count = -1 if count is None else count
    return varint(count + 1) if flexible else struct.pack(">h" if size == 2 else ">i", count)


class Api:
    def __init__(self, raw):
        self.name, self.key, self.flexible = raw["api"], raw["key"], raw["flexible"]
        self.response_header = raw.get("response_header")
        self.request = Message(raw["request"], raw.get("request_structs", {}), raw["flexible"])
        self.response = Message(raw["response"], raw.get("response_structs", {}), raw["flexible"])

    @classmethod
    def load(cls, name):
        return cls(json.loads((SCHEMA / f"{name}.json").read_text()))


class Peer:
    """A connection that asks one thing after the other."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), ANSWER_S)
        self.correlation = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def ask(self, api, version, value):
        return self.ask_bytes(api, version, api.request.write(value, version), value.get("acks") != ACKS_NONE)

    def ask_bytes(self, api, version, body, answered=True):
        sent = self.send_bytes(api, version, body)
        if not answered:
            return {}
        return self.receive(api, version) if sent else None

    def send_bytes(self, api, version, body):
        """Did it leave? Answers come in the order of what was sent; receive() takes the next one."""
        self.correlation += 1
        flexible = inside(api.flexible, version)
        head = struct.pack(">hhih", api.key, version, self.correlation, 6) + b"oracle" + (b"\0" if flexible else b"")
        try:
            self.socket.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
        except ConnectionError:
            return False
        return True

    def receive(self, api, version):
        try:
            data = self.take(struct.unpack(">i", self.take(4))[0])
        except (ConnectionError, EOFError):
            return None
        header = 5 if inside(api.flexible, version) and api.response_header != 0 else 4
        if struct.unpack(">i", data[:4])[0] != self.correlation:
            raise ValueError("an answer to something else")
        return api.response.read(data[header:], version)

    def take(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data
