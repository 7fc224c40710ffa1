"""The fitted linear classifier: it finds what is there, treats classes alike and never looks across groups."""

from __future__ import annotations

import numpy as np
import pytest

from kinesics.training.linear import NEVER, Scaled, fit_linear


def clips(
    num_classes: int, each: int = 12, num_features: int = 20, shift: float = 3.0
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Noise, with class k told by feature k."""
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
    assert fitted.bias[1] == pytest.approx(NEVER)
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


@pytest.mark.parametrize("each", [False, True])
def test_fewer_clips_than_features_give_the_regression_of_all_features(each: bool) -> None:
    x, targets, _ = clips(3, each=8, num_features=90)
    quick = Scaled.of(x, each)
    assert quick.basis is not None and quick.z.shape == (24, 24)
    whole = Scaled((x - quick.centre) / quick.scale, None, quick.centre, quick.scale)
    assert np.allclose(quick.fit(targets, 0.1, False)(x), whole.fit(targets, 0.1, False)(x), atol=0.01)
