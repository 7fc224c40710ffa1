"""Recognise small actions in video: from a folder of labelled clips to a trained, tested and deployed model.

    import kinesics

    run = kinesics.train(kinesics.recipe("tsm"), "set.csv", "run")
    print(kinesics.load(run).predict("video.mp4").label)

Names are imported when they are first used, so that `import kinesics` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from kinesics.version import __version__

if TYPE_CHECKING:
    from kinesics.analysis.calibrate import calibrate
    from kinesics.analysis.compare import compare
    from kinesics.analysis.cross_validate import cross_validate
    from kinesics.analysis.evaluate import test
    from kinesics.analysis.probe import probe
    from kinesics.data.prepare import prepare
    from kinesics.inference.predictor import load
    from kinesics.models.build import create_model
    from kinesics.models.registry import list_models, register_backbone, register_head, register_system
    from kinesics.models.system import System
    from kinesics.recipes import recipe
    from kinesics.reporting.build import report
    from kinesics.runs.run import Run
    from kinesics.training.train import train
    from kinesics.values import Prediction, Scores

_HOMES = {
    "calibrate": "kinesics.analysis.calibrate",
    "compare": "kinesics.analysis.compare",
    "create_model": "kinesics.models.build",
    "list_models": "kinesics.models.registry",
    "register_backbone": "kinesics.models.registry",
    "register_head": "kinesics.models.registry",
    "register_system": "kinesics.models.registry",
    "System": "kinesics.models.system",
    "cross_validate": "kinesics.analysis.cross_validate",
    "load": "kinesics.inference.predictor",
    "prepare": "kinesics.data.prepare",
    "probe": "kinesics.analysis.probe",
    "recipe": "kinesics.recipes",
    "report": "kinesics.reporting.build",
    "test": "kinesics.analysis.evaluate",
    "train": "kinesics.training.train",
    "Prediction": "kinesics.values",
    "Run": "kinesics.runs.run",
    "Scores": "kinesics.values",
}

__all__ = [
    "Prediction",
    "Run",
    "Scores",
    "System",
    "__version__",
    "calibrate",
    "compare",
    "create_model",
    "cross_validate",
    "list_models",
    "load",
    "prepare",
    "probe",
    "recipe",
    "register_backbone",
    "register_head",
    "register_system",
    "report",
    "test",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kinesics' has no attribute '{name}'")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
