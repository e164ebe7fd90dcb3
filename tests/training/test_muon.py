"""Muon's updates are those of PyTorch's own, which iterates in bfloat16."""

import torch

from unmask.training.muon import Muon, orthogonal


def test_updates_are_pytorchs() -> None:
    torch.manual_seed(0)
    shapes = [(64, 64), (64, 64), (128, 64), (64, 128)]
    own = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    others = [torch.nn.Parameter(matrix.detach().clone()) for matrix in own]
    ours = Muon(own, lr=0.01, weight_decay=0.1)
    theirs = torch.optim.Muon(others, lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for _ in range(4):
        for a, b in zip(own, others, strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        before = [matrix.detach().clone() for matrix in own]
        ours.step()
        theirs.step()
        for a, b, old in zip(own, others, before, strict=True):
            assert (a - b).norm() < 0.1 * (a - old).norm()
    assert (before[0] - own[0]).abs().max() > 0


def test_directions_that_a_gradient_has_are_equally_strong() -> None:
    torch.manual_seed(1)
    u, _, v = torch.linalg.svd(torch.randn(2, 48, 32), full_matrices=False)
    made = orthogonal(u @ torch.diag(torch.linspace(1, 20, 32)) @ v)
    strengths = torch.linalg.svdvals(made)
    assert strengths.min() > 0.6
    assert strengths.max() < 1.3
