"""Rates, groups, losses and averages against hand-made numbers and torch's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from kinesics.errors import UserError
from kinesics.models.build import create_model
from kinesics.settings import OptimConfig
from kinesics.training.optim import (
    AveragedWeights,
    class_weights,
    clip_losses,
    frozen_norms,
    make_optimizer,
    parameter_groups,
    rate_at,
    set_rates,
    term_losses,
    train_mode,
)
from kinesics.values import VideoItem


@pytest.mark.parametrize(("epoch", "rate"), [(0, 1), (19.99, 1), (20, 0.1), (39.9, 0.1), (40, 0.01), (50, 0.01)])
def test_step_schedule(epoch: float, rate: float) -> None:
    assert rate_at(OptimConfig(epochs=50), epoch) == pytest.approx(rate)


def test_cosine_after_a_warm_up() -> None:
    optim = OptimConfig(epochs=10, schedule="cosine", warmup_epochs=2)
    rates = [rate_at(optim, epoch) for epoch in (0, 1, 2, 6, 10)]
    assert rates == pytest.approx([0.1, 0.55, 1, 0.5, 0])


def test_groups_of_tsn() -> None:
    model = create_model("tsm_resnet18", 5)
    optim = OptimConfig(learning_rate=0.1, batch_norm="train")
    optimizer = make_optimizer(model, optim)
    set_rates(optimizer, 0.1)
    grouped = [p for group in optimizer.param_groups for p in group["params"]]
    assert len(grouped) == len(list(model.parameters())) == len({id(p) for p in grouped})
    for group in optimizer.param_groups:
        assert group["lr"] == pytest.approx(0.5 if group["name"].startswith("head") else 0.1)
        assert all((p.ndim > 1) == bool(group["weight_decay"]) for p in group["params"])


def test_the_backbone_learns_slower_the_lower() -> None:
    model = create_model("tsm_resnet18", 5)
    optimizer = make_optimizer(model, OptimConfig(backbone_rate=0.01, frozen_stages=1, batch_norm="frozen"))
    rates = {group["name"].split(".")[0]: group["rate"] for group in optimizer.param_groups}
    backbone = [rates[name] for name in sorted(rates) if name.startswith("stage")]
    assert "stage0" not in rates
    assert backbone == sorted(backbone)
    assert backbone[-1] == 1
    assert rates["head"] == 5
    assert not model.backbone.get_parameter(f"{model.backbone.first_conv}.weight").requires_grad


def test_first_convolution_and_biases_on_flow_as_in_tsn_s_code() -> None:
    """github.com/yjxiong/tsn-pytorch, get_optim_policies; the classifier's multiples are TSM's."""
    model = create_model("stp_bninception", 5, modality="flow", frames_per_segment=5)
    groups = parameter_groups(model, OptimConfig(first_conv_rate=5, bias_rate=2, weight_decay=5e-4, batch_norm="train"))
    rates = {id(p): (group["rate"], group["weight_decay"]) for group in groups for p in group["params"]}  # type: ignore[attr-defined]
    norms = {name for name, module in model.named_modules() if isinstance(module, torch.nn.BatchNorm2d)}
    for name, parameter in model.named_parameters():
        module, _, kind = name.rpartition(".")
        rate = 5.0 if name.startswith(f"backbone.{model.backbone.first_conv}.") or name.startswith("head.") else 1.0
        if kind == "bias" and module not in norms:
            rate *= 2
        assert rates[id(parameter)] == (rate, 5e-4 if parameter.ndim > 1 else 0.0), name
    assert rates[id(model.backbone.get_parameter(f"{model.backbone.first_conv}.bias"))] == (10, 0)


def test_nesterov_s_momentum() -> None:
    model = create_model("tsn_resnet18", 3)
    assert make_optimizer(model, OptimConfig(nesterov=True)).defaults["nesterov"]
    assert not make_optimizer(model, OptimConfig()).defaults["nesterov"]
    with pytest.raises(UserError, match=r"optim\.nesterov is true and optim\.optimizer is adamw; expected sgd"):
        OptimConfig(nesterov=True, optimizer="adamw")


@pytest.mark.parametrize(("kind", "moving"), [("train", 20), ("partial", 1), ("frozen", 0)])
def test_which_norms_move(kind: str, moving: int) -> None:
    model = create_model("tsn_resnet18", 3)
    optim = OptimConfig(batch_norm=kind)  # type: ignore[arg-type]
    make_optimizer(model, optim)
    train_mode(model, optim)
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert sum(m.training for m in norms) == sum(m.weight.requires_grad for m in norms) == moving
    assert len(norms) - len(frozen_norms(model, optim)) == moving


@pytest.mark.parametrize("name", ["tefe_resnet18", "tea_res2net50", "mdt_resnet18"])
@pytest.mark.parametrize("kind", ["partial", "frozen"])
def test_what_a_system_adds_is_never_frozen(name: str, kind: str) -> None:
    model = create_model(name, 3)
    optim = OptimConfig(frozen_stages=4, batch_norm=kind)  # type: ignore[arg-type]
    learning = {id(p) for group in parameter_groups(model, optim) for p in group["params"]}  # type: ignore[attr-defined]
    train_mode(model, optim)
    added = {key for key, _ in model.named_parameters() if "temporal" in key}
    assert added
    for key, parameter in model.named_parameters():
        if key in added:
            assert id(parameter) in learning, key
        elif model.stage_of(key) in (0, 1, 2, 3):
            assert id(parameter) not in learning, key
    for key, module in model.named_modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d) and "temporal" in key:
            assert module.training, key


@given(st.integers(1, 5), st.integers(2, 6), st.integers(0, 99), st.sampled_from([0.0, 0.1]))
def test_losses_equal_torch(n: int, k: int, seed: int, smoothing: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, k, generator=generator) * 5
    labels = torch.randint(k, (n,), generator=generator)
    targets = torch.nn.functional.one_hot(labels, k).float()
    weights = torch.rand(k, generator=generator)
    ours = clip_losses(logits, targets, multi_label=False, smoothing=smoothing)
    assert torch.allclose(ours, cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing), atol=1e-5)
    weighed = clip_losses(logits, targets, multi_label=False, weights=weights)
    assert torch.allclose(weighed, cross_entropy(logits, labels, weight=weights, reduction="none"), atol=1e-5)
    multi = clip_losses(logits, targets, multi_label=True)
    assert torch.allclose(multi.mean(), binary_cross_entropy_with_logits(logits, targets), atol=1e-5)


def test_class_weights_even_out_the_classes() -> None:
    items = [VideoItem(str(i), Path("x"), (label,)) for i, label in enumerate([0, 0, 0, 2])]
    weights = class_weights(items, 3)
    assert weights.tolist() == pytest.approx([4 / 6, 0, 2])
    assert sum(weights[item.labels[0]] for item in items) == pytest.approx(len(items))


def test_the_average_follows_the_weights() -> None:
    layer = torch.nn.BatchNorm1d(2)
    average = AveragedWeights(layer, 0.5)
    with torch.no_grad():
        layer.weight.fill_(3.0)
        layer.num_batches_tracked.fill_(7)
    average.update(layer)
    assert average.state["weight"].tolist() == pytest.approx([1 + 2 * 0.9] * 2)  # first steps forget the start faster
    assert average.state["num_batches_tracked"] == 7
    for _ in range(40):
        average.update(layer)
    assert average.state["weight"].tolist() == pytest.approx([3.0] * 2)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("tsn_resnet18", {}),
        ("tsm_resnet18", {"head": "ordered"}),
        ("mlfe_resnet18", {}),
        ("mlfe_resnet18", {"fusion": "concat", "fc_hidden": 4}),
        ("mlfe_resnet18", {"weight": 0.0}),
        ("mlfe_resnet18", {"tsm_loss": False}),
        ("mlfe_resnet18", {"tsm_loss": False, "layers": ["layer3"]}),
    ],
)
def test_what_is_trained_gets_a_gradient(name: str, arguments: dict[str, Any]) -> None:
    """Processes that train together wait for the gradient of every parameter that is trained."""
    model = create_model(name, 3, **arguments)
    groups = parameter_groups(model, OptimConfig(batch_norm="train"))
    terms = model(torch.randn(2, 3, 3, 32, 32), terms=True)
    term_losses(terms, torch.eye(3)[:2], multi_label=False).mean().backward()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    assert sum(len(group["params"]) for group in groups) > 10  # type: ignore[arg-type]
