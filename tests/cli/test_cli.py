"""The command line as its user meets it: quick help, one-line errors, exit codes, and the whole walk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kinesics.cli import main
from kinesics.cli.commands import COMMANDS, Command
from kinesics.diagnosis.doctor import Finding
from tests.tiny import make_set


def call(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command."""
    with pytest.raises(SystemExit) as stop:
        main(words)
    shown = capsys.readouterr()
    code = stop.value.code
    return (0 if code is None else int(code)), shown.out, shown.err


def test_help_is_quick_and_does_not_import_torch() -> None:
    script = (
        "import sys; from kinesics.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: print('torch' in sys.modules)"
    )
    times = []
    for _ in range(3):
        started = time.monotonic()
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        times.append(time.monotonic() - started)
    assert all(name in done.stdout for name in COMMANDS)
    assert done.stdout.rstrip().endswith("False")
    assert min(times) < 1.0


def test_the_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "kinesics", "tran"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "did you mean 'train'?" in done.stderr


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(name, "--help", capsys=capsys)
    assert code == 0
    assert "usage: kinesics" in out


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["tran"], "unknown command 'tran'; did you mean 'train'?"),
        (["train", "tsmm", "--data", "x", "--out", "y"], "unknown recipe 'tsmm'; did you mean 'tsm'?"),
        (["train", "--data", "x"], "expected a recipe first: tsn, tsm"),
        (["train", "tsm", "--data", "nowhere.csv", "--out", "y"], "nowhere.csv: no such file"),
        (["train", "tsm", "--preset", "fwe", "--data", "x", "--out", "y"], "unknown preset 'fwe'; did you mean 'few'?"),
        (["test", "nowhere"], "nowhere: no such folder; expected a run"),
        (["predict", "nowhere", "video.mp4"], "nowhere: no such folder; expected a run"),
        (["cost", "tsm_resnet5"], "unknown model 'tsm_resnet5'; did you mean 'tsm_resnet"),
        (["cost", "tsm_resnet18", "--size", "0"], "size is 0; expected a whole number from 1"),
        (
            ["cost", "tsm_resnet18", "--size", "340x"],
            "size is '340x'; expected a whole number from 1 to 8192, or WIDTHx",
        ),
        (
            ["train", "tsm", "--data", "x", "--out", "y", "--resize", "axb"],
            "input.resize is 'axb'; expected a whole numbe",
        ),
        (
            ["train", "tsm", "--data", "x", "--out", "y", "--size", "0x256"],
            "input.size is '0x256'; expected a whole numbe",
        ),
        (["prepare", "nowhere", "--out", "set.csv"], "nowhere: no such"),
    ],
)
def test_mistakes_are_told_in_one_line(words: list[str], wanted: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(*words, capsys=capsys)
    assert code == 2
    assert wanted in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ["train", "tsm", "--data", "x.csv"],
        ["cross-validate", "tsm", "--data", "x.csv"],
        ["splits", "tsm", "--data", "x.csv", "y.csv"],
        ["prepare", "clips"],
        ["flow", "x.csv"],
        ["fuse", "a", "b"],
        ["report", "a"],
        ["explain", "a", "b.mp4"],
        ["predict", "a", "b.mp4"],
        ["puppets"],
        ["demo"],
    ],
)
def test_a_place_that_cannot_be_written_is_found_before_the_work(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("kept")
    code, _, err = call(*words, "--out", str(tmp_path / "file/below/out.csv"), capsys=capsys)
    assert code == 2
    assert "file/below/out.csv: cannot be written" in err
    assert (tmp_path / "file").read_text() == "kept"


def test_doctor_fails_where_a_needed_part_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [Finding("torch", "2.13.0"), Finding("[av]", "not installed", "missing", "pip install 'kinesics[lite0]'")]
    monkeypatch.setattr("kinesics.diagnosis.doctor.doctor", lambda: found)
    code, out, _ = call("doctor", capsys=capsys)
    assert code == 1
    assert "[av]" in out and "pip install 'kinesics[lite0]'" in out
    code, out, _ = call("doctor", "--json", capsys=capsys)
    assert code == 1
    assert [part["state"] for part in json.loads(out)] == ["ok", "missing"]
    monkeypatch.setattr("kinesics.diagnosis.doctor.doctor", lambda: found[:1])
    assert call("doctor", capsys=capsys)[0] == 0


def test_only_a_true_fault_is_called_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class OutOfMemoryError(RuntimeError):
        """As torch has it."""

    for error, expected in (
        (ZeroDivisionError("x"), "a fault of kinesics"),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate"), "out of memory; a smaller batch"),
        (OSError(28, "No space left on device", "a.csv"), "a.csv: No space left on device"),
    ):

        def fail(words: list[str], error: Exception = error) -> int:
            raise error

        monkeypatch.setitem(COMMANDS, "doctor", Command("", fail))
        code, _, err = call("doctor", capsys=capsys)
        assert code == 1
        assert expected in err
        assert ("fault" in err) == isinstance(error, ZeroDivisionError)


def test_a_wrong_flag_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call("train", "tsm", "--data", "x", "--out", "y", "--learing-rate", "1", capsys=capsys)
    assert code == 2
    assert "--learning-rate" in out + err


def test_a_full_disk_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_set(tmp_path, train=1, val=0, test=0)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    words = ["train", "tsm", "--backbone", "resnet18", "--weights", "None", "--data", str(data)]
    words += ["--batch-norm", "train"]
    code, _, err = call(*words, "--out", str(tmp_path / "run"), "--device", "cpu", capsys=capsys)
    assert code == 1
    assert "recipe.json: No space left on device" in err
    assert len(err.strip().splitlines()) == 1
    assert not [p for p in (tmp_path / "run").rglob("*") if p.is_file()]


def test_flags_change_what_the_preset_keeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = make_set(tmp_path, train=1, val=0, test=0)
    words = ["train", "c3d", "--preset", "few", "--data", str(data), "--out", str(tmp_path / "run"), "--device", "cpu"]
    code, _, err = call(*words, capsys=capsys)
    assert code != 0
    assert "model.weights is None and optim.batch_norm is frozen and optim.frozen_stages is 4" in err
    code, _, err = call(*words, "--frozen-stages", "0", "--batch-norm", "train", "--flow", "none", capsys=capsys)
    assert code != 0
    assert "none" in err and "frozen" not in err  # it gets as far as the folder of the flow


@pytest.mark.parametrize("name", ["tsn_resnet18", "tsm_mobilenetv2", "tefe_resnet18", "mdt_resnet18"])
def test_cost_prints_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["cost", name, "--num-classes", "10", "--num-frames", "2", "--size", "64", "--json"]
    code, out, _ = call(*words, capsys=capsys)
    answer = json.loads(out)
    assert code == 0
    assert set(answer) == {"model", "parameters", "macs", "rule", "input", "num_classes"}
    assert answer["input"] == [1, 2, 15 if name.startswith("mdt") else 3, 64, 64]


def test_the_cost_of_a_rectangle(capsys: pytest.CaptureFixture[str]) -> None:
    """TEFE's 90 G are of frames 224 high and 256 wide."""
    words = ["cost", "tefe_resnet50", "--num-classes", "174", "--size", "256x224", "--rule", "conv+fc+bn"]
    code, out, _ = call(*words, "--json", capsys=capsys)
    answer = json.loads(out)
    assert code == 0
    assert answer["input"] == [1, 8, 3, 224, 256]
    assert answer["macs"] / 1e9 == pytest.approx(90.425, abs=0.01)
    _, out, _ = call(*words, capsys=capsys)
    assert "8 frames of 256×224" in out


def test_the_whole_walk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Folder of clips → prepare → train → test → predict, all by the command line."""
    make_set(tmp_path, train=4, val=2, test=2)
    for path in (tmp_path / "clips").iterdir():
        label = path.stem.split("_")[0]
        (tmp_path / "videos" / label).mkdir(parents=True, exist_ok=True)
        path.rename(tmp_path / "videos" / label / path.name)
    data, run = str(tmp_path / "set.csv"), str(tmp_path / "run")
    shares = ["--val", "0.25", "--test", "0.25"]
    code, out, err = call(
        "prepare", str(tmp_path / "videos"), "--out", data, "--split", "random", *shares, capsys=capsys
    )
    assert code == 0, err
    small = ["--backbone", "resnet18", "--weights", "None", "--num-segments", "3", "--resize", "32", "--size", "32"]
    quick = ["--epochs", "1", "--batch-size", "4", "--num-workers", "0", "--device", "cpu"]
    code, out, err = call("train", "tsm", "--data", data, "--out", run, *small, *quick, capsys=capsys)
    assert code == 0, err
    assert run in out
    code, out, err = call("test", run, "--device", "cpu", "--num-workers", "0", "--json", capsys=capsys)
    assert code == 0, err
    assert Path(json.loads(out)["folder"]) == tmp_path / "run" / "test-one"
    assert {p.name for p in (tmp_path / "run/test-one").iterdir()} == {
        "scores.npz",
        "metrics.json",
        "per_class.csv",
        "confusion.csv",
        "confusion.png",
    }
    (tmp_path / "videos/left/broken.mp4").write_bytes(b"nonsense")
    code, out, err = call("predict", run, str(tmp_path / "videos/left"), "--json", "--num-workers", "0", capsys=capsys)
    answers = [json.loads(line) for line in out.splitlines()]
    assert len(answers) == 9
    assert [Path(a["path"]).name for a in answers if "error" in a] == ["broken.mp4"]
    assert code == 1  # one file failed, the others were done


def test_interrupting_says_how_to_go_on(tmp_path: Path) -> None:
    data = make_set(tmp_path, train=4, val=0, test=0)
    words = ["train", "tsm", "--backbone", "resnet18", "--weights", "None", "--resize", "32", "--size", "32"]
    words += ["--data", str(data), "--out", str(tmp_path / "run"), "--epochs", "500", "--num-workers", "1"]
    program = [sys.executable, "-c", "from kinesics.cli import main; main()", *words]
    process = subprocess.Popen(program, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 60
    while not (tmp_path / "run/log.csv").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(2)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "go on with --resume" in err
    assert "Traceback" not in err
    assert (tmp_path / "run/last/training.pt").is_file()
