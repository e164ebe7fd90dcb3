"""What a stretch of speech sounds like among its neighbors: added to the table of stretches, which knows each code alone."""

import torch.nn.functional as F
from torch import Tensor, nn


class Context(nn.Module):
    """Codes to what their neighbors change, by three convolutions over time."""

    def __init__(self, codes: int, numbers: int, width: int = 128, hidden: int = 256) -> None:
        """codes: how many there are; one more is silence beyond the ends. numbers: of a stretch."""
        super().__init__()
        self.rows = nn.Embedding(codes + 1, width, padding_idx=codes)
        self.near = nn.Conv1d(width, hidden, 5, padding=2)
        self.far = nn.Conv1d(hidden, hidden, 3, padding=1)
        self.out = nn.Conv1d(hidden, numbers, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, codes: Tensor) -> Tensor:
        """(B, N) -> (B, N, numbers), to be added to the stretches of the codes."""
        rows = self.rows(codes).mT
        inside = (codes != self.rows.padding_idx)[:, None]
        near = F.relu(self.near(rows)) * inside
        changed: Tensor = self.out(F.relu(self.far(near))).mT
        return changed
