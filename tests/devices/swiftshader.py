"""SwiftShader, a software driver for Vulkan that Chromium brings, as the GPU of tests."""

import os
from pathlib import Path

import pytest

PLACES = ("/usr/lib/chromium", "/usr/lib/chromium-browser", "/opt/google/chrome")
ICD = next((path for place in PLACES if (path := Path(place) / "vk_swiftshader_icd.json").exists()), None)
needs_swiftshader = pytest.mark.skipif(ICD is None, reason="no SwiftShader here: it comes with Debian's chromium-common")


def choose() -> None:
    """Before any test: a library that has found no GPU in this process does not look again."""
    if ICD is not None:
        os.environ.setdefault("VK_ICD_FILENAMES", str(ICD))
        os.environ.setdefault("ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER", "1")
