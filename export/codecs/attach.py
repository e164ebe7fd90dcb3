"""Write codecs, and add them to a bundle that exists. Knows files and manifests. Knows no codec by name."""

import importlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from unmask.bundle.manifest import MANIFEST, Bundle, Codec, File, read_manifest
from unmask.export.bundle_writer import describe
from unmask.export.checkpoint.weights import open_checkpoint
from unmask.export.codecs import module_of
from unmask.export.families import FAMILIES, family_of
from unmask.export.staging import staging

Say = Callable[[str], None]


def write_codecs(sources: Mapping[str, Path], checkpoint: Path | None, folder: Path, say: Say) -> dict[str, Codec]:
    """Write each codec into a folder of its name in `folder`, and return the manifest's records.

    sources: name of each codec -> its folder or file. checkpoint: of the model that is exported with them, if one is. Raises
    InputError for files of another model.
    """
    made = {}
    for name, source in sources.items():
        say(f"codec {name}: {source}")
        (folder / name).mkdir(parents=True)
        codec: Codec = importlib.import_module(module_of(name)).write(source, checkpoint, folder / name, say)
        made[name] = replace(codec, graphs={role: f"{name}/{file}" for role, file in codec.graphs.items()})
    return made


def codecs_inside(checkpoint: Path) -> dict[str, Path]:
    """Name of each codec that lies in a folder of the checkpoint, as its family keeps it -> the folder."""
    known: dict[str, str] = getattr(FAMILIES[family_of(open_checkpoint(checkpoint).config)], "CODECS", {})
    return {name: checkpoint / folder for name, folder in known.items() if (checkpoint / folder).is_dir()}


def add_codecs(target: Path, made: Path, codecs: Mapping[str, Codec]) -> Path:
    """Add codecs that `write_codecs` wrote in `made` to the bundle at `target`, in place of older ones of the same name.

    Other files of the bundle stay as they are, and are not copied where the disk can give a file a second name. Raises
    BundleError when the runtime would refuse the bundle, which then stays as it was.
    """
    bundle = Bundle(target, read_manifest(target))
    kept = [name for name in bundle.manifest.files if name.split("/")[0] not in codecs]
    with staging(target) as part:
        link_files(bundle, kept, part)
        for name in codecs:
            shutil.copytree(made / name, part / name, copy_function=os.replace)
        files: dict[str, File] = {name: bundle.manifest.files[name] for name in kept}
        for path in sorted(path for name in codecs for path in (part / name).rglob("*") if path.is_file()):
            files[path.relative_to(part).as_posix()] = describe(path)
        whole = replace(bundle.manifest, files=files, codecs={**bundle.manifest.codecs, **codecs})
        (part / MANIFEST).write_text(whole.to_json(), encoding="utf-8")
        read_manifest(part)
    return target


def link_files(bundle: Bundle, names: Iterable[str], folder: Path) -> None:
    """Give files of a bundle a second name below `folder`, or copy them where the disk has no such."""
    for name in names:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(bundle.path(name), target)
        except OSError:
            shutil.copyfile(bundle.path(name), target)
