"""SwiftShader, a software driver for Vulkan that Chromium brings, as the GPU of a test."""

from pathlib import Path

import pytest

PLACES = ("/usr/lib/chromium", "/usr/lib/chromium-browser", "/opt/google/chrome")
ICD = next((path for place in PLACES if (path := Path(place) / "vk_swiftshader_icd.json").exists()), None)
needs_swiftshader = pytest.mark.skipif(ICD is None, reason="no SwiftShader here: it comes with Debian's chromium-common")


@pytest.fixture
def swiftshader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Libraries read these when they first ask Vulkan for a GPU."""
    monkeypatch.setenv("VK_ICD_FILENAMES", str(ICD))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER", "1")
