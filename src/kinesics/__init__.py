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
    from kinesics.analysis.evaluate import TestResult, test
    from kinesics.analysis.fuse import fuse
    from kinesics.analysis.model_cost import cost
    from kinesics.analysis.official_splits import official_splits
    from kinesics.analysis.probe import probe
    from kinesics.annotation.annotate import annotate
    from kinesics.data.extract_flow import extract_flow
    from kinesics.data.prepare import prepare
    from kinesics.data.puppets import PuppetSettings, make_puppets
    from kinesics.demonstration import demo
    from kinesics.diagnosis.doctor import doctor
    from kinesics.explanation.run import explain
    from kinesics.inference.predictor import load
    from kinesics.models.build import create_model
    from kinesics.models.registry import list_models, register_backbone, register_head, register_system
    from kinesics.models.system import System
    from kinesics.prediction import predict
    from kinesics.progress import Listener
    from kinesics.recipes import recipe
    from kinesics.reporting.build import report
    from kinesics.runs.run import Run
    from kinesics.training.train import train
    from kinesics.values import Prediction, Scores

_HOMES = {
    "Listener": "kinesics.progress",
    "Prediction": "kinesics.values",
    "PuppetSettings": "kinesics.data.puppets",
    "Run": "kinesics.runs.run",
    "Scores": "kinesics.values",
    "System": "kinesics.models.system",
    "TestResult": "kinesics.analysis.evaluate",
    "annotate": "kinesics.annotation.annotate",
    "calibrate": "kinesics.analysis.calibrate",
    "compare": "kinesics.analysis.compare",
    "cost": "kinesics.analysis.model_cost",
    "create_model": "kinesics.models.build",
    "cross_validate": "kinesics.analysis.cross_validate",
    "demo": "kinesics.demonstration",
    "doctor": "kinesics.diagnosis.doctor",
    "explain": "kinesics.explanation.run",
    "extract_flow": "kinesics.data.extract_flow",
    "fuse": "kinesics.analysis.fuse",
    "list_models": "kinesics.models.registry",
    "load": "kinesics.inference.predictor",
    "make_puppets": "kinesics.data.puppets",
    "official_splits": "kinesics.analysis.official_splits",
    "predict": "kinesics.prediction",
    "prepare": "kinesics.data.prepare",
    "probe": "kinesics.analysis.probe",
    "recipe": "kinesics.recipes",
    "register_backbone": "kinesics.models.registry",
    "register_head": "kinesics.models.registry",
    "register_system": "kinesics.models.registry",
    "report": "kinesics.reporting.build",
    "test": "kinesics.analysis.evaluate",
    "train": "kinesics.training.train",
}

__all__ = [
    "Listener",
    "Prediction",
    "PuppetSettings",
    "Run",
    "Scores",
    "System",
    "TestResult",
    "__version__",
    "annotate",
    "calibrate",
    "compare",
    "cost",
    "create_model",
    "cross_validate",
    "demo",
    "doctor",
    "explain",
    "extract_flow",
    "fuse",
    "list_models",
    "load",
    "make_puppets",
    "official_splits",
    "predict",
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
