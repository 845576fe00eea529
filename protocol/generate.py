#!/usr/bin/env python3
"""Turns protocol/schema/*.json into C; the vocabulary is explained in protocol/schema/README.md.

    generate.py messages --schema DIR --out DIR                  schema/<file>.h, messages.c, apis.c, errors.c
    generate.py dispatch --schema DIR --handlers DIR --out DIR   schema/dispatch.h, dispatch.c
    generate.py table    --schema DIR --handlers DIR             the served APIs as a markdown table

The same input gives the same bytes. A file is rewritten only when its text changes, so that nothing
is compiled again without need. A mistake in a schema ends the build with the file and the field.
"""
import argparse
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "generate"))
import emit_dispatch  # noqa: E402
import emit_messages  # noqa: E402
import schema  # noqa: E402


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            if f.read() == text:
                return
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("messages", "dispatch", "table"))
    parser.add_argument("--schema", required=True)
    parser.add_argument("--handlers")
    parser.add_argument("--out")
    args = parser.parse_args()

    try:
        house = schema.load(args.schema)
        if args.what == "messages":
            files = emit_messages.files(house)
        elif args.what == "dispatch":
            files = emit_dispatch.files(house, args.handlers)
        else:
            print(emit_dispatch.table(house, args.handlers), end="")
            files = {}
    except schema.Mistake as mistake:
        sys.exit(f"generate.py: {mistake}")
    for name, text in sorted(files.items()):
        write(os.path.join(args.out, name), text)


if __name__ == "__main__":
    main()
