"""Settings of the teacher from either kind of Whisper folder."""

import json
from pathlib import Path

from unmask.training.teacher import read_settings


def test_settings_of_both_folders(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"suppress_ids": [1, 2], "alignment_heads": [[1, 0], [3, 4]]}))
    assert read_settings(tmp_path) == ([1, 2], [(1, 0), (3, 4)])
    (tmp_path / "generation_config.json").write_text(json.dumps({"suppress_tokens": [7], "alignment_heads": [[2, 5]]}))
    assert read_settings(tmp_path) == ([7], [(2, 5)])
