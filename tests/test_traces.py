"""What the tests keep of the exporter: a graph is another one where anything that it depends on is."""

import pytest
import torch
from torch import nn

from tests.traces import NotPlainError, parts, plain
from unmask.export.modules.backbone import RMSNorm


def told(module: nn.Module) -> str:
    return repr(parts(module))


def test_settings_sizes_and_each_number_count() -> None:
    same, other = RMSNorm(2000, 1e-5), RMSNorm(2000, 1e-5)
    assert told(same) == told(other)
    other.weight.data[1234] += 1e-3
    modules = [same, other, RMSNorm(2000, 1e-6), RMSNorm(1999, 1e-5), nn.Sequential(same, other), nn.Sequential(other, same)]
    assert len({told(module) for module in modules}) == len(modules)


def test_an_expanded_parameter_is_its_number_and_its_shape() -> None:
    first, second = (nn.Parameter(torch.full((1,), number).expand(3, 4)) for number in (0.3, 0.4))
    assert repr(plain(first)) != repr(plain(second)) != repr(plain(torch.full((1,), 0.4).expand(4, 3)))


def test_what_cannot_be_told_whole_is_not_kept() -> None:
    class Local(nn.Module):
        pass

    norm = RMSNorm(3, 1e-5)
    norm.scale = lambda x: x
    for module in (Local(), norm):
        with pytest.raises(NotPlainError):
            parts(module)
