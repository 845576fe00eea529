"""Reads the schema files into Message, Struct and Field objects and checks that they make sense."""
import glob
import json
import os

# type -> (C type, enum field_kind, fewest bytes on the wire; None: a length comes first)
SCALARS = {
    "bool": ("bool", "FIELD_BOOL", 1),
    "int8": ("int8_t", "FIELD_INT8", 1),
    "int16": ("int16_t", "FIELD_INT16", 2),
    "uint16": ("uint16_t", "FIELD_UINT16", 2),
    "int32": ("int32_t", "FIELD_INT32", 4),
    "uint32": ("uint32_t", "FIELD_UINT32", 4),
    "int64": ("int64_t", "FIELD_INT64", 8),
    "float64": ("double", "FIELD_FLOAT64", 8),
    "uuid": ("struct uuid", "FIELD_UUID", 16),
    "error": ("enum kafka_error", "FIELD_ERROR", 2),
    "string": ("struct bytes", "FIELD_STRING", None),
    "bytes": ("struct bytes", "FIELD_BYTES", None),
    "records": ("struct bytes", "FIELD_RECORDS", None),
}
ARRAYS = {"int8", "int16", "int32", "int64", "uuid", "string"}
NUMBER_BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
KINDS = {"header", "coordinator-key", "coordinator-value", "metadata", "data"}
NEVER = 32767
DEPTH_MAX = 8

API_KEYS = {"api", "key", "versions", "flexible", "unstable", "advertise_from", "response_header",
            "listeners", "about", "request", "response", "request_structs", "response_structs"}
MESSAGE_KEYS = {"name", "kind", "key", "versions", "flexible", "about", "structs", "fields"}
FIELD_KEYS = {"name", "type", "versions", "nullable", "tag", "default", "ignorable", "flexible", "about",
              "fields"}


class Mistake(Exception):
    pass


def versions(text):
    """'3-9', '9+', '4' or 'none' -> (first, last); 'none' is an empty range."""
    if text == "none":
        return (NEVER, NEVER - 1)
    first, plus, last = text.partition("+") if text.endswith("+") else text.partition("-")
    if plus == "+":
        return (int(first), NEVER)
    return (int(first), int(last) if plus else int(first))


def narrow(outer, inner):
    return (max(outer[0], inner[0]), min(outer[1], inner[1]))


def snake(name):
    """CreateTopicsRequest -> create_topics_request, KRaftVersionRecord -> k_raft_version_record."""
    out = ""
    for i, c in enumerate(name):
        before = name[i - 1] if i else "_"
        after = name[i + 1] if i + 1 < len(name) else ""
        if c.isupper() and i and (not before.isupper() or after.islower()):
            out += "_"
        out += c.lower()
    return out


def camel(name):
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def plural(name):
    if name.endswith("y") and name[-2] not in "aeiou":
        return name[:-1] + "ies"
    return name + ("es" if name.endswith(("s", "x", "ch", "sh")) else "s")


class Field:
    """One field; `of` is its Struct when it is made of one."""

    def __init__(self, message, raw, within, where):
        self.where = f"{where}.{raw.get('name')}"
        unknown = set(raw) - FIELD_KEYS
        if unknown:
            raise Mistake(f"{self.where}: unknown key {sorted(unknown)}")
        self.name = raw["name"]
        self.about = raw.get("about")
        self.tag = raw.get("tag")
        self.ignorable = raw.get("ignorable", False)
        self.inflexible = raw.get("flexible") == "none"
        self.versions = narrow(within, versions(raw.get("versions", "0+")))
        kind = raw["type"]
        nullable = self.versions if kind.endswith("?") else versions(raw.get("nullable", "none"))
        self.nullable = narrow(self.versions, nullable)
        kind = kind.rstrip("?")
        self.array = kind.startswith("[]")
        self.type = kind.removeprefix("[]")
        self.of = None
        if self.type not in SCALARS:
            self.of = message.struct(self.type, raw.get("fields"), self.versions, self.where)
        self.default = raw.get("default", self.zero())
        self.check(message)

    def zero(self):
        return False if self.type == "bool" else 0 if self.type in NUMBER_BITS else ""

    def can_be_null(self):
        return self.nullable[0] <= self.nullable[1]

    def is_pointer(self):
        return self.of is not None and not self.array and self.can_be_null()

    def check(self, message):
        if self.versions[0] > self.versions[1]:
            raise Mistake(f"{self.where}: in no version")
        if self.array and self.of is None and self.type not in ARRAYS:
            raise Mistake(f"{self.where}: no array of {self.type} is known")
        if self.tag is not None and self.versions[0] < message.flexible:
            raise Mistake(f"{self.where}: tagged in a version that is not flexible")
        if self.default is None and not self.can_be_null():
            raise Mistake(f"{self.where}: null by default, but never null")
        bits = NUMBER_BITS.get(self.type)
        if bits and not self.array and not -(1 << bits - 1) <= self.default < 1 << bits - 1:
            raise Mistake(f"{self.where}: the default does not fit")

    def wire_min(self, version, flexible):
        """The fewest bytes it can take in that version."""
        inside = self.versions[0] <= version <= self.versions[1]
        if not inside or self.tag is not None:
            return 0
        null = self.nullable[0] <= version <= self.nullable[1]
        if self.array:
            return 1 if flexible else 4
        if self.of:
            return 1 if null else self.of.wire_min(version, flexible)
        fixed = SCALARS[self.type][2]
        if fixed is not None:
            return fixed
        return 1 if flexible and not self.inflexible else 2 if self.type == "string" else 4


class Struct:
    """One C struct: the body of a message or something inside it."""

    def __init__(self, c_name, element):
        self.c_name = c_name
        self.element = element  # singular, as the schema has it; None: a message's body
        self.fields = []
        self.versions = (NEVER, -1)  # of all that use it
        self.array = False           # some field is an array of it
        self.depth = 1

    def fill(self, message, raw_fields, within, where):
        self.fields = [Field(message, raw, within, where) for raw in raw_fields]
        names = [f.name for f in self.fields]
        tags = [f.tag for f in self.fields if f.tag is not None]
        if len(set(names)) < len(names):
            raise Mistake(f"{where}: a name is used twice")
        if len(set(tags)) < len(tags):
            raise Mistake(f"{where}: a tag is used twice")
        self.depth = 1 + max((f.of.depth for f in self.fields if f.of), default=0)
        if self.depth > DEPTH_MAX:
            raise Mistake(f"{where}: structs stand too deep in structs")

    def on_wire(self):
        """The fields in the order in which they are sent: those without a tag, then by tag."""
        return sorted(self.fields, key=lambda f: -1 if f.tag is None else f.tag)

    def wire_min(self, version, flexible):
        return sum(f.wire_min(version, flexible) for f in self.fields) + (1 if flexible else 0)

    def array_type(self):
        return self.c_name.removesuffix(self.element) + plural(self.element)


class Message:
    def __init__(self, name, kind, key, raw, where):
        self.name = name
        self.kind = kind
        self.key = key
        self.about = raw.get("about")
        self.versions = versions(raw["versions"])
        self.flexible = versions(raw["flexible"])[0]
        self.c_name = snake(name)
        self.common = dict(raw.get("structs", {}))
        self.by_element = {}
        self.structs = []  # inner ones first
        self.where = where
        self.body = Struct(self.c_name, None)
        self.body.versions = self.versions
        self.body.fill(self, raw["fields"], self.versions, f"{where}: {name}")
        self.structs.append(self.body)
        for unused in sorted(set(self.common) - set(self.by_element)):
            raise Mistake(f"{where}: {name}: struct {unused} is used nowhere")

    def struct(self, element, raw_fields, within, where):
        if raw_fields is None and element in self.by_element:
            known = self.by_element[element]
        else:
            if element in self.by_element or (raw_fields is None) != (element in self.common):
                raise Mistake(f"{where}: {element} must be described once")
            known = Struct(f"{self.c_name}_{element}", element)
            self.by_element[element] = known
            if raw_fields is None:
                known.fill(self, self.common[element], self.versions, where)
            else:
                known.fill(self, raw_fields, within, where)
            self.structs.append(known)
        known.versions = (min(known.versions[0], within[0]), max(known.versions[1], within[1]))
        return known

    def is_flexible(self, version):
        return version >= self.flexible

    def ever_flexible(self):
        return self.flexible <= self.versions[1]

    def wire_min(self, struct):
        """The fewest bytes that this struct takes in any version."""
        first, last = narrow(self.versions, struct.versions)
        return min(struct.wire_min(v, self.is_flexible(v)) for v in range(first, last + 1))


class Api:
    def __init__(self, raw, where):
        if set(raw) - API_KEYS:
            raise Mistake(f"{where}: unknown key {sorted(set(raw) - API_KEYS)}")
        self.name = raw["api"]
        self.key = raw["key"]
        self.about = raw.get("about", "")
        self.versions = versions(raw["versions"])
        self.flexible = versions(raw["flexible"])[0]
        self.last_stable = min(self.versions[1], versions(raw.get("unstable", "none"))[0] - 1)
        self.advertise_from = raw.get("advertise_from", self.versions[0])
        self.response_header_zero = raw.get("response_header") == 0
        self.listeners = raw["listeners"]
        self.c_name = snake(self.name)

        def message(direction):
            part = {"versions": raw["versions"], "flexible": raw["flexible"], "fields": raw[direction],
                    "structs": raw.get(direction + "_structs", {})}
            return Message(self.name + direction.capitalize(), direction, self.key, part, where)

        self.request, self.response = message("request"), message("response")


class SchemaFile:
    """One file: an API, or a family of records."""

    def __init__(self, path):
        self.base = os.path.basename(path).removesuffix(".json")
        with open(path, encoding="utf-8") as f:
            raw = json.load(f)
        self.about = raw.get("about", "")
        self.api = Api(raw, self.base + ".json") if "api" in raw else None
        if self.api:
            if self.api.c_name != self.base:
                raise Mistake(f"{self.base}.json holds {self.api.name}, so it must be called {self.api.c_name}.json")
            self.messages = [self.api.request, self.api.response]
        else:
            self.messages = [self.record(m) for m in raw["messages"]]

    def record(self, raw):
        where = f"{self.base}.json"
        if set(raw) - MESSAGE_KEYS or raw.get("kind") not in KINDS:
            raise Mistake(f"{where}: {raw.get('name')}: unknown key or kind")
        return Message(raw["name"], raw["kind"], raw.get("key", -1), raw, where)


class House:
    """All schema files, sorted, and the error codes."""

    def __init__(self, folder):
        paths = sorted(glob.glob(os.path.join(folder, "*.json")))
        with open(os.path.join(folder, "errors.json"), encoding="utf-8") as f:
            self.errors = json.load(f)["errors"]
        self.files = [SchemaFile(p) for p in paths if os.path.basename(p) != "errors.json"]
        self.messages = [m for f in self.files for m in f.messages]
        self.apis = sorted((f.api for f in self.files if f.api), key=lambda a: a.key)
        self.check()

    def check(self):
        codes = [e["code"] for e in self.errors]
        if codes != list(range(-1, len(codes) - 1)):
            raise Mistake("errors.json: the codes must be -1, 0, 1, 2 and so on")
        names = {}
        for m in self.messages:
            for s in m.structs:
                for name in {s.c_name} | ({s.array_type()} if s.element else set()):
                    if name in names:
                        raise Mistake(f"{m.where}: {name} is also in {names[name]}")
                    names[name] = m.where
        keys = [a.key for a in self.apis]
        if len(set(keys)) < len(keys):
            raise Mistake("two APIs have the same key")


def load(folder):
    return House(folder)
