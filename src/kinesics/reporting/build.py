"""Write the report on tested runs: a page that opens from the disk, its pictures, and small copies of its clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kinesics.data.manifest import Split
from kinesics.errors import UserError
from kinesics.files import write_text
from kinesics.progress import Listener
from kinesics.reporting.figures import draw_pictures
from kinesics.reporting.page import GENERATOR, render
from kinesics.reporting.previews import write_previews
from kinesics.reporting.report_data import gather


def report(
    runs: Sequence[Path | str],
    out: Path | str,
    *,
    split: Split = "test",
    views: str = "one",
    data: Path | str | None = None,
    common: bool = False,
    clips: int = 60,
    device: str = "auto",
    listener: Listener | None = None,
) -> Path:
    """Write a page on tested runs: figures, confusions with their clips, calibration, cost, how to make them again.

    The page is `out`/index.html.

    Args:
        runs: Runs, fused runs, cross-validations, or scores.npz files. The others are compared with the first.
        out: Folder for index.html, its pictures and small copies of the clips.
        split: The split of the scores.
        views: The view plan of the scores.
        data: The manifest of the clips; by default the one in the records of the runs.
        common: Where the scored clips differ, use only those that all runs scored.
        clips: How many clips get a video preview, the hardest first.
        device: Where to measure the latency.
        listener: Gets messages and progress.

    Raises:
        UserError: a run has no scores or scores of other clips or classes; `out` is a file or has another page in it.
    """
    out = Path(out)
    check_folder(out)
    if clips < 0:
        raise UserError(f"clips: expected 0 or more, found {clips}")
    report_data = gather(runs, split=split, views=views, data=data, common=common, device=device)
    pictures = draw_pictures(report_data, out)
    ranked = sorted(report_data.clips, key=lambda clip: (clip.all_correct, -clip.loss))
    items = [clip.item for clip in ranked if clip.item is not None][:clips]
    previews = write_previews(items, out, listener=listener)
    write_text(out / "index.html", render(report_data, pictures, previews))
    return out / "index.html"


def check_folder(out: Path) -> None:
    """Raise UserError if a report cannot be written there: a file, or a folder with a page that is not a report."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is a file; expected a folder for the report")
    page = out / "index.html"
    if page.is_file() and GENERATOR not in page.read_text(encoding="utf-8", errors="replace"):
        raise UserError(f"{page}: is not a report, and would be overwritten; set `out` to another folder")
