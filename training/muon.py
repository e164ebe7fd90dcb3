"""Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/): the update of a matrix is orthogonal.

As torch.optim.Muon with its default numbers, but for all matrices of a shape at once, and in the parameters' own type unless
autocast says otherwise. PyTorch's iterates in bfloat16, which takes twenty times as long on CPUs that do not multiply it.
"""

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
STEPS = 5
A, B, C = 3.4445, -4.7750, 2.0315  # of the quintic: steep at zero, and so settled within so few steps


class Muon(torch.optim.Optimizer):
    def __init__(self, matrices: Sequence[nn.Parameter], lr: float, weight_decay: float) -> None:
        """lr: as for AdamW: updates have the root mean square of its updates (0.2)."""
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            shapes = defaultdict[torch.Size, list[nn.Parameter]](list)
            for matrix in group["params"]:
                shapes[matrix.shape].append(matrix)
            for shape, matrices in shapes.items():
                step = group["lr"] * 0.2 * max(shape) ** 0.5
                for matrix, update in zip(matrices, orthogonal(torch.stack([*map(self._momentum, matrices)])), strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"]).sub_(update, alpha=step)

    def _momentum(self, matrix: nn.Parameter) -> Tensor:
        """Nesterov's: the gradient, and the mean of all with this one."""
        assert matrix.grad is not None
        mean = self.state[matrix].setdefault("momentum_buffer", torch.zeros_like(matrix))
        mean.lerp_(matrix.grad, 1 - MOMENTUM)
        return matrix.grad.lerp(mean, MOMENTUM)


def orthogonal(matrices: Tensor) -> Tensor:
    """(K, M, N) -> the same with singular values near 1, but for the smallest: Newton and Schulz's iteration."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=1e-7)
    for _ in range(STEPS):
        gram = x @ x.mT
        x = A * x + (B * gram + C * gram @ gram) @ x
    return x.mT if tall else x
