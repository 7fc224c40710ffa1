"""The fitted linear classifier: it finds what is there, treats classes alike and never looks across groups."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from kinesics.training.linear import UNSEEN_LOGIT, Scaled, fit_linear


def clips(
    num_classes: int, each: int = 12, num_features: int = 20, shift: float = 3.0
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Noise, class k differs in feature k."""
    random = np.random.default_rng(0)
    labels = np.arange(num_classes).repeat(each)
    x = random.normal(size=(len(labels), num_features))
    x[np.arange(len(labels)), labels] += shift
    return x, np.eye(num_classes, dtype=bool)[labels], [f"g{i % 6}" for i in range(len(labels))]


@pytest.mark.parametrize("num_classes", [2, 3, 5])
def test_tells_new_clips_apart(num_classes: int) -> None:
    x, targets, groups = clips(num_classes, each=30)
    fitted = fit_linear(x, targets, groups)
    new = np.random.default_rng(1).normal(size=x.shape) + 3.0 * np.pad(targets, ((0, 0), (0, 20 - num_classes)))
    assert fitted(x).shape == (len(x), num_classes)
    assert (fitted(new).argmax(1) == targets.argmax(1)).mean() > 0.85


def test_rare_classes_count_as_much() -> None:
    x, targets, groups = clips(2, each=120, num_features=4, shift=1.5)
    learn, new = np.r_[0:120, 120:132], np.r_[132:240]
    found = fit_linear(x[learn], targets[learn], [groups[i] for i in learn])(x[new]).argmax(1)
    assert (found == 1).mean() > 0.75  # 0.86 is what can be had; unweighed it is 0.4


def test_a_class_without_clips_is_never_the_answer() -> None:
    x, targets, groups = clips(3)
    seen = targets[:, 1] == 0
    fitted = fit_linear(x[seen], targets[seen], [g for g, s in zip(groups, seen, strict=True) if s])
    assert fitted.bias[1] == pytest.approx(UNSEEN_LOGIT)
    assert not (fitted(x).argmax(1) == 1).any()
    alone = fit_linear(x[:5], targets[:5], groups[:5])
    assert (alone(x).argmax(1) == 0).all()


def test_a_small_feature_is_found_beside_large_ones() -> None:
    random = np.random.default_rng(2)
    targets = np.eye(2, dtype=bool)[np.arange(80) % 2]
    x = np.concatenate([random.normal(size=(80, 30)) * 10, 0.01 * (2 * targets[:, :1] - 1) + 0], axis=1)
    x[:, -1] += random.normal(size=80) * 0.002
    groups = [f"g{i // 2}" for i in range(80)]
    fitted = fit_linear(x[:60], targets[:60], groups[:60])
    assert (fitted(x[60:]).argmax(1) == targets[60:].argmax(1)).mean() > 0.9


def test_the_choice_is_made_on_groups_that_were_left_out() -> None:
    """A feature that names the group, whose clips are all of one class, would win within groups and fails beyond."""
    random = np.random.default_rng(3)
    group = np.arange(96) // 8
    targets = np.eye(2, dtype=bool)[group % 2]
    names = np.eye(12)[group] * 0.01
    truth = random.normal(size=(96, 1)) + 2.5 * targets[:, :1]
    x = np.concatenate([truth, names], axis=1)
    fitted = fit_linear(x, targets, [f"g{g}" for g in group])
    new = np.concatenate([truth, np.eye(12)[(group + 1) % 12] * 0.01], axis=1)  # the next group has the other class
    assert (fitted(new).argmax(1) == targets.argmax(1)).mean() > 0.8


def test_several_labels_a_clip() -> None:
    random = np.random.default_rng(4)
    targets = random.random((90, 4)) < 0.4
    targets[:, 3] = False
    x = np.concatenate([targets[:, :3] * 3.0 + random.normal(size=(90, 3)), random.normal(size=(90, 5))], axis=1)
    fitted = fit_linear(x, targets, [str(i) for i in range(90)], multi_label=True)
    assert ((fitted(x) > 0) == targets).mean() > 0.85
    assert (fitted(x)[:, 3] < 0).all()


@pytest.mark.parametrize("own_scale", [False, True])
@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize(("each", "num_features"), [(8, 90), (40, 12)])
def test_it_is_the_regression_of_scikit_learn_in_all_features(
    own_scale: bool, num_classes: int, each: int, num_features: int
) -> None:
    x, targets, _ = clips(num_classes, each=each, num_features=num_features)
    scaled = Scaled.of(x, own_scale)
    assert scaled.z.shape[1] < min(*x.shape) + (each > num_features)
    fitted = scaled.fit(targets, 0.1, False)(x)
    reference = LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000, tol=1e-8)
    reference.fit((x - scaled.centre) / scaled.scale, targets.argmax(axis=1))
    expected = reference.decision_function((x - scaled.centre) / scaled.scale)
    if num_classes == 2:
        assert np.allclose(fitted[:, 1] - fitted[:, 0], expected, atol=0.01)
    else:
        assert np.allclose(fitted, expected, atol=0.01)


def test_several_labels_are_as_many_regressions_of_scikit_learn() -> None:
    random = np.random.default_rng(5)
    x, targets = random.normal(size=(50, 80)), random.random((50, 3)) < 0.3
    scaled = Scaled.of(x, False)
    reference = LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000, tol=1e-8)
    z = (x - scaled.centre) / scaled.scale
    expected = np.stack([reference.fit(z, column).decision_function(z) for column in targets.T], axis=1)
    assert np.allclose(scaled.fit(targets, 0.1, True)(x), expected, atol=0.01)


def test_a_probe_of_two_hundred_clips_takes_seconds() -> None:
    """212 clips in 5,120 features: about 0.2 s of processor time; the limit leaves room for a slow machine."""
    random = np.random.default_rng(6)
    x = np.maximum(random.normal(size=(212, 5120)), 0)
    targets = np.eye(4, dtype=bool)[np.arange(212) % 4]
    start = time.process_time()
    fit_linear(x, targets, [f"g{i % 9}" for i in range(212)])
    assert time.process_time() - start < 5.0
