"""Commands about clips: prepare, probe, puppets. Imports of torch wait until they are needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from kinesics.cli.flags import pairs
from kinesics.files import check_writable


def prepare(
    source: Positional[Path],
    out: Path,
    format: str = "auto",
    template: str | None = None,
    class_names: Path | None = None,
    columns: tuple[str, ...] = (),
    root: Path | None = None,
    official_split: int | None = None,
    group: str | None = None,
    split: Literal["keep", "none", "random", "group"] = "keep",
    val: float | None = None,
    test: float | None = None,
    folds: str | None = None,
    reassign: bool = False,
    on_bad: Literal["fail", "skip", "quarantine"] = "fail",
    timeout_seconds: float = 60.0,
    memory_gib: float = 8.0,
    workers: int | None = None,
    seed: int = 0,
) -> int:
    """Check a folder or list of labelled videos, and write the manifest that everything else reads.

    Args:
        source: What to import: a folder, a CSV, a list or an annotation file.
        out: The manifest to write.
        format: folder, csv, list, ucf101, hmdb51, kinetics, jester, ma52, pev, ma10, cvat and more: see docs/data.md.
        template: File name of the frames in a frame folder, such as img_{:05d}.jpg.
        class_names: A file with one class name a line, where labels are numbers.
        columns: Names that the CSV's columns have: path=file group=subject.
        root: The folder that the paths of a list or annotation file start from.
        official_split: Which of the three official splits of UCF101 and HMDB51; the first by default.
        group: A regular expression on the path, whose first bracket is the group (subject, source).
        split: Keep the source's splits, leave them empty, or assign them at random or by group.
        val: Share of the validation split, 0.15 by default.
        test: Share of the test split, 0.15 by default.
        folds: Number of folds to assign, or leave-one-group-out.
        reassign: Take labels, splits and folds of clips that the manifest holds already from the source again.
        on_bad: With files that do not decode: fail, skip them (counted), or move their rows to a list of their own.
        timeout_seconds: Longest time to decode one file.
        memory_gib: Most address space of a decoding process.
        workers: Decoding processes; all cores by default.
        seed: Decides the random splits.
    """
    from kinesics.cli.console import say
    from kinesics.cli.progress import task_progress
    from kinesics.data.prepare import prepare as run_prepare
    from kinesics.data.prepare import report_lines

    check_writable(out)
    with task_progress("checking") as progress:
        report = run_prepare(
            source,
            out,
            format=format,
            template=template,
            class_names=class_names,
            columns=pairs(columns, "--columns"),
            root=root,
            official_split=official_split,
            group_pattern=group,
            split=split,
            val=val,
            test=test,
            folds=int(folds) if folds and folds.isdigit() else folds,
            reassign=reassign,
            on_bad=on_bad,
            timeout_seconds=timeout_seconds,
            memory_gib=memory_gib,
            workers=workers,
            seed=seed,
            progress=progress,
        )
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
    workers: int | None = None,
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
        workers: Videos at a time; one a core by default.
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
            workers=workers,
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
