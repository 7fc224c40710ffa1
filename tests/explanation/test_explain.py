"""Heat maps: the heat lies where and when the signal is, for every model and method."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinesics.errors import UserError
from kinesics.explanation.class_score import ClassScore
from kinesics.explanation.guided import GuidedReLU, GuidedReLUs, guided_gradient
from kinesics.explanation.methods import METHODS, MethodSettings, cam, enlarged, explain, gradcam, gradcam_pp, stage_of
from kinesics.explanation.pixels import Baseline, baseline_clip, integrated_gradients, occlusion
from kinesics.models.backbones.backbone import Backbone
from kinesics.models.backbones.c3d import C3D
from kinesics.models.heads.average import AverageHead
from kinesics.models.recognizer import Recognizer
from kinesics.models.registry import list_models
from tests.explanation.spots import CELLS, SIDE, SIZE, STEPS, Place, length_of, seeing_model, spotted

SOME = (
    "tsn_resnet18",
    "tsm_efficientnet_lite0",
    "mlfe_mobilenetv2",
    "stp_bninception",
    "tefe_efficientnet_lite0",
    "mdt_resnet18",
    "kpsem_resnet18",
    "plain_mfnet",
)
"""One model of every system, and every kind of backbone."""
QUICK = MethodSettings(steps=8, grid=3)


def gain(maps: Tensor, place: Place, length: int = 1) -> tuple[float, float, float]:
    """The share of heat in a spot, in its time step and in its place, each divided by what even heat would have."""
    t, row, column = place
    heat = F.avg_pool3d(enlarged(maps, (STEPS * length, SIZE, SIZE))[None], (length, 1, 1))[0]
    area = (slice(row * SIDE, (row + 1) * SIDE), slice(column * SIDE, (column + 1) * SIDE))
    total = heat.sum()
    inside, step, spot = heat[t][area].sum(), heat[t].sum(), heat[:, area[0], area[1]].sum()
    return (
        float(inside / total) * STEPS * CELLS**2,
        float(step / total) * STEPS,
        float(spot / total) * CELLS**2,
    )


def check(name: str, method: str, place: Place, settings: MethodSettings = QUICK) -> None:
    model = seeing_model(name)
    length = length_of(model)
    class_score = ClassScore(model, spotted(place, model.channels, length=length), 0)
    free = (place[0] + 1) % STEPS * length
    empty = ClassScore(model, class_score.clip[:, [free] * STEPS * length], 0)
    assert class_score.of_clips(class_score.clip) > empty.of_clips(empty.clip), "the model sees the spot"
    whole, when, where = gain(explain(class_score, method, settings), place, length)
    assert whole >= 3, f"{name} {method}: {whole:.1f} times the even share of the spot"
    # Maps of half as many time steps keep three quarters of the heat in an inner step; TEA mixes all neighbours.
    assert when >= (1.3 if name.startswith("tea") else 1.5 if length > 1 else 2)
    assert where >= 1.3


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", SOME)
def test_heat_lies_where_and_when_the_spot_is(name: str, method: str) -> None:
    check(name, method, (2, 1, 1))


@pytest.mark.parametrize("method", ["cam", "gradcam", "gradcam++", "guided-gradcam"])
def test_heat_follows_the_spot(method: str) -> None:
    check("tsn_resnet18", method, (1, 1, 2))
    model = seeing_model("tsn_resnet18")
    elsewhere = gain(explain(ClassScore(model, spotted((1, 1, 2), 3), 0), method), (3, 1, 0))
    assert elsewhere[0] < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", list_models())
def test_heat_lies_in_the_spot_for_every_model(name: str, method: str) -> None:
    full = name in SOME or name.endswith("bninception")  # where eight steps are too few for integrated gradients
    check(name, method, (2, 1, 1), MethodSettings() if full else QUICK)


@pytest.mark.parametrize("name", ["tsn_resnet18", "stp_bninception", "tefe_efficientnet_lite0"])
def test_a_class_activation_map_adds_up_to_the_score(name: str) -> None:
    model = seeing_model(name)
    class_score = ClassScore(model, spotted((2, 1, 1), 3), 0)
    features, gradient = class_score.features_and_gradient("layer5")
    with torch.no_grad():
        score = class_score.of_logits(class_score.logits()[None] - model.head.fc.bias)
    assert float((features * gradient).sum()) == pytest.approx(float(score), rel=1e-3)


@pytest.mark.parametrize("baseline", ["grey", "still"])
def test_integrated_gradients_add_up_to_what_the_clip_adds(baseline: Baseline) -> None:
    model = seeing_model("tsn_resnet18")
    class_score = ClassScore(model, spotted((2, 1, 1), 3), 0)
    gradients = integrated_gradients(class_score, baseline, steps=16)
    with torch.no_grad():
        expected = class_score.of_clips(class_score.clip) - class_score.of_clips(
            baseline_clip(class_score.clip, baseline)
        )
    assert float(gradients.sum()) == pytest.approx(float(expected), rel=0.12)


def test_occlusion_is_the_fall_of_the_score() -> None:
    model = seeing_model("tsm_resnet18")
    class_score = ClassScore(model, spotted((2, 1, 1), 3), 0)
    falls = occlusion(class_score, "grey", grid=3)
    covered = class_score.clip.clone()
    covered[0, 2, :, SIDE : 2 * SIDE, SIDE : 2 * SIDE] = 0
    with torch.no_grad():
        expected = class_score.of_clips(class_score.clip) - class_score.of_clips(covered)
    assert falls.shape == (STEPS, 3, 3)
    assert float(falls[2, 1, 1]) == pytest.approx(float(expected), abs=1e-4)


@pytest.mark.parametrize("method", ["cam", "gradcam", "gradcam++", "guided-gradcam"])
def test_what_all_classes_share_explains_nothing(method: str) -> None:
    model = seeing_model("tsn_resnet18")
    class_score = ClassScore(model, spotted((2, 1, 1), 3), 0)
    before, weight = explain(class_score, method), model.head.fc.weight.detach().clone()
    with torch.no_grad():
        model.head.fc.weight.add_(0.1)
    try:
        after = explain(class_score, method)
        independent = explain(ClassScore(model, class_score.clip, 0, multi_label=True), method)
    finally:
        with torch.no_grad():
            model.head.fc.weight.copy_(weight)
    assert torch.allclose(before, after, atol=1e-3 * float(before.max()))
    assert not torch.allclose(independent, after, atol=1e-2 * float(after.max())), "independent labels are not compared"


@pytest.mark.parametrize("method", ["cam", "gradcam", "gradcam++", "guided-gradcam"])
def test_frames_that_change_places_take_their_maps_along(method: str) -> None:
    model = seeing_model("tsn_resnet18")
    clip, order = spotted((2, 1, 1), 3), torch.tensor([2, 0, 3, 1])
    in_order = explain(ClassScore(model, clip, 0), method)
    reordered = explain(ClassScore(model, clip[:, order], 0), method)
    assert torch.allclose(reordered, in_order[order], atol=1e-3 * float(in_order.max()))


def test_maps_by_hand() -> None:
    features = torch.tensor([[[[2.0, 1.0]], [[0.0, 3.0]]]])  # one frame, two channels, 1 × 2 cells
    gradient = torch.tensor([[[[1.0, 3.0]], [[-1.0, 0.0]]]])
    assert cam(features, gradient).tolist() == [[[2.0, 3.0]]]
    assert gradcam(features, gradient).tolist() == [[[4.0, 0.5]]]  # weights 2 and -½
    weight = 1 / (2 * 1 + (2 + 1) * 1) * 1 + 9 / (2 * 9 + (2 + 1) * 27) * 3
    assert weight == pytest.approx(0.4727, abs=1e-4)
    assert torch.allclose(gradcam_pp(features, gradient), torch.tensor([[[2 * weight, weight]]]))


def test_gradcam_pp_follows_equation_19_term_by_term() -> None:
    """Equation 19 with the derivatives of exp(score) at a layer that is not the last, by autograd, place by place."""
    torch.manual_seed(0)
    features = torch.rand(1, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    last = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 1)).double()
    score = last(features)[0, 0]
    (gradient,) = torch.autograd.grad(score, features)
    expected = torch.zeros(4, 5, dtype=torch.float64)
    for channel in range(3):
        weight = 0.0
        for row in range(4):
            for column in range(5):
                # The network is linear near its input: the n-th derivative of exp(score) is exp(score) · gradient^n.
                first = float(gradient[0, channel, row, column])
                total = float(features[0, channel].detach().sum())
                alpha = first**2 / (2 * first**2 + total * first**3) if first else 0.0
                weight += alpha * max(first, 0.0)
        expected += weight * features[0, channel].detach()
    assert torch.allclose(gradcam_pp(features.detach(), gradient)[0], expected.relu(), rtol=1e-9)


def test_guided_relus_take_the_place_of_all_kinds() -> None:
    x = torch.tensor([-1.0, 2.0, 7.0, 3.0], requires_grad=True)
    upstream = torch.tensor([1.0, 1.0, 1.0, -1.0])
    kinds = {
        "F.relu": (F.relu, [0, 1, 1, 0]),
        "in place": (lambda v: F.relu(v + 0, inplace=True), [0, 1, 1, 0]),
        "torch": (torch.relu, [0, 1, 1, 0]),
        "method": (lambda v: v.relu(), [0, 1, 1, 0]),
        "module": (nn.ReLU(), [0, 1, 1, 0]),
        "module in place": (lambda v: nn.ReLU(inplace=True)(v + 0), [0, 1, 1, 0]),
        "relu6": (lambda v: F.relu6(v + 0, inplace=True), [0, 1, 0, 0]),
        "module 6": (nn.ReLU6(), [0, 1, 0, 0]),
        "another": (nn.Hardtanh(-5.0, 5.0), [1, 1, 0, -1]),
    }
    for name, (kind, expected) in kinds.items():
        with GuidedReLUs():
            y = kind(x)
        assert torch.equal(y, kind(x)), name
        (gradient,) = torch.autograd.grad((y * upstream).sum(), x)
        assert gradient.tolist() == expected, name
    (plain,) = torch.autograd.grad((F.relu(x) * upstream).sum(), x)
    assert plain.tolist() == [0, 1, 1, -1], "outside the context nothing is changed"


@pytest.mark.parametrize("name", SOME)
def test_the_guided_network_answers_as_before(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = seeing_model(name)
    class_score = ClassScore(model, spotted((2, 1, 1), model.channels), 0)
    calls = []
    forward = GuidedReLU.forward
    monkeypatch.setattr(GuidedReLU, "forward", staticmethod(lambda *a: calls.append(1) or forward(*a)))
    with torch.no_grad(), GuidedReLUs():
        guided = class_score.of_clips(class_score.clip)
    with torch.no_grad():
        assert torch.allclose(guided, class_score.of_clips(class_score.clip), atol=1e-4)
    assert len(calls) > 15
    assert guided_gradient(class_score).shape == class_score.clip.shape[1:]


class Halving(Backbone):
    """A backbone that convolves over time: it merges two time steps into one, and 16 pixels into one."""

    widths = dict.fromkeys(("layer2", "layer3", "layer4", "layer5"), 3)
    time_strides = (2, 2, 2, 2)

    def forward_stages(self, clips: Tensor, names: tuple[str, ...] = ("layer5",)) -> dict[str, Tensor]:
        x = F.avg_pool3d(clips.transpose(1, 2), (2, 16, 16)).transpose(1, 2)
        return dict.fromkeys(names, x)


@pytest.mark.parametrize("method", METHODS)
def test_features_of_fewer_time_steps_are_spread_over_the_clip(method: str) -> None:
    head = AverageHead(Halving.widths, 2, 0.0)
    with torch.no_grad():
        head.fc.weight.copy_(torch.tensor([[1.0, 1, 1], [-1, -1, -1]]))
    model = Recognizer(
        "tsn_resnet18", Halving(), head, num_classes=2, modality="rgb", arguments={"frames_per_segment": 1}
    ).eval()
    clip = torch.zeros(1, STEPS, 3, SIZE, SIZE)
    clip[0, 2, :, SIDE : 2 * SIDE, SIDE : 2 * SIDE] = 1
    maps = explain(ClassScore(model, clip, 0), method, QUICK)
    by_pixels = method in ("guided-gradcam", "integrated-gradients")
    assert maps.shape[0] == (STEPS if by_pixels else STEPS // 2)
    heat = enlarged(maps, (STEPS, SIZE, SIZE))
    assert heat.shape == (STEPS, SIZE, SIZE)
    assert heat[2:].sum() > 2 * heat[:2].sum()


def test_the_default_stage_is_that_of_the_backbone() -> None:
    model = seeing_model("tsn_resnet18")
    class_score = ClassScore(model, spotted((2, 1, 1), 3), 0)
    for method in ("gradcam", "gradcam++", "guided-gradcam"):
        assert stage_of(method, model) == "layer5"
        default = explain(class_score, method)
        model.backbone.heat_stage = "layer3"
        try:
            assert stage_of(method, model) == "layer3"
            assert torch.equal(explain(class_score, method), explain(class_score, method, MethodSettings("layer3")))
        finally:
            del model.backbone.heat_stage
        assert torch.equal(explain(class_score, method, MethodSettings("layer5")), default)


def test_stages_without_places_are_not_used() -> None:
    model = seeing_model("tsn_resnet18")
    assert [stage_of(method, model) for method in ("cam", "gradcam", "occlusion")] == ["layer5", "layer5", None]
    class_score = ClassScore(model, spotted((2, 1, 1), 3), 0)
    before = explain(class_score, "cam", MethodSettings("layer4"))
    model.backbone.mapped = C3D.mapped
    try:
        assert [stage_of(method, model) for method in ("cam", "gradcam", "occlusion")] == ["layer4", "layer4", None]
        assert torch.equal(explain(class_score, "cam"), before)
        with pytest.raises(
            UserError, match="the features of layer5 have no places in tsn_resnet18; expected one of layer2, layer3, "
        ):
            explain(class_score, "cam", MethodSettings("layer5"))
    finally:
        del model.backbone.mapped


def test_maps_are_spread_evenly_over_time() -> None:
    maps = torch.tensor([0.0, 4.0])[:, None, None].expand(2, 3, 3)
    assert enlarged(maps, (4, 6, 6))[:, 0, 0].tolist() == [0, 1, 3, 4]
    assert torch.equal(enlarged(maps, (2, 3, 3)), maps)


def test_unknown_names_raise_an_error() -> None:
    model = seeing_model("tsn_resnet18")
    class_score = ClassScore(model, spotted((2, 1, 1), 3), 0)
    with pytest.raises(UserError, match=r"unknown method 'gradcan'; did you mean 'gradcam'"):
        explain(class_score, "gradcan")
    with pytest.raises(UserError, match=r"unknown stage 'layer6'; did you mean 'layer"):
        MethodSettings(stage="layer6")
    with pytest.raises(UserError, match="unknown baseline"):
        integrated_gradients(class_score, "black")  # type: ignore[arg-type]


def test_gradcam_takes_one_forward_pass() -> None:
    model = seeing_model("tsn_resnet18")
    shapes: list[tuple[int, ...]] = []
    hook = model.backbone.conv1.register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0].shape)))
    try:
        explain(ClassScore(model, spotted((2, 1, 1), 3), 0), "gradcam")
    finally:
        hook.remove()
    assert shapes == [(STEPS, 3, SIZE, SIZE)], "one forward pass of one clip"
