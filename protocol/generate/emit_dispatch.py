"""Writes the table of served APIs: one row per handler file, so an API is advertised if and only if it is there."""
import glob
import os

from emit_messages import HEAD
from schema import Mistake


def served(house, folder):
    """The APIs that have a file of their name in the handlers' folder."""
    by_name = {a.c_name: a for a in house.apis}
    names = sorted(os.path.basename(p).removesuffix(".c") for p in glob.glob(os.path.join(folder, "*.c")))
    strange = [n for n in names if n not in by_name]
    if strange:
        raise Mistake(f"handlers/{strange[0]}.c: no API has that name")
    return sorted((by_name[n] for n in names), key=lambda a: a.key)


def dispatch_h(apis):
    text = HEAD.format(source="") + '#pragma once\n\n#include "schema/apis.h"\n\nstruct request;\n\n'
    text += (
        "/* What is served: the API, the sizes of its structs, and its handler without types. */\n"
        "struct dispatch_row {\n    const struct api_info *api;\n"
        "    uint32_t request_bytes, response_bytes; /* of the C structs; message_init() sets their defaults */\n"
        "    void (*handle)(struct request *rq, const void *in, void *out);\n};\n\n"
        f"enum {{ DISPATCH_COUNT = {len(apis)} }};\n\n/* Sorted by key. */\n"
        "extern const struct dispatch_row dispatch_rows[];\n\n"
        "/* The row of that API, or NULL when it is not served. */\n"
        "const struct dispatch_row *dispatch_find(int16_t api_key);\n\n")
    for a in apis:
        text += (f"struct {a.c_name}_request;\nstruct {a.c_name}_response;\n"
                 f"void handle_{a.c_name}(struct request *rq, const struct {a.c_name}_request *in,\n"
                 f"    struct {a.c_name}_response *out);\n\n")
    return text


def dispatch_c(house, apis):
    text = HEAD.format(source="") + '#include "schema/dispatch.h"\n\n'
    text += "".join(f'#include "schema/{a.c_name}.h"\n' for a in apis) + "\n"
    for a in apis:
        text += (f"static void run_{a.c_name}(struct request *rq, const void *in, void *out)\n{{\n"
                 f"    handle_{a.c_name}(rq, in, out);\n}}\n\n")
    place = {a.key: i for i, a in enumerate(house.apis)}
    text += "const struct dispatch_row dispatch_rows[] = {\n"
    for a in apis:
        text += (f"    {{&apis[{place[a.key]}], sizeof(struct {a.c_name}_request), "
                 f"sizeof(struct {a.c_name}_response), run_{a.c_name}}},\n")
    text += "    {NULL, 0, 0, NULL},\n};\n\n"
    keys = (apis[-1].key + 1) if apis else 0
    rows = "".join(f"    [API_{a.c_name.upper()}] = {i + 1},\n" for i, a in enumerate(apis)) or "    0,\n"
    text += f"/* Place in dispatch_rows by key, plus 1. */\nstatic const uint8_t places[] = {{\n{rows}}};\n\n"
    return text + (
        "const struct dispatch_row *dispatch_find(int16_t api_key)\n{\n"
        f"    if (api_key < 0 || api_key >= {keys} || places[api_key] == 0) {{\n        return NULL;\n    }}\n"
        "    return &dispatch_rows[places[api_key] - 1];\n}\n")


def files(house, folder):
    apis = served(house, folder)
    return {"schema/dispatch.h": dispatch_h(apis), "dispatch.c": dispatch_c(house, apis)}


def table(house, folder):
    text = "| key | API | versions | |\n| ---: | --- | --- | --- |\n"
    for a in served(house, folder):
        text += f"| {a.key} | {a.name} | {a.advertise_from}-{a.last_stable} | {a.about} |\n"
    return text
