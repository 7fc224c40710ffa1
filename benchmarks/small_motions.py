"""TSN, TSM and the systems of the five papers on small motions of puppets, with the same budget: docs/results.md.

    python benchmarks/small_motions.py OUT [--seeds 3] [--systems tsn tsm …]

Draws the puppets, extracts their flow, trains and tests each system with each seed (what OUT holds is kept), and
writes OUT/table.md. All see four time steps of the same clips, from the same ImageNet weights, for the same number of
epochs; the seed decides the order of clips, their crops and the classifier's start, not the clips themselves.

The interval of a figure is the bootstrap's 95 %: clips and seeds are drawn with replacement, 2,000 times. Differences
to TSM draw the same clips for both. Played backwards, a clip keeps its label: who sees its direction is then wrong.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from kinesics import demonstration as demo
from kinesics.analysis.evaluate import test
from kinesics.data.extract_flow import extract_flow
from kinesics.data.manifest import Manifest, read_manifest, write_manifest
from kinesics.data.puppets import PAIRS, make_puppets
from kinesics.flow.flow_folder import FlowSettings
from kinesics.metrics.fusion import fuse
from kinesics.runs.checkpoint import CHECKPOINT
from kinesics.settings import InputConfig, Recipe
from kinesics.training.train import train
from kinesics.values import Scores
from kinesics.video.reader import open_video
from kinesics.video.write import write_video

DIRECTED = tuple(name for pair in PAIRS for name in pair if "hand" not in name)
PUPPETS = replace(demo.PUPPETS, size=96, classes=(*DIRECTED, "nod", "shake_head"), hand_percent=None)
"""A camera that stands still before nothing else that moves: minutes are few to learn what to leave out."""
FLOW = FlowSettings("tvl1", bound=8.0, short_side=96)
DEMO = demo.demo_recipe("tsn", 0)
BASE = replace(DEMO, input=replace(DEMO.input, num_segments=4, resize=96, size=96))
STP = replace(BASE.input, num_segments=1, steps_per_segment=4, stride=6)
"""A clip of 24 frames is about what the paper takes for one segment: 20 frames in four parts."""
STACKS = replace(STP, modality="flow", frames_per_segment=5)
HALVES = {"fold_div": 2}
"""TSM shifts half of the channels each way, as in the demo: minutes are few to learn from an eighth."""
FINE = {"stage": "layer3"}
"""Maps of 12 × 12 cells, about as fine as the paper's 14 × 14; the default stage has 6 × 6 of frames this small."""


@dataclass(frozen=True)
class Entry:
    """A row of the table: a system, what it sees, its arguments, and what else is not as in BASE."""

    system: str
    input: InputConfig = BASE.input
    arguments: Mapping[str, Any] = field(default_factory=dict)
    optim: Mapping[str, Any] = field(default_factory=dict)
    dropout: float = 0.0

    def recipe(self, name: str, seed: int) -> Recipe:
        """The recipe of this row."""
        model = replace(BASE.model, system=self.system, dropout=self.dropout, arguments=self.arguments)
        base = replace(BASE, name=name, model=model, input=self.input, seed=seed)
        return base.with_changes({f"optim.{key}": value for key, value in self.optim.items()})


PARTIAL = {"batch_norm": "partial"}
REGION = {"match": "region", "weigh": False}
HEAD_ALONE = {"head_rate": 5.0, "frozen_stages": 5, "batch_norm": "frozen", "epochs": 20}
"""An epoch is quicker where the backbone stays as it is, and there are more of them."""
SYSTEMS = {
    "tsn": Entry("tsn"),
    "tsm": Entry("tsm", arguments=HALVES),
    "mlfe": Entry("mlfe", arguments=HALVES),
    "stp_rgb": Entry("stp", STP),
    "stp_flow": Entry("stp", STACKS),
    "tefe": Entry("tefe"),
    "kpsem": Entry("kpsem", arguments=FINE),
    "kpsem_region": Entry("kpsem", arguments=REGION, optim={"head_rate": 5.0}),
    "kpsem_head": Entry("kpsem", arguments={**REGION, "norm": False}, optim=HEAD_ALONE, dropout=0.5),
    "mdt": Entry("mdt", replace(BASE.input, frames_per_segment=5)),
    "tsn_partial": Entry("tsn", optim=PARTIAL),
    "tsm_partial": Entry("tsm", arguments=HALVES, optim=PARTIAL),
    "mlfe_logits": Entry("mlfe", arguments={**HALVES, "scores": "logits"}),
    "tefe_mild": Entry("tefe", arguments={"mild": True}),
}
FUSED = {"stp_rgb + stp_flow (1 : 1.5)": {"stp_rgb": 1.0, "stp_flow": 1.5}}
Hits = npt.NDArray[np.float64]


def play_backwards(data: Path, out: Path) -> Path:
    """The test clips of a manifest with their frames in reverse, under the same names and labels; their manifest."""
    rows = []
    for row in read_manifest(data).rows:
        if row.split == "test":
            reader = open_video(data.parent / row.path)
            frames = reader.frames_at(torch.arange(reader.num_frames - 1, -1, -1)).permute(0, 2, 3, 1).numpy()
            write_video(out / row.path, frames, fps=reader.fps)
            reader.close()
            rows.append(row)
    write_manifest(Manifest(out / data.name, tuple(rows)), out / data.name)
    return out / data.name


def run(name: str, seed: int, out: Path) -> tuple[Scores, Scores, float]:
    """The test scores of a system, those of the clips played backwards, and the minutes that training it took."""
    recipe = SYSTEMS[name].recipe(name, seed)
    folder, data = out / f"{name}-{seed}", out / "puppets" / "puppets.csv"
    flow = out / "flow" if recipe.input.modality == "flow" else None
    note, scores, reverse = folder / "minutes.json", folder / "test-one/scores.npz", folder / "backwards/scores.npz"
    if not (note.is_file() and scores.is_file()):
        started = time.perf_counter()
        train(recipe, data, folder, flow=flow, resume=(folder / CHECKPOINT).is_file())
        minutes = (time.perf_counter() - started) / 60
        test(folder, data, flow=flow)
        note.write_text(json.dumps(minutes), encoding="utf-8")
    if not reverse.is_file():
        test(folder, out / "backwards" / data.name, flow=flow and out / "backwards-flow", out=reverse.parent)
    return Scores.load(scores), Scores.load(reverse), json.loads(note.read_text(encoding="utf-8"))


def hits(streams: list[Scores]) -> Hits:
    """(S, M) whether each seed was right about each clip; clips in the same order everywhere."""
    found = []
    for scores in streams:
        order = np.argsort(scores.ids)
        found.append((scores.logits.argmax(axis=1) == scores.targets.argmax(axis=1))[order])
    return np.array(found, dtype=np.float64)


def interval(statistic: Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64]], float], shape: tuple[int, int]) -> str:
    """The figure of all seeds and clips, and its 95 % interval, in points."""
    seeds, clips = shape
    random = np.random.default_rng(0)
    value = statistic(np.arange(seeds), np.arange(clips))
    drawn = [statistic(random.integers(seeds, size=seeds), random.integers(clips, size=clips)) for _ in range(2000)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return f"{100 * value:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def table(scores: dict[str, list[Scores]], backwards: dict[str, list[Scores]], minutes: dict[str, list[float]]) -> str:
    """The table of docs/results.md."""
    first = next(iter(scores.values()))[0]
    order = np.argsort(first.ids)
    labels = np.array(first.classes)[first.targets.argmax(axis=1)][order]
    directed = np.isin(labels, DIRECTED)
    right = {name: hits(streams) for name, streams in scores.items()}
    lines = [
        f"| system | all {len(first.classes)} classes | {len(DIRECTED)} with a direction | the others "
        "| those with a direction, played backwards | against TSM, all | seeds | minutes a training |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, found in right.items():
        columns = []
        for chosen in (directed | ~directed, directed, ~directed):
            part = found[:, chosen]
            columns.append(interval(lambda s, c, part=part: float(part[s][:, c].mean()), part.shape))
        reverse = hits(backwards[name])[:, directed]
        columns.append(interval(lambda s, c, part=reverse: float(part[s][:, c].mean()), reverse.shape))
        difference = against(found, right["tsm"]) if name != "tsm" and "tsm" in right else ""
        each = " ".join(f"{100 * value:.1f}" for value in found.mean(axis=1))
        took = f"{np.mean(minutes[name]):.1f}" if name in minutes else ""
        lines.append(f"| {name} | {' | '.join(columns)} | {difference} | {each} | {took} |")
    return "\n".join(lines) + "\n"


def against(ours: Hits, theirs: Hits) -> str:
    """How much better, on the same clips and seeds."""
    return interval(lambda s, c: float(ours[s][:, c].mean() - theirs[s][:, c].mean()), ours.shape)


def main() -> None:
    """Train what is missing, then write the table of all that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS))
    flags = parser.parse_args()
    data = make_puppets(flags.out / "puppets", PUPPETS)
    reverse = flags.out / "backwards" / data.name
    if not reverse.is_file():
        play_backwards(data, reverse.parent)
    if any(SYSTEMS[name].input.modality == "flow" for name in flags.systems):
        print(*extract_flow(data, flags.out / "flow", **asdict(FLOW)).lines(), sep="\n", flush=True)
        print(*extract_flow(reverse, flags.out / "backwards-flow", **asdict(FLOW)).lines(), sep="\n", flush=True)
    scores: dict[str, list[Scores]] = {name: [] for name in flags.systems}
    backwards: dict[str, list[Scores]] = {name: [] for name in flags.systems}
    minutes: dict[str, list[float]] = {name: [] for name in flags.systems}
    for seed in range(flags.seeds):
        for name in flags.systems:
            found, reversed_scores, took = run(name, seed, flags.out)
            scores[name].append(found)
            backwards[name].append(reversed_scores)
            minutes[name].append(took)
            print(f"{name}, seed {seed}: {100 * hits([found]).mean():.1f} % in {took:.1f} min", flush=True)
    for title, weights in FUSED.items():
        if all(name in scores for name in weights):
            for streams in (scores, backwards):
                streams[title] = [
                    fuse({name: streams[name][seed] for name in weights}, weights) for seed in range(flags.seeds)
                ]
    text = table(scores, backwards, minutes)
    (flags.out / "table.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
