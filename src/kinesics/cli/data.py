"""Commands about clips: prepare, probe, puppets. Imports of torch wait until they are needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from kinesics.cli.flags import Flag, pairs, parse
from kinesics.files import check_writable


def prepare(words: list[str]) -> int:
    """`kinesics prepare SOURCE --out set.csv …`."""
    from kinesics.cli.console import say
    from kinesics.cli.progress import task_progress
    from kinesics.data.prepare import prepare as function
    from kinesics.data.prepare import report_lines

    values = parse(
        function,
        words,
        command="prepare",
        positional=("source",),
        hidden=("check",),
        types={"columns": Flag(tuple[str, ...], ()), "folds": str | None},
    )
    values["columns"] = pairs(values["columns"], "--columns")
    if values["folds"] and values["folds"].isdigit():
        values["folds"] = int(values["folds"])
    check_writable(values["out"])
    with task_progress("checking") as progress:
        report = function(**values, progress=progress)
    say(*report_lines(report))
    return 0


def probe(
    data: Positional[Path],
    backbone: str = "efficientnet_lite0",
    weights: str = "imagenet",
    num_segments: int = 8,
    seed: int = 0,
    json: bool = False,
) -> None:
    """Tell in about a minute what a manifest's clips allow, before anything is trained.

    Args:
        data: The manifest.
        backbone: The backbone whose frozen features are probed.
        weights: Its weights: imagenet or a file.
        num_segments: Frames looked at in each video.
        seed: Decides the folds where the manifest has none.
        json: Print JSON.
    """
    from kinesics.analysis.probe import probe as run_probe
    from kinesics.cli.console import say, say_json
    from kinesics.cli.progress import task_progress

    with task_progress("features", quiet=json) as progress:
        result = run_probe(
            data, backbone=backbone, weights=weights, num_segments=num_segments, seed=seed, progress=progress
        )
    if json:
        say_json(result)
    else:
        say(*result.lines())


def flow(
    data: Positional[Path],
    out: Path,
    method: Literal["tvl1", "tvl1_opencv", "dis", "farneback"] = "tvl1",
    warp: bool = False,
    bound: float = 20.0,
    short_side: int = 256,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    num_workers: int | None = None,
    stall_seconds: float = 300.0,
) -> int:
    """Extract the optical flow of a manifest's videos.

    Args:
        data: The manifest.
        out: Folder for the flow, a file a video; what is there already is kept.
        method: tvl1 is the papers'; tvl1_opencv is OpenCV's with its own settings; dis is the quickest.
        warp: Take the camera's movement out.
        bound: Movement that is kept, in pixels; what is farther counts as this far.
        short_side: Of the pictures that flow is computed on, in pixels.
        device: Where tvl1 computes; auto takes a GPU where there is one.
        num_workers: Videos at a time; one per core by default.
        stall_seconds: How long a video may give no frame before it is given up.
    """
    from kinesics.cli.console import say
    from kinesics.cli.progress import task_progress
    from kinesics.data.extract_flow import extract_flow
    from kinesics.flow.flow_folder import FlowSettings

    check_writable(out)
    with task_progress("flow") as progress:
        report = extract_flow(
            data,
            out,
            FlowSettings(method, bound, short_side, warp),
            device=device,
            num_workers=num_workers,
            stall_seconds=stall_seconds,
            progress=progress,
        )
    say(*report.lines())
    return 1 if report.failed else 0


def puppets(
    out: Path,
    clips_per_class: int = 40,
    size: int = 64,
    amplitude_percent: float = 10.0,
    hand_percent: float | None = None,
    classes: Annotated[tuple[str, ...], arg(metavar="CLASS…")] = (),
    seed: int = 0,
) -> None:
    """Draw the puppets, the embedded data set: small videos whose classes are told by motion alone.

    Args:
        out: Folder for the videos and puppets.csv.
        clips_per_class: Videos of each class.
        size: Height and width in pixels.
        amplitude_percent: Length of the motion in per cent of the height.
        hand_percent: The same for classes that move a hand; as the others by default.
        classes: Which classes; all by default.
        seed: The same seed draws the same videos.
    """
    from kinesics.cli.console import say
    from kinesics.cli.progress import task_progress
    from kinesics.data.puppets import CLASSES, PuppetSettings, make_puppets

    settings = PuppetSettings(
        size=size,
        amplitude_percent=amplitude_percent,
        hand_percent=hand_percent,
        clips_per_class=clips_per_class,
        classes=classes or CLASSES,
        seed=seed,
    )
    check_writable(out)
    with task_progress("drawing") as progress:
        manifest = make_puppets(out, settings, progress=progress)
    say(f"{len(settings.classes) * clips_per_class} videos; their manifest is {manifest}")
