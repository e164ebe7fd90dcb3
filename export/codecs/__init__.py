"""The codecs that can be exported: the one table that lists them.

A codec is a file in this folder with
    write(source, checkpoint, folder, say) -> Codec
which reads the codec's folder or file `source`, writes its graphs and weights into the empty `folder`, and returns the manifest's
record with file names as they are in `folder`. checkpoint: folder of the model that is exported with it, None when the codec is
added to a bundle that exists. It raises InputError for files of another model, and BundleError for
damaged ones.
"""

from unmask.errors import InputError

CODECS = {
    "magvit": "unmask.export.codecs.magvit",
    "stickers": "unmask.export.codecs.stickers",
    "sensevoice": "unmask.export.codecs.sensevoice",
    "glm-voice": "unmask.export.codecs.glm_voice",
    "hibari": "unmask.export.codecs.hibari",
    "higgs": "unmask.export.codecs.higgs",
    "higgs-voice": "unmask.export.codecs.higgs_voice",
}
"""Name in `unmask.bundle.codec_spec.CODECS` -> module, imported when it is asked for."""


def module_of(name: str) -> str:
    """Raises InputError for a codec that nothing here exports."""
    if name not in CODECS:
        raise InputError(f"no codec {name!r} can be exported; known: {', '.join(CODECS)}")
    return CODECS[name]
