#!/usr/bin/env python3
"""tests/door/schema_test.py: a mistake in a schema ends the build, and the same schemas give the same bytes."""
import copy
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCHEMAS = os.path.join(ROOT, "protocol", "schema")
with open(os.path.join(SCHEMAS, "errors.json"), encoding="utf-8") as errors_file:
    ERRORS = json.load(errors_file)
RIGHT = {"api": "Ping", "key": 1, "versions": "0-2", "flexible": "1+", "listeners": ["broker"],
         "request": [{"name": "text", "type": "string"},
                     {"name": "parts", "type": "[]part", "fields": [{"name": "size", "type": "int8"}]},
                     {"name": "late", "type": "int32", "versions": "1+", "tag": 0}],
         "response": [{"name": "error_code", "type": "error"}]}


def generate(house, out, what="messages", handlers=None):
    """`house`: file name -> content."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in house.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                json.dump(content, f)
        command = [sys.executable, os.path.join(ROOT, "protocol", "generate.py"), what, "--schema", folder, "--out", out]
        command += ["--handlers", handlers] if handlers else []
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stderr


def change(path, value):
    """RIGHT with one place changed: a path of keys, and what to put there (None: take it away)."""
    schema = copy.deepcopy(RIGHT)
    at = schema
    for key in path[:-1]:
        at = at[key]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return schema


MISTAKES = [  # what is changed, what must be said
    (["request", 0, "typ"], "string", "text: unknown key"),
    (["colour"], "blue", "unknown key"),
    (["request", 1, "name"], "text", "used twice"),
    (["request", 2, "versions"], "0+", "late: tagged in a version that is not flexible"),
    (["request", 2, "versions"], "5+", "late: in no version"),
    (["request", 2, "default"], 1 << 31, "late: the default does not fit"),
    (["request", 1, "fields"], None, "part must be described once"),
    (["request", 0, "type"], "[]double", "double must be described once"),
    (["request", 0, "type"], "[]bytes", "no array of bytes"),
    (["request_structs"], {"unused": [{"name": "size", "type": "int8"}]}, "struct unused is used nowhere"),
    (["api"], "Pong", "must be called pong.json"),
]


def mistakes_are_refused(out):
    good = True
    for path, value, said in MISTAKES:
        code, text = generate({"ping.json": change(path, value), "errors.json": ERRORS}, out)
        if code == 0 or said not in text:
            print(f"{path} = {value}: wanted '{said}', got {code}: {text}")
            good = False
    null = copy.deepcopy(RIGHT)
    null["request"][0]["default"] = None
    code, text = generate({"ping.json": null, "errors.json": ERRORS}, out)
    if code == 0 or "null by default, but never null" not in text:
        print(f"a null default was taken: {text}")
        good = False
    return good


def a_right_schema_is_taken(out):
    code, text = generate({"ping.json": RIGHT, "errors.json": ERRORS}, out)
    if code != 0:
        print(text)
        return False
    with open(os.path.join(out, "schema", "ping.h"), encoding="utf-8") as f:
        header = f.read()
    wanted = [r"struct ping_request_part \{", r"ping_request_parts_new\(struct arena \*a, int32_t len\)",
              r"ping_response_bytes\("]
    missing = [w for w in wanted if not re.search(w, header)]
    print("".join(f"ping.h lacks {w}\n" for w in missing), end="")
    return not missing


def two_apis_of_one_key_are_refused(out):
    other = dict(copy.deepcopy(RIGHT), api="Pong")
    code, text = generate({"ping.json": RIGHT, "pong.json": other, "errors.json": ERRORS}, out)
    return code != 0 and "the same key" in text


def a_handler_without_an_api_is_refused(out):
    with tempfile.TemporaryDirectory() as handlers:
        open(os.path.join(handlers, "pong.c"), "w", encoding="utf-8").close()
        code, text = generate({"ping.json": RIGHT, "errors.json": ERRORS}, out, "dispatch", handlers)
    return code != 0 and "pong.c: no API has that name" in text


def all_files(folder):
    out = {}
    for at, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(at, name), "rb") as f:
                out[os.path.relpath(os.path.join(at, name), folder)] = f.read()
    return out


def the_same_schemas_give_the_same_bytes(out):
    results = []
    for _ in range(2):
        shutil.rmtree(out, ignore_errors=True)
        subprocess.run([sys.executable, os.path.join(ROOT, "protocol", "generate.py"), "messages", "--schema", SCHEMAS,
                        "--out", out], check=True)
        results.append(all_files(out))
    return results[0] == results[1] and len(results[0]) > 100


def main():
    passed = failed = 0
    for test in (a_right_schema_is_taken, mistakes_are_refused, two_apis_of_one_key_are_refused,
                 a_handler_without_an_api_is_refused, the_same_schemas_give_the_same_bytes):
        with tempfile.TemporaryDirectory() as out:
            if test(os.path.join(out, "made")):
                passed += 1
            else:
                print(f"FAILED {test.__name__}")
                failed += 1
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
