"""A report on tested runs: a page that opens from the disk, its pictures, and small copies of its clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kinesics.data.manifest import Split
from kinesics.errors import UserError
from kinesics.files import write_text
from kinesics.progress import Listener
from kinesics.reporting.figures import draw
from kinesics.reporting.gather import gather
from kinesics.reporting.page import GENERATOR, render
from kinesics.reporting.previews import write_previews


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
        runs: Runs, fused runs, cross-validations, or scores.npz files; the first is what the others are compared with.
        out: Folder for index.html, its pictures and small copies of the clips.
        split: Which of the runs' scores.
        views: Which of the runs' scores.
        data: The manifest of the clips; by default the one of the runs' records.
        common: Take the clips that all runs scored, where these differ.
        clips: How many clips get a preview that plays, the hardest first.
        device: Where to measure the latency.
        listener: Hears what is said and how far the work is.

    Raises:
        UserError: a run without scores, scores of other clips or classes, or `out` is a file or holds another page.
    """
    out = Path(out)
    check_folder(out)
    if clips < 0:
        raise UserError(f"clips: expected a number from 0 up, found {clips}")
    gathered = gather(runs, split=split, views=views, data=data, common=common, device=device)
    pictures = draw(gathered, out)
    ranked = sorted(gathered.clips, key=lambda clip: (clip.all_right, -clip.loss))
    items = [clip.item for clip in ranked if clip.item is not None][:clips]
    previews = write_previews(items, out, listener=listener)
    write_text(out / "index.html", render(gathered, pictures, previews))
    return out / "index.html"


def check_folder(out: Path) -> None:
    """Raises UserError where a report cannot go: a file, or a folder with a page that is no report."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is a file; expected a folder for the report")
    page = out / "index.html"
    if page.is_file() and GENERATOR not in page.read_text(encoding="utf-8", errors="replace"):
        raise UserError(f"{page}: is another page, not a report; name another folder with --out")
