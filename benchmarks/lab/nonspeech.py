"""Words written where nobody speaks English: per minute of silence, noise, tones and babble; how unsure in other languages.

    python -m benchmarks.lab.nonspeech --data DATA --bundles models/moonshine-tiny-en [--languages]

Noise is of the kinds kept for testing; babble is seven test speakers at once. Babble contains speech, so a word there is not
necessarily invented; it shows how much of a crowd is written down. `--languages` prints instead how many words are unsure in
English speech, clean, noisy and of learners, and in the voices of other languages of espeak-ng, which must be installed.
"""

import io
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from benchmarks.lab.word_errors import Write, bundle_text
from unmask import Captioner, load_bundle
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.speech.words import FEWEST_WORDS, mostly_unsure, unsure_share
from unmask.training.augment import babble, colored, mix, tones
from unmask.training.corpus import read_corpus, read_corpus_split

Audio = NDArray[np.float32]
PIECE_S = 10.0
MADE_DB = -20.0  # of full scale: what noise and tones are made at, as root mean square


@dataclass(frozen=True)
class NonspeechOptions:
    data: Path
    """Folder with `test/librispeech` and `noise/noise`."""
    bundles: tuple[Path, ...]
    pieces: int = 12
    """Of ten seconds, of each kind that is made."""
    languages: bool = False
    """How unsure words are in English and in other languages."""


def main(options: Annotated[NonspeechOptions, cyclopts.Parameter(name="*")]) -> None:
    if options.languages:
        print_unsure(options)
        return
    kinds = sounds(options)
    print("| words per minute | " + " | ".join(kinds) + " |\n|---|" + "---|" * len(kinds))
    for name, write in writers(options).items():
        rates = [sum(len(write(piece).split()) for piece in pieces) / minutes(pieces) for pieces in kinds.values()]
        print(f"| {name} | " + " | ".join(f"{rate:.1f}" for rate in rates) + " |", flush=True)
    print("| minutes | " + " | ".join(f"{minutes(pieces):.1f}" for pieces in kinds.values()) + " |")


def sounds(options: NonspeechOptions) -> dict[str, list[Audio]]:
    rng = np.random.default_rng(7)
    voices = [u.samples for u in read_corpus(options.data / "test" / "librispeech")]
    count = range(options.pieces)
    rooms = [u.samples for u in read_corpus_split(options.data / "noise" / "noise", "test")]
    levels = np.linspace(-75, -20, options.pieces) - MADE_DB
    return {
        "faint hiss (-60 dB)": [louder(colored(PIECE_S, 0.0, rng), -60 - MADE_DB) for _ in count],
        "hiss of -75 to -20 dB": [louder(colored(PIECE_S, 0.0, rng), by) for by in levels],
        "pink noise": [colored(PIECE_S, 1.0, rng) for _ in count],
        "music-like tones": [tones(PIECE_S, rng) for _ in count],
        "kitchen, coffee shop": rooms,
        "the same, 30 dB fainter": [louder(piece, -30) for piece in rooms],
        "babble of seven": [babble(voices, PIECE_S, rng) for _ in count],
    }


def louder(samples: Audio, decibels: float) -> Audio:
    return samples * np.float32(10 ** (decibels / 20))


def writers(options: NonspeechOptions) -> dict[str, Write]:
    out = {}
    for path in options.bundles:
        out[f"{path.name}, default"] = bundle_text(path)
    return out


# ---- other languages


def print_unsure(options: NonspeechOptions) -> None:
    print("| bundle | speech | recordings | unsure words %: least, median, most | told |\n|---|---|---|---|---|")
    for path in options.bundles:
        captioner = Captioner(load_bundle(path)).load()
        for name, recordings in speech(options.data).items():
            captioned = [captioner.caption(samples).words for samples in recordings]
            shares = [100 * unsure_share(words) for words in captioned if len(words) >= FEWEST_WORDS]
            told = sum(map(mostly_unsure, captioned))
            print(
                f"| {path.name} | {name} | {len(shares)} | {min(shares):.0f}, {np.median(shares):.0f}, {max(shares):.0f} "
                f"| {told} of {len(captioned)} |",
                flush=True,
            )


def speech(data: Path) -> dict[str, list[Audio]]:
    """Recordings by kind; short sentences of one corpus are joined, five to a recording."""
    out = {name: [u.samples for u in read_corpus(data / "test" / name)] for name in ("librispeech", "an4", "speechocean762")}
    noises = [u.samples for u in read_corpus_split(data / "noise" / "noise", "test")]
    rng = np.random.default_rng(7)
    for snr_db in (10.0, 5.0):
        out[f"librispeech, noise {snr_db:g} dB below"] = [
            mix(samples, np.roll(noises[i % len(noises)], rng.integers(SAMPLE_RATE_HZ)), snr_db)
            for i, samples in enumerate(out["librispeech"])
        ]
    for name in ("an4", "speechocean762"):
        out[name] = [np.concatenate(out[name][i : i + 5]) for i in range(0, len(out[name]), 5)]
    for voice, text in ARTICLE_1.items():
        out[f"espeak-ng {voice}"] = [spoken(voice, text, rate) for rate in (130, 160, 190)]
    return out


def spoken(voice: str, text: str, words_a_minute: int) -> Audio:
    line = ["espeak-ng", "-v", voice, "-s", str(words_a_minute), "--stdout", text]
    samples, rate = soundfile.read(io.BytesIO(subprocess.run(line, capture_output=True, check=True).stdout), dtype="float32")
    return np.asarray(soxr.resample(samples, rate, SAMPLE_RATE_HZ), dtype=np.float32)


ARTICLE_1 = {  # of the Universal Declaration of Human Rights
    "en-us": "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience and "
    "should act towards one another in a spirit of brotherhood.",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt und "
    "sollen einander im Geist der Brüderlichkeit begegnen.",
    "nl": "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren. Zij zijn begiftigd met verstand en geweten,"
    " en behoren zich jegens elkander in een geest van broederschap te gedragen.",
    "sv": "Alla människor är födda fria och lika i värde och rättigheter. De är utrustade med förnuft och samvete och bör "
    "handla gentemot varandra i en anda av broderskap.",
    "fr-fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de "
    "conscience et doivent agir les uns envers les autres dans un esprit de fraternité.",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y "
    "conciencia, deben comportarse fraternalmente los unos con los otros.",
    "it": "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti. Essi sono dotati di ragione e di coscienza"
    " e devono agire gli uni verso gli altri in spirito di fratellanza.",
    "pt": "Todos os seres humanos nascem livres e iguais em dignidade e em direitos. Dotados de razão e de consciência, "
    "devem agir uns para com os outros em espírito de fraternidade.",
    "pl": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni obdarzeni rozumem i "
    "sumieniem i powinni postępować wobec innych w duchu braterstwa.",
    "ru": "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью и должны "
    "поступать в отношении друг друга в духе братства.",
    "tr": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana sahiptirler ve birbirlerine "
    "karşı kardeşlik zihniyeti ile hareket etmelidirler.",
    "cmn": "人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。",
}
ARTICLE_1["en-gb-scotland"] = ARTICLE_1["en-us"]


def minutes(pieces: list[Audio]) -> float:
    return sum(len(piece) for piece in pieces) / SAMPLE_RATE_HZ / 60


if __name__ == "__main__":
    cyclopts.run(main)
