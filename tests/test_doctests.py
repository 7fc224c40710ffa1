"""The examples in docstrings give what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import kinesics


def test_the_examples_in_docstrings_give_what_they_say() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    names = [module.name for module in pkgutil.walk_packages(kinesics.__path__, "kinesics.")]
    examples = [
        test
        for name in names
        if not name.endswith("__main__")
        for test in finder.find(importlib.import_module(name))
        if test.examples
    ]
    assert "kinesics.video.convert.fit" in {test.name for test in examples}  # examples of subfolders are found
    report: list[str] = []
    for test in examples:
        doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert not report, "".join(report)
