#!/usr/bin/env python3
"""tests/door/readme_test.py: what README.md says about the tree is so.

The table of APIs is what the schemas and handlers give, the map names every folder and no other, and the commands
it shows are verbs of tools/dev.
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
README = open(os.path.join(ROOT, "README.md"), encoding="utf-8").read()


def output_of(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout


def the_api_table_is_what_the_tree_gives():
    found = re.search(r"^<!-- apis -->\n(.*?)^<!-- end of apis -->$", README, re.M | re.S)
    wanted = output_of("tools/dev", "apis")
    if found and found.group(1).strip() == wanted.strip():
        return True
    print("README.md: the table of APIs is not what the tree gives: tools/dev apis --write")
    return False


def the_map_names_every_folder():
    named = set(re.findall(r"^    (\w+)/ ", README, re.M))
    there = {path.split("/")[0] for path in output_of("git", "ls-files").split("\n") if "/" in path}
    there = {folder for folder in there if not folder.startswith(".")}
    if named == there:
        return True
    print(f"README.md: the map names {sorted(named - there)} that are not there, and not {sorted(there - named)}")
    return False


def every_command_is_a_verb():
    verbs = set(re.findall(r"^  (\w+)", output_of("tools/dev", "--help"), re.M))
    unknown = {verb for verb in re.findall(r"tools/dev (\w+)", README) if verb not in verbs}
    if not unknown and {"run", "test"} <= set(re.findall(r"^    tools/dev (\w+)", README, re.M)):
        return True
    print(f"README.md: no such verbs: {sorted(unknown)}; and it shows tools/dev run and tools/dev test")
    return False


def links_lead_somewhere():
    dead = [path for path in re.findall(r"\]\(([^)#:]+)\)", README) if not os.path.exists(os.path.join(ROOT, path))]
    if dead:
        print(f"README.md: links to {dead}, which are not there")
    return not dead


results = [the_api_table_is_what_the_tree_gives(), the_map_names_every_folder(), every_command_is_a_verb(),
           links_lead_somewhere()]
print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
sys.exit(0 if all(results) else 1)
