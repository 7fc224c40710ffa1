"""Which rows of several scores are of the same video: by their content, else by their ids."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence

from kinesics.errors import UserError
from kinesics.values import Scores

Key = tuple[str, str]
SHOWN = 5


def row_keys(runs: Sequence[Scores]) -> list[list[Key]]:
    """A key for each row of each run: rows of the same video have the same key, and no run has a key twice.

    That is the digest where all runs have digests, so that a video may lie in another folder; else the id. Where a run
    has a digest several times, its rows are matched by their ids, or counted in the order of the ids where the runs
    have other ids.
    """
    if not all(scores.digests for scores in runs):
        return [[("", name) for name in scores.ids] for scores in runs]
    tables = [ids_by_digest(scores) for scores in runs]
    keys = []
    for scores, table in zip(runs, tables, strict=True):
        own = []
        for name, digest in zip(scores.ids, scores.digests, strict=True):
            found = [other[digest] for other in tables if digest in other]
            largest = max(found, key=len)
            if len(largest) == 1:
                own.append((digest, ""))
            elif all(set(ids) <= set(largest) for ids in found):
                own.append((digest, name))
            else:
                own.append((digest, str(table[digest].index(name))))
        keys.append(own)
    return keys


def ids_by_digest(scores: Scores) -> Mapping[str, list[str]]:
    """The sorted ids of each digest."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, digest in sorted(zip(scores.ids, scores.digests, strict=True)):
        found[digest].append(name)
    return dict(found)


def rows_like(first: Scores, other: Scores, name: str, other_name: str) -> list[int]:
    """Where the videos of `first` are in `other`, as row numbers. name, other_name: of the two, for messages.

    Raises:
        UserError: the two are of other classes, videos or labels.
    """
    if first.classes != other.classes or first.multi_label != other.multi_label:
        raise UserError(
            f"{other_name}: its classes are {', '.join(other.classes)}; those of {name} are {', '.join(first.classes)}"
        )
    keys, other_keys = row_keys([first, other])
    place = {key: row for row, key in enumerate(other_keys)}
    known = set(keys)
    lacks = [video for video, key in zip(first.ids, keys, strict=True) if key not in place]
    more = [video for video, key in zip(other.ids, other_keys, strict=True) if key not in known]
    if lacks or more:
        said = [f"{what} {shown(ids)}" for what, ids in (("it lacks", lacks), ("it also has", more)) if ids]
        if alike := sorted(set(lacks) & set(more)):
            said.append(f"the content of {shown(alike)} is not the same in both (their digests differ)")
        raise UserError(f"{other_name}: scores of other videos than {name}'s: {'; '.join(said)}")
    rows = [place[key] for key in keys]
    changed = [
        i for i, same in zip(first.ids, (other.targets[rows] == first.targets).all(axis=1), strict=True) if not same
    ]
    if changed:
        raise UserError(f"{other_name}: other labels than in {name} for {shown(changed)}")
    return rows


def common_clips(runs: Mapping[str, Scores]) -> tuple[dict[str, Scores], int]:
    """The runs' scores of the clips that all of them have, and how many clips were left out.

    The rows are in the order of the first run, with its ids.

    Raises:
        UserError: no video is in all of them.
    """
    all_keys = row_keys(list(runs.values()))
    shared = set.intersection(*map(set, all_keys))
    if not shared:
        raise UserError(f"no clip was scored by all of {', '.join(runs)}")
    order = [key for key in all_keys[0] if key in shared]
    ids = tuple(name for name, key in zip(next(iter(runs.values())).ids, all_keys[0], strict=True) if key in shared)
    picked = {}
    for (run, scores), keys in zip(runs.items(), all_keys, strict=True):
        place = {key: row for row, key in enumerate(keys)}
        picked[run] = dataclasses.replace(scores.take([place[key] for key in order]), ids=ids)
    return picked, len(set().union(*all_keys)) - len(shared)


def shown(ids: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return f"{', '.join(ids[:SHOWN])}{more}"
