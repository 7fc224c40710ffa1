"""MLFE: the invariants and counts of its specification."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from kinesics.errors import UserError
from kinesics.metrics.cost import cost
from kinesics.models.build import create_model
from kinesics.models.heads.crops import Way, crop, crops_at, peaks, starts
from kinesics.models.heads.local import LocalHead, default_way
from kinesics.models.heads.weighted_norm import batch_norm

WIDTHS = {"layer2": 8, "layer3": 12, "layer4": 16, "layer5": 20}
WAYS: tuple[Way, ...] = ("class", "cells", "unique")


def features(n: int = 2, t: int = 3, cells: tuple[int, int] = (3, 4), seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(n, t, width, cells[0] * 2 ** (3 - i), cells[1] * 2 ** (3 - i), generator=generator)
        for i, (name, width) in enumerate(WIDTHS.items())
    }


def head(num_classes: int = 5, seed: int = 0, **arguments: object) -> LocalHead:
    torch.manual_seed(seed)
    made = LocalHead(WIDTHS, num_classes, 0.0, **arguments)  # type: ignore[arg-type]
    nn.init.normal_(made.fc.weight)
    return made


def number(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("backbone", "layer", "hidden", "wanted"),
    [
        ("resnet50", "layer2", 0, 70_657),
        ("resnet50", "layer3", 0, 280_577),
        ("resnet50", "layer4", 0, 1_025),
        ("resnet50", "layer2", 64, 86_913),
        ("resnet50", "layer3", 64, 312_961),
        ("resnet50", "layer4", 64, 65_665),
        ("bninception", "layer2", 0, 39_937),
        ("bninception", "layer3", 0, 110_081),
        ("bninception", "layer4", 0, 609),
    ],
)
def test_parameters_of_each_lfe(backbone: str, layer: str, hidden: int, wanted: int) -> None:
    plain = create_model(f"tsm_{backbone}", 7)
    assert number(create_model(f"mlfe_{backbone}", 7, layers=[layer], fc_hidden=hidden)) - number(plain) == wanted


@pytest.mark.parametrize(
    ("backbone", "hidden", "wanted"), [("resnet50", 0, 352_259), ("resnet50", 64, 465_539), ("bninception", 0, 150_627)]
)
def test_parameters_of_all_three(backbone: str, hidden: int, wanted: int) -> None:
    plain = create_model(f"tsm_{backbone}", 7)
    assert number(create_model(f"mlfe_{backbone}", 7, fc_hidden=hidden)) - number(plain) == wanted


@pytest.mark.parametrize(
    ("num_classes", "wanted"), [(7, 23.522), (10, 23.529), (51, 23.613), (101, 23.715), (174, 23.865), (400, 24.328)]
)
def test_parameters_of_the_base(num_classes: int, wanted: float) -> None:
    assert number(create_model("mlfe_resnet50", num_classes, weight=0.0).backbone) == 23_508_032
    assert number(create_model("tsm_resnet50", num_classes)) / 1e6 == pytest.approx(wanted, abs=5e-4)


@pytest.mark.parametrize(
    ("layers", "num_classes", "way", "giga"),
    [
        (("layer2",), 10, None, 0.3646),
        (("layer3",), 10, None, 0.3646),
        (("layer4",), 10, None, 0.0081),
        (("layer2", "layer3", "layer4"), 10, None, 0.7212),
        (("layer2", "layer3", "layer4"), 10, "cells", 3.50),
        (("layer2", "layer3", "layer4"), 52, "class", 3.75),
        (("layer2", "layer3", "layer4"), 174, None, 3.64),
        (("layer2", "layer3", "layer4"), 400, None, 3.82),
    ],
)
def test_added_macs(layers: tuple[str, ...], num_classes: int, way: Way | None, giga: float) -> None:
    shape = (1, 8, 3, 224, 224)
    base = cost(create_model("tsm_resnet50", num_classes), shape).macs
    found = cost(create_model("mlfe_resnet50", num_classes, layers=layers, way=way), shape).macs - base
    assert found / 1e9 == pytest.approx(giga, abs=0.5 * 10 ** -len(str(giga).partition(".")[2]) + 5e-5)


@pytest.mark.parametrize(("size", "giga"), [(224, 32.70), (256, 42.71)])
def test_macs_of_the_base(size: int, giga: float) -> None:
    assert cost(create_model("tsm_resnet50", 10), (1, 8, 3, size, size)).macs / 1e9 == pytest.approx(giga, abs=0.005)
    if size == 224:
        model = create_model("tsm_resnet50", 10, modality="flow", frames_per_segment=5)
        assert number(model.backbone) == 23_529_984
        assert cost(model, (1, 1, 10, 224, 224)).macs / 1e9 == pytest.approx(4.3625, abs=5e-5)
        assert cost(create_model("tsm_resnet50", 10), (1, 1, 3, 224, 224)).macs / 1e9 == pytest.approx(4.0872, abs=5e-5)


def test_without_weight_it_is_tsm_bit_for_bit() -> None:
    torch.manual_seed(0)
    mlfe = create_model("mlfe_resnet18", 4, weight=0.0).eval()
    tsm = create_model("tsm_resnet18", 4).eval()
    tsm.load_state_dict({name: x for name, x in mlfe.state_dict().items() if name in tsm.state_dict()})
    nn.init.normal_(tsm.head.fc.weight)
    mlfe.head.fc.weight.data.copy_(tsm.head.fc.weight.data)
    x = torch.randn(1, 4, 3, 48, 48)
    assert torch.equal(mlfe(x), tsm(x))


def test_a_peak_is_the_first_highest_cell_and_has_no_gradient() -> None:
    x = torch.zeros(1, 2, 3, 4)
    x[0, 0, 1, 2] = x[0, 0, 2, 3] = 5.0
    x[0, 1, 2, 0] = 1.0
    x.requires_grad_()
    weight = torch.eye(2, requires_grad=True)
    found = peaks(x, weight)
    assert found.tolist() == [[1 * 4 + 2, 2 * 4 + 0]]
    assert not found.requires_grad
    with torch.autocast("cpu", torch.bfloat16):
        near = 1 + torch.rand(64, 8, 7, 7, generator=torch.Generator().manual_seed(0)) * 1e-3
        rows = torch.rand(9, 8, generator=torch.Generator().manual_seed(1))
        maps = torch.einsum("kd,bdhw->bkhw", rows.double(), near.double()).flatten(2)
        peak = maps.gather(2, peaks(near, rows)[..., None])[..., 0]
        assert (maps.amax(dim=2) - peak).max() < 1e-5


@pytest.mark.parametrize(
    ("size", "num_cells", "scale"), [(56, 7, 8), (28, 7, 4), (9, 2, 8), (17, 3, 8), (5, 2, 4), (3, 1, 8)]
)
def test_a_crop_is_equation_six_and_stays_inside(size: int, num_cells: int, scale: int) -> None:
    first, length = starts(torch.arange(num_cells), num_cells, size, scale)
    assert length == min(scale, size)
    assert int(first.min()) >= 0
    assert int(first.max()) + length <= size
    if size == num_cells * scale:
        assert first.tolist() == [p * scale for p in range(num_cells)]


def test_a_crop_is_that_patch() -> None:
    x = torch.arange(2 * 3 * 8 * 12.0).reshape(2, 3, 8, 12)
    found = crop(x, torch.tensor([1, 0]), torch.tensor([5, 2]), (2, 3), 4)  # rows 1 and 0, columns 2 and 2
    assert torch.equal(found, torch.stack([x[1, :, 4:8, 8:12], x[0, :, 0:4, 8:12]]))


def test_the_score_depends_on_nothing_but_the_crop() -> None:
    made, x = head(2).eval(), features(1, 1)
    peak = peaks(x["layer5"].flatten(0, 1), made.fc.weight)
    cells = x["layer5"].shape[-2:]
    row, column = int(peak[0, 0]) // cells[1], int(peak[0, 0]) % cells[1]
    changed = x["layer2"].clone().fill_(7.0)
    place = (..., slice(row * 8, row * 8 + 8), slice(column * 8, column * 8 + 8))
    changed[place] = x["layer2"][place]
    for way in WAYS:
        made.way = way
        same, other = (made.pooled("layer2", map[0], peak, cells) for map in (x["layer2"], changed))
        assert torch.allclose(same[0, 0], other[0, 0], atol=1e-6)
        assert peak[0, 0] == peak[0, 1] or not torch.allclose(same[0, 1], other[0, 1], atol=1e-3)


@pytest.mark.parametrize("fusion", ["average", "sum", "concat"])
@pytest.mark.parametrize("training", [False, True])
def test_all_ways_agree(fusion: str, training: bool) -> None:
    found = []
    for way in WAYS:
        made = head(30, fusion=fusion, way=way)
        made.train(training)
        x = {name: value.requires_grad_() for name, value in features().items()}
        y = made(x)
        y.square().sum().backward()
        state = {name: value for name, value in made.state_dict().items() if "running" in name or "tracked" in name}
        gradients = {name: p.grad for name, p in made.named_parameters() if p.grad is not None}
        found.append((y, state, gradients, x["layer2"].grad, x["layer3"].grad))
    for one, other in itertools.pairwise(found):
        assert torch.allclose(one[0], other[0], atol=1e-5)
        for mine, theirs in ((one[1], other[1]), (one[2], other[2])):
            assert mine.keys() == theirs.keys()
            for name in mine:
                assert torch.allclose(mine[name], theirs[name], atol=1e-5), name
        assert torch.allclose(one[3], other[3], atol=1e-5)
        assert torch.allclose(one[4], other[4], atol=1e-5)


def test_counted_norm_is_batch_norm_of_repeats() -> None:
    torch.manual_seed(0)
    x, counts = torch.randn(6, 3, 2, 2), torch.tensor([2, 0, 1, 5, 1, 3])
    ours, theirs = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    index = torch.arange(6).repeat_interleave(counts)
    assert torch.allclose(batch_norm(ours, x, counts)[index], theirs(x[index]), atol=1e-5)
    assert torch.allclose(ours.running_var, theirs.running_var)
    assert torch.allclose(ours.running_mean, theirs.running_mean)
    assert ours.num_batches_tracked == theirs.num_batches_tracked == 1
    assert torch.equal(batch_norm(ours.eval(), x, counts), ours(x))


@pytest.mark.parametrize("way", WAYS)
def test_local_scores_are_a_distribution_and_a_sum_is_three_averages(way: Way) -> None:
    average, x = head(6, way=way).eval(), features()
    local = average.local(x)
    assert local.shape == (2, 6)
    assert local.min() >= 0
    assert torch.allclose(local.sum(dim=1), torch.ones(2), atol=1e-6)
    added = head(6, way=way, fusion="sum").eval()
    added.load_state_dict(average.state_dict())
    assert torch.allclose(added.local(x), 3 * local, atol=1e-6)


def test_permuting_classes_permutes_scores() -> None:
    made, x = head(5).eval(), features()
    order = torch.tensor([3, 0, 4, 1, 2])
    before = made(x)
    made.fc.weight.data, made.fc.bias.data = made.fc.weight.data[order], made.fc.bias.data[order]
    assert torch.allclose(made(x), before[:, order], atol=1e-5)


def test_the_local_loss_reaches_low_stages_and_neither_the_classifier_nor_layer5() -> None:
    torch.manual_seed(0)
    model = create_model("mlfe_resnet18", 4, tsm_loss=False)
    ((logits, weight),) = model(torch.randn(2, 3, 3, 64, 64), terms=True)
    assert weight == pytest.approx(0.1)
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1])).backward()
    reached = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert {"backbone.conv1.weight", "backbone.layer1.0.conv1.weight", "backbone.layer3.1.conv2.weight"} <= reached
    assert not [name for name in reached if name.startswith(("head.fc.", "backbone.layer4."))]


def test_what_is_trained_is_both_and_what_is_answered_their_sum() -> None:
    made, x = head(4).eval(), features()
    (whole, one), (local, share) = made.terms(x)
    assert (one, share) == (1.0, 0.1)
    assert torch.allclose(made(x), whole + 0.1 * local, atol=1e-6)


def test_a_double_softmax_is_confined() -> None:
    """The bounds that the class documents."""
    k = 6
    low, high = math.log(1 + (k - 1) / math.e), math.log(math.e + k - 1)
    losses = [torch.nn.functional.cross_entropy(torch.eye(k)[i][None], torch.tensor([0])).item() for i in (0, 1)]
    assert losses == pytest.approx([low, high], abs=1e-5)


@pytest.mark.parametrize(("height", "width"), [(224, 224), (256, 340), (33, 65)])
@pytest.mark.parametrize("backbone", ["resnet18", "bninception", "efficientnet_lite0"])
def test_sizes_that_do_not_divide(backbone: str, height: int, width: int) -> None:
    torch.manual_seed(0)
    model = create_model(f"mlfe_{backbone}", 60).eval()
    with torch.no_grad():
        x = torch.randn(1, 1, 3, height, width)
        found = []
        for way in WAYS:
            model.head.way = way
            found.append(model(x))
    assert found[0].isfinite().all()
    assert torch.allclose(found[0], found[1], atol=1e-5)
    assert torch.allclose(found[0], found[2], atol=1e-5)


def test_bfloat16_gives_float32_scores() -> None:
    model = create_model("mlfe_resnet18", 5).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert model(torch.randn(1, 2, 3, 64, 64)).isfinite().all()
        local = model.head.local(model.backbone.forward_stages(torch.randn(1, 2, 3, 64, 64), model.head.needs))
    assert local.dtype == torch.float32


@pytest.mark.parametrize(
    ("num_classes", "fixed", "wanted"), [(49, False, "class"), (50, False, "unique"), (50, True, "cells")]
)
def test_the_way_is_bounded(num_classes: int, fixed: bool, wanted: str) -> None:
    assert default_way(num_classes, 49, fixed=fixed) == wanted


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": ["layer5"]}, "unknown layer"),
        ({"layers": []}, "need a layer"),
        ({"fusion": "averge"}, "fusion is 'averge'; expected "),
        ({"scores": "logit"}, "scores is 'logit'; expected "),
        ({"way": "cell"}, "way is 'cell'; expected "),
        ({"weight": -1.0}, "0 or more"),
        ({"weight": 0.0, "tsm_loss": False}, "there is no loss"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        create_model("mlfe_resnet18", 3, **arguments)


def test_crops_of_all_ways_are_the_same_patches() -> None:
    x, peak = torch.randn(2, 3, 16, 24), torch.tensor([[0, 5, 5, 1], [2, 2, 2, 2]])
    found = [crops_at(x, peak, (2, 3), 8, way) for way in WAYS]
    for crops, counts, index in found:
        assert torch.equal(crops[index], found[0][0][found[0][2]])
        assert counts is None or int(counts.sum()) == peak.numel()
    assert [len(crops) for crops, _, _ in found] == [8, 12, 4]


@pytest.mark.parametrize("hidden", [0, 64])
@pytest.mark.parametrize("fusion", ["average", "concat"])
def test_the_scores_start_near_zero_as_the_classifier_does(hidden: int, fusion: str) -> None:
    torch.manual_seed(0)
    head = create_model("mlfe_resnet18", 5, fc_hidden=hidden, fusion=fusion).head
    assert isinstance(head, LocalHead)
    for score in head.score.values():
        last = score[-1] if isinstance(score, nn.Sequential) else score
        assert isinstance(last, nn.Linear)
        assert 0.0005 < float(last.weight.detach().std()) < 0.0015
        assert float(last.bias.detach()) == 0


def test_local_features_have_dropout_in_training_alone() -> None:
    torch.manual_seed(0)
    model = create_model("mlfe_resnet18", 5, dropout=0.9, scores="logits").eval()
    head = model.head
    assert isinstance(head, LocalHead)
    with torch.no_grad():
        features = model.backbone.forward_stages(torch.randn(2, 3, 3, 64, 64), head.needs)
        assert torch.equal(head.local(features), head.local(features))
        head.dropout.train()
        assert not torch.equal(head.local(features), head.local(features))


def test_one_layer_may_be_named_alone() -> None:
    head = create_model("mlfe_resnet18", 3, layers="layer2").head
    assert isinstance(head, LocalHead)
    assert head.layers == ("layer2",)
    with pytest.raises(UserError, match="layer9"):
        create_model("mlfe_resnet18", 3, layers="layer9")
