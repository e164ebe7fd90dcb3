"""PyTorch's files: tensors are read, code is never run, and what is wrong with a file is said in one line."""

import pickle
from pathlib import Path

import pytest
import torch

from unmask.errors import BundleError
from unmask.export.checkpoint.pickled import read_pickled

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(3, dtype=torch.bfloat16)}


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("nest", [lambda tensors: tensors, lambda tensors: {"epoch": 3, "state_dict": tensors}])
@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_are_read(tmp_path: Path, nest: object, zipped: bool) -> None:
    torch.save(nest(TENSORS), tmp_path / "model.pt", _use_new_zipfile_serialization=zipped)  # type: ignore[operator]
    read = read_pickled(tmp_path / "model.pt")
    assert read.keys() == TENSORS.keys()
    assert all(torch.equal(read[name], value) and read[name].dtype == value.dtype for name, value in TENSORS.items())


@pytest.mark.parametrize("zipped", [True, False])
def test_code_is_not_run(tmp_path: Path, zipped: bool) -> None:
    path, made = tmp_path / "model.pt", tmp_path / "made"
    torch.save({**TENSORS, "x": Trap(made)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(BundleError, match="holds more than tensors, which can be code"):
        read_pickled(path)
    assert not made.exists()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save(TENSORS, path)
    whole = path.read_bytes()
    broken = {
        "": "damaged",
        "hello": "damaged",
        whole[:1000]: "damaged",
        whole[: len(whole) - 100]: "damaged",
        pickle.dumps([1, 2]): "damaged|holds no tensors",
    }
    for data, reason in broken.items():
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        with pytest.raises(BundleError, match=reason) as raised:
            read_pickled(path)
        assert str(path) in str(raised.value)
        assert "\n" not in str(raised.value)
    torch.save([torch.ones(2)], path)
    with pytest.raises(BundleError, match="holds no tensors by name"):
        read_pickled(path)
    with pytest.raises(BundleError, match="missing"):
        read_pickled(tmp_path / "other.pt")
