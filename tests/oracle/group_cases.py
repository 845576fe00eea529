"""All cases of compare_groups.py, in parts."""
import group_classic
import group_consumer
import group_kinds
import group_leave
import group_lists
import group_moves
import group_offsets
import group_random
import group_restart
import group_static

TOPICS = {"one": 1, "three": 3, "four": 4, "six": 6}
PARTS = (group_classic, group_leave, group_static, group_offsets, group_lists, group_consumer, group_moves, group_kinds,
         group_random, group_restart)


def all_cases():
    """Yields (name, function of a World)."""
    for part in PARTS:
        yield from part.cases()
