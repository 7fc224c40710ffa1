"""Every model as one graph: `torch.export`, and ONNX run by onnxruntime, equal to eager on other batches and times."""

from __future__ import annotations

import io

import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from kinesics.analysis.tested_runs import input_shape
from kinesics.models.build import fixes_steps
from kinesics.models.heads.ordered import cosine_moments
from kinesics.models.recognizer import Recognizer
from kinesics.models.registry import BACKBONES, list_models, parts_of
from kinesics.models.temporal.keypoints import RegionalShifts, spacing
from kinesics.models.temporal.shift import joined, shifted
from kinesics.training.optim import NORMS
from kinesics.video.view_plan import ViewPlan
from tests.models.test_contract import MULTIPLES, close, create, frames, steps

EXPORTED = ("tsm_resnet18", "mlfe_resnet18", "stp_resnet18", "plain_r3d50", "tefe_resnet18", "kpsem_resnet18")
"""Models that `make test` exports; `make test-slow` has all."""
CONVERTED = ("stp_resnet18",)
"""Those that it makes ONNX of, beside the key points; it takes ten seconds and more."""
SIZE = 64


def some(quick: tuple[str, ...]) -> list[object]:
    """All models' names; those that are not quick are marked slow."""
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in list_models()]


def time_stride(name: str) -> int:
    """Time steps of a clip for one of the last stage."""
    return max(BACKBONES[parts_of(name)[1]].time_strides)


def length(name: str) -> int:
    """T of the clips to export with."""
    return steps(name, max(4, time_stride(name)))


def filmed(name: str, n: int, t: int) -> Tensor:
    """(N, T, C, H, W): clips that differ as recordings do, by scene, by what moves in large, and by noise.

    On clips of noise alone the features of all are nearly the same, and BatchNorm makes errors of rounding large.
    """
    generator, channels = torch.Generator().manual_seed(n + t), frames(name)
    scene = torch.randn(n, 1, channels, 1, 1, generator=generator)
    large = F.interpolate(torch.randn(n * t, channels, 4, 4, generator=generator), (SIZE, SIZE), mode="bilinear")
    noise = torch.randn(n, t, channels, SIZE, SIZE, generator=generator)
    return scene + 1.5 * torch.unflatten(large, 0, (n, t)) + 0.2 * noise


def settled(name: str) -> Recognizer:
    """The model after one training batch, whose statistics are its own."""
    torch.manual_seed(0)
    model = create(name, 5, 4, dropout=0.0)
    nn.init.normal_(model.head.fc.weight, std=0.1)
    for module in model.modules():
        if isinstance(module, NORMS):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(filmed(name, 4, length(name)))
    return model.eval()


def has_free_steps(name: str) -> bool:
    """Whether T is free in a graph. torch.export finds conditions on a T that is halved more than once."""
    return not fixes_steps(name) and time_stride(name) <= 2


def exported(name: str, model: Recognizer) -> ExportedProgram:
    """The graph for any batch and, where T is free, for any T: three time steps or two segments at least."""
    free = {0: Dim("batch")}
    if has_free_steps(name):
        parts = MULTIPLES.get(name.partition("_")[0], 1)
        free[1] = Dim("steps", min=3) if parts == 1 else parts * Dim("segments", min=2)
    with torch.no_grad():
        return torch.export.export(model, (filmed(name, 2, length(name)),), dynamic_shapes={"clips": free})


def others(name: str) -> list[Tensor]:
    """Clips of other batches and, where T is free, of other T than those of the export, an odd one too."""
    lengths = [steps(name, t) for t in (7, 6)] if has_free_steps(name) else [length(name)] * 2
    return [filmed(name, n, t) for n, t in zip((3, 1), lengths, strict=True)]


@pytest.mark.parametrize("name", some(EXPORTED))
def test_the_exported_graph_is_eager(name: str) -> None:
    model = settled(name)
    graph = exported(name, model).module()
    for x in others(name):
        with torch.no_grad():
            assert torch.allclose(graph(x), model(x), atol=1e-4), tuple(x.shape)


@pytest.mark.parametrize("name", ["tsm_resnet18", "mlfe_resnet18"])
def test_a_graph_of_a_view_that_is_no_square_is_eager(name: str) -> None:
    """Exported for what a view plan gives the model, and saved and loaded between."""
    model, plan = settled(name), ViewPlan(num_segments=4, resize="96x64", size="96x64")
    shape = input_shape(model, plan)
    assert shape == (1, 4, 3, 64, 96)
    with torch.no_grad():
        program = torch.export.export(model, (torch.zeros(2, *shape[1:]),), dynamic_shapes={"clips": {0: Dim("batch")}})
        file = io.BytesIO()
        torch.export.save(program, file)
        file.seek(0)
        graph = torch.export.load(file).module()
        for n in (1, 3):
            x = torch.randn(n, *shape[1:])
            assert torch.allclose(graph(x), model(x), atol=1e-4)


@pytest.mark.parametrize("name", some(CONVERTED))
def test_onnx_is_eager(name: str) -> None:
    model = settled(name)
    converted = torch.onnx.export(exported(name, model), dynamo=True, verbose=False)
    assert converted is not None
    session = onnxruntime.InferenceSession(
        converted.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for x in others(name):
        with torch.no_grad():
            expected = model(x)
        found = torch.from_numpy(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])
        assert expected.std() > 0.1
        tolerance = close(name) if name.startswith("kpsem") else 1e-4
        assert torch.allclose(found, expected, atol=tolerance * max(1.0, float(expected.std()))), tuple(x.shape)


class Found(nn.Module):
    """Key points, their values and shifts as a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.shifts = RegionalShifts(8, sets=3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        found = self.shifts(x)
        return found.points, found.values, found.shifts


def test_onnx_finds_the_same_key_points_of_equal_values_too() -> None:
    torch.manual_seed(0)
    model = Found().eval()
    with torch.no_grad():
        graph = torch.export.export(model, (torch.rand(2, 4, 8, 4, 5),), dynamic_shapes={"x": {0: Dim("batch")}})
        converted = torch.onnx.export(graph, dynamo=True, verbose=False)
        assert converted is not None
        session = onnxruntime.InferenceSession(
            converted.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        x = (torch.randn(3, 4, 8, 4, 5) * 2).round().relu()  # many zeros, ones and twos
        points, values, shifts = (torch.from_numpy(y) for y in session.run(None, {"x": x.numpy()}))
        expected = model(x)
    assert torch.equal(points, expected[0])
    assert torch.equal(values, expected[1])
    assert torch.allclose(shifts, expected[2], atol=1e-5)


@pytest.mark.parametrize(("num_next", "num_last"), [(2, 2), (0, 2)])
@pytest.mark.parametrize("t", [1, 2, 5])
def test_the_shift_of_a_graph_is_the_shift(num_next: int, num_last: int, t: int) -> None:
    x = torch.randn(2 * t, 9, 3, 4)
    eager = shifted(x, t, (0, num_next), (num_next, num_next + num_last))
    assert torch.equal(joined(x, t, num_next, num_last), eager)


def test_moments_beyond_the_frames_are_zero() -> None:
    assert torch.equal(cosine_moments(4, 2)[2:], torch.zeros(2, 2))


def test_spacing_of_key_points_has_a_floor() -> None:
    values = torch.tensor([0.0, 2.0**-149, -1.0, 3.0], dtype=torch.float64)
    assert spacing(values).tolist() == [2.0**-180, 2.0**-180, 2.0**-44, 3 * 2.0**-44]
