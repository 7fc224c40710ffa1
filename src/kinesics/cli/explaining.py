"""`kinesics explain`: what was explained, how probable it is and what was written, in sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from kinesics.cli.flags import Device
from kinesics.files import check_writable


def explain(
    run: Positional[Path],
    videos: Positional[tuple[Path, ...]],
    out: Path,
    method: str = "gradcam",
    label: str | None = None,
    stage: str | None = None,
    baseline: Literal["grey", "still"] = "grey",
    view: str = "all",
    course: bool = False,
    window: float | None = None,
    device: Device = "auto",
) -> int:
    """Show where and when a model looked: heat maps over the frames of videos.

    Args:
        run: The run, or a folder with a model.
        videos: Video files, folders of frames, or folders of videos.
        out: Folder for the pictures, the annotated copies and the numbers.
        method: gradcam, gradcam++, cam, guided-gradcam, integrated-gradients or occlusion: see docs/explain.md.
        label: The class to explain; by default the model's answer.
        stage: Whose features the map is made of, layer2 to layer5; by default the one measured for the backbone.
        baseline: What integrated-gradients and occlusion hold a clip against: grey, or its mean frame (still).
        view: Looks inside the system: all that it has, none, or one by name (docs/explain.md lists them).
        course: Also the label's probability over the video's time.
        window: Length of the clips for that, in seconds; a third of the video by default.
        device: Where to compute.
    """
    from kinesics.cli.console import say, warn
    from kinesics.explanation.methods import How
    from kinesics.explanation.run import Wanted, explain_videos
    from kinesics.inference.predictor import load_predictor
    from kinesics.runs.model_file import find_model
    from kinesics.video.files import find_videos

    wanted = Wanted(method, label, How(stage, baseline), view, course, window)
    check_writable(out)
    find_model(run)
    found = find_videos(videos)  # a wrong path is told before the model is loaded
    if found.others:
        warn(found.line())
    num_failed = 0
    for told in explain_videos(load_predictor(run, device=device), found.videos, out, wanted):
        if told.error:
            num_failed += 1
            warn(told.error)
            continue
        names = ", ".join(path.name for path in told.files)
        say(str(told.path), *(f"  {line}" for line in told.lines), f"  Written to {out}: {names}.")
    if num_failed < len(found.videos):
        say(wanted.caveat)
    if num_failed:
        warn(f"{num_failed} of {len(found.videos)} videos could not be decoded")
    return 1 if num_failed else 0
