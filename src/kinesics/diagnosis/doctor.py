"""What works on this machine: versions, devices, decoders, optional parts, and what to do about the rest.

Each part that could be broken is tried in a process of its own (`parts.py`), so that a build that crashes, hangs or
raises becomes a finding. This file imports the standard library only, to run where nothing else does.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

LIMIT_SECONDS = 60.0
"""A part that gives no answer in this time hangs."""
MIN_SHM_MIB = 256
"""Clips are handed over in /dev/shm where they fit; Docker's default of 64 MiB is too little."""
MIN_DISK_GIB = 2.0
MIN_FILES = 1024
REQUIREMENT = re.compile(r"\s*([A-Za-z0-9._-]*)(?:\s*\[[^]]*\])?\s*\(?([^)]*)")
"""A name, what it is asked to bring along in brackets, and versions: ray[data] (>=2)."""
PARTS = {"torch": "", "av": "", "torchcodec": "torchcodec", "torchvision": "torchvision"}
"""What is tried in processes of its own, and the package without which there is nothing to try."""


@dataclass(frozen=True)
class Finding:
    """One part of the machine: what is there, whether that serves, and what to do where it does not."""

    name: str
    value: str
    state: Literal["ok", "missing", "warning"] = "ok"
    hint: str = ""


def doctor() -> list[Finding]:
    """Print versions, devices, decoders, optional parts and what is missing.

    Gives all findings about this machine, within some seconds. Never raises for a part that is broken.
    """
    there = [part for part, package in PARTS.items() if not package or importlib.util.find_spec(package)]
    with ThreadPoolExecutor(len(there)) as pool:
        running = [pool.submit(examine_apart, part) for part in there]
        here = [*python(), *packages(), *optional_parts()]
        apart = [finding for future in running for finding in future.result()]
    return [*merged(here, apart), *machine()]


def merged(versions: list[Finding], tried: list[Finding]) -> list[Finding]:
    """One line per package: its version, or why it is broken where it is installed. Then what else was tried."""
    broken = {finding.name: finding for finding in tried if finding.state != "ok"}
    lines = []
    for finding in versions:
        why = broken.get(finding.name)
        if why and finding.state != "missing":
            finding = dataclasses.replace(why, value=f"{finding.value} {why.value}")
        lines.append(finding)
    names = {finding.name for finding in versions}
    return [*lines, *(finding for finding in tried if finding.name not in names)]


def examine_apart(part: str, *, limit_seconds: float = LIMIT_SECONDS) -> list[Finding]:
    """The findings of one of PARTS, from a process of its own that may crash or hang."""
    command = [sys.executable, "-P", "-m", "kinesics.diagnosis.parts", part]
    try:
        done = subprocess.run(command, capture_output=True, timeout=limit_seconds, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return [Finding(part, f"no answer in {limit_seconds:.0f} s", "warning", "its import hangs; reinstall it")]
    except OSError as error:
        return [Finding(part, f"cannot be tried: {error}", "warning", "free memory or processes, and call it again")]
    try:
        return [Finding(**finding) for finding in json.loads(done.stdout.splitlines()[-1])]
    except (IndexError, ValueError, TypeError):
        said = done.stderr.decode(errors="replace").strip().splitlines()
        died = f"ends the process (signal {-done.returncode})" if done.returncode < 0 else "fails"
        return [Finding(part, f"{died}: {said[-1][:200]}" if said else died, "warning", "reinstall it")]


def python() -> list[Finding]:
    """Python and the package itself."""
    hint = "" if sys.version_info >= (3, 11) else "kinesics needs Python 3.11 or newer"
    found = [Finding("python", f"{platform.python_version()} in {sys.prefix}", "warning" if hint else "ok", hint)]
    where = Path(__file__).parents[1]
    try:
        version = importlib.metadata.version("kinesics")
    except importlib.metadata.PackageNotFoundError:
        return [*found, Finding("kinesics", f"not installed, run from {where}", "warning", "pip install -e .")]
    return [*found, Finding("kinesics", f"{version} in {where}")]


def packages() -> list[Finding]:
    """The packages that kinesics cannot do without: the version that is installed against the one that is needed."""
    return [installed(name, needed) for name, needed, extra in requirements() if not extra]


def optional_parts() -> list[Finding]:
    """The packages of the optional parts, but for the developers'. That one is absent is no fault."""
    findings = []
    for name, needed, extra in requirements():
        if not extra or extra == "dev":
            continue
        found = installed(name, needed)
        if found.state == "missing":
            found = Finding(name, "not installed", "ok", f"optional: pip install 'kinesics[{extra}]'")
        findings.append(found)
    return findings


def requirements() -> list[tuple[str, str, str]]:
    """What the package declares, as (name, versions, extra): ("torch", ">=2.10", "")."""
    try:
        lines = importlib.metadata.requires("kinesics") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    return sorted((parsed(line) for line in lines), key=lambda one: (one[2], one[0]))


def parsed(requirement: str) -> tuple[str, str, str]:
    """`parsed("torchcodec>=0.13; extra == 'fast'")` → ("torchcodec", ">=0.13", "fast")."""
    text, _, marker = requirement.partition(";")
    found = REQUIREMENT.match(text)
    name, versions = found.groups() if found else (text, "")
    return name, versions.strip(), marker.partition("extra ==")[2].strip(" '\"")


def installed(name: str, needed: str) -> Finding:
    """Whether a package is there in a version that serves: `installed("torch", ">=2.10")`."""
    install = f"pip install '{name}{needed}'"
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "not installed", "missing", install)
    if not satisfies(version, needed):
        return Finding(name, f"{version}, expected {needed}", "warning", install)
    return Finding(name, version)


def satisfies(version: str, needed: str) -> bool:
    """Whether a version is in a range: `satisfies("2.13.0+cpu", ">=2.10,<3")`. What it cannot read, it lets pass."""
    try:
        from packaging.specifiers import SpecifierSet  # comes with matplotlib, which may be what is missing
        from packaging.version import Version
    except ImportError:
        return True
    try:
        return SpecifierSet(needed).contains(Version(version), prereleases=True)
    except ValueError:
        return True


def machine() -> list[Finding]:
    """Cache folder, disk, shared memory and open files."""
    return [cache(os.environ), disk(Path()), *shared_memory(), *open_files()]


def cache(environment: Mapping[str, str]) -> Finding:
    """Whether downloaded weights can be kept."""
    folder = Path(environment.get("KINESICS_CACHE") or "~/.cache/kinesics").expanduser() / "weights"
    there = next((parent for parent in (folder, *folder.parents) if parent.exists()), Path("/"))
    try:
        with tempfile.TemporaryFile(dir=there):
            return Finding("weights cache", str(folder))
    except OSError as error:
        hint = "make it writable, or set KINESICS_CACHE to another folder"
        return Finding("weights cache", f"{folder}: {error.strerror or error}", "warning", hint)


def disk(folder: Path) -> Finding:
    """Free disk space where the command was called."""
    try:
        free, where = shutil.disk_usage(folder).free / 2**30, folder.resolve()
    except OSError as error:
        return Finding("free disk", f"{folder}: {error.strerror}", "warning", "call it from a folder that is there")
    hint = "runs and annotated copies may not fit" if free < MIN_DISK_GIB else ""
    return Finding("free disk", f"{free:.1f} GiB in {where}", "warning" if hint else "ok", hint)


def shared_memory(folder: Path = Path("/dev/shm")) -> list[Finding]:  # noqa: S108 - only its size is read
    """The size of /dev/shm, where the system has one."""
    if not folder.is_dir():
        return []
    size = shutil.disk_usage(folder).total / 2**20
    hint = "clips travel more slowly to the network: docker run --shm-size=2g" if size < MIN_SHM_MIB else ""
    return [Finding("shared memory", f"{size:,.0f} MiB in {folder}", "warning" if hint else "ok", hint)]


def open_files() -> list[Finding]:
    """How many files a process may open, where the system has a limit."""
    try:
        import resource
    except ImportError:  # Windows
        return []
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return [Finding("open files", "no limit")]
    hint = f"loaders may run out of them: ulimit -n {4 * MIN_FILES}" if limit < MIN_FILES else ""
    return [Finding("open files", f"{limit:,} at most", "warning" if hint else "ok", hint)]
