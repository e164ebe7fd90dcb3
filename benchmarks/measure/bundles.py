"""What the measuring commands ask of any bundle: its engine, and whether two belong to one model."""

from unmask.bundle.manifest import Bundle, Manifest
from unmask.engines.known_engines import DEFAULT


def engine_of(manifest: Manifest) -> str:
    """The engine that runs graphs of any size if the bundle has some, otherwise the one that its graphs are for."""
    return DEFAULT if manifest.graphs else manifest.buckets[0].engine


def same_model(a: Bundle, b: Bundle) -> bool:
    """Whether both predict the same ids."""
    one, other = ((m.family, m.vocabulary.size, m.files[m.tokenizer].sha256) for m in (a.manifest, b.manifest))
    return one == other
