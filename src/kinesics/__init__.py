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
    from kinesics.apps.calibrate import calibrate
    from kinesics.apps.compare import compare
    from kinesics.apps.crossval import cross_validate
    from kinesics.apps.evaluate import test
    from kinesics.apps.predict import load
    from kinesics.apps.prepare import prepare
    from kinesics.apps.probe import probe
    from kinesics.apps.report.build import report
    from kinesics.engine.run import train
    from kinesics.models.build import create_model
    from kinesics.recipes import recipe
    from kinesics.types import Prediction, Scores

_HOMES = {
    "calibrate": "kinesics.apps.calibrate",
    "compare": "kinesics.apps.compare",
    "create_model": "kinesics.models.build",
    "cross_validate": "kinesics.apps.crossval",
    "load": "kinesics.apps.predict",
    "prepare": "kinesics.apps.prepare",
    "probe": "kinesics.apps.probe",
    "recipe": "kinesics.recipes",
    "report": "kinesics.apps.report.build",
    "test": "kinesics.apps.evaluate",
    "train": "kinesics.engine.run",
    "Prediction": "kinesics.types",
    "Scores": "kinesics.types",
}

__all__ = [
    "Prediction",
    "Scores",
    "__version__",
    "calibrate",
    "compare",
    "create_model",
    "cross_validate",
    "load",
    "prepare",
    "probe",
    "recipe",
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
