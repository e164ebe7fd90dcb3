"""What a file is, by its first bytes; its name is not asked."""

from unmask.apps.audio.formats.byte_stream import ByteStream
from unmask.apps.audio.formats.mp3 import frame_at

WAV, MP3, FLAC, OGG = "WAV", "MP3", "FLAC", "Ogg"
DIRECT = ("AIFF", "AU", "CAF", "W64")  # libsndfile reads them, and must be able to go back in them
MEDIA = (
    "M4A or MP4",
    "QuickTime",
    "WebM or Matroska",
    "AAC",
    "AVI",
    "WMA",
    "AMR",
    "AC-3",
    "WavPack",
    "Monkey's Audio",
    "FLV",
    "MPEG",
)
"""What PyAV reads."""
STARTS = (
    (b"fLaC", FLAC),
    (b"OggS", OGG),
    (b"ID3", MP3),
    (b"RIFX", WAV),
    (b"RF64", WAV),
    (b"BW64", WAV),
    (b"FORM", "AIFF"),
    (b".snd", "AU"),
    (b"dns.", "AU"),
    (b"caff", "CAF"),
    (b"riff\x2e\x91\xcf\x11", "W64"),
    (b"\x1aE\xdf\xa3", "WebM or Matroska"),
    (b"0&\xb2u\x8ef\xcf\x11", "WMA"),
    (b"#!AMR", "AMR"),
    (b"wvpk", "WavPack"),
    (b"MAC \x96\x0f", "Monkey's Audio"),
    (b"FLV\x01", "FLV"),
    (b"\0\0\x01\xba", "MPEG"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b\x08", "a gzip archive"),
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG\r\n", "a PNG picture"),
    (b"\xff\xd8\xff\xe0", "a JPEG picture"),
    (b"\xff\xd8\xff\xe1", "a JPEG picture"),
    (b"<!DOCTYPE", "a web page"),
    (b"<!doctype", "a web page"),
    (b"<html", "a web page"),
    (b"MThd\0\0\0\x06", "MIDI, which holds notes and no sound"),
    (b"#EXTM3U", "a playlist"),
    (b"[playlist]", "a playlist"),
)
BRANDS = {b"ftyp": "M4A or MP4", b"moov": "QuickTime", b"mdat": "QuickTime", b"wide": "QuickTime"}
RIFFS = {b"WAVE": WAV, b"AVI ": "AVI"}


def identify(stream: ByteStream) -> str | None:
    """The name of the format, of this file; None if the first bytes are those of no format."""
    head = stream.peek(12)
    if head[:4] == b"RIFF":
        return RIFFS.get(head[8:12], WAV)
    if head[4:8] in BRANDS and head[:2] == b"\0\0":
        return BRANDS[head[4:8]]
    for start, name in STARTS:
        if head.startswith(start):
            return name
    if head[:1] == b"\xff" and _adts(stream):
        return "AAC"
    return MP3 if head[:1] == b"\xff" and frame_at(stream) else None


def _adts(stream: ByteStream) -> bool:
    """Whether two frames of AAC follow each other."""
    head = stream.peek(7)
    if len(head) < 7 or head[1] & 0xF6 != 0xF0:
        return False
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    after = stream.peek(2, size)
    return size > 7 and after[:1] == b"\xff" and after[1] & 0xF6 == 0xF0
