"""OmniVoice against its authors' package, where its environment is (`make omnivoice-env`)."""

from pathlib import Path

import pytest

from benchmarks.lab.omnivoice import oracle


@pytest.mark.slow
@pytest.mark.skipif(not oracle.PYTHON.is_file(), reason="no environment of OmniVoice; make omnivoice-env")
def test_everything_is_the_authors(tmp_path: Path) -> None:
    found = {one.what: one for one in oracle.compared(tmp_path)}
    assert {what: one.same for what, one in found.items() if one.same != 1} == {}
    assert {what: one.largest for what, one in found.items() if one.largest > 1e-3} == {}
    assert len(found) == 20
