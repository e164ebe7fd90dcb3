"""What `unmask bench`, `unmask compare` and `unmask tune` run."""

import contextlib
import os

from unmask.user_cache import NoCacheError, cache_folder

# Matplotlib keeps a list of fonts, and makes a folder for settings in the user's home, unless another place is named before it is
# imported. Without a home it takes a temporary folder by itself.
with contextlib.suppress(NoCacheError):
    os.environ.setdefault("MPLCONFIGDIR", str(cache_folder() / "matplotlib"))
