"""Names that are made up, so that any word can be a name: of syllables, and of English words that come together by chance."""

import numpy as np


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


THINGS = _words(
    "air arm badge bag ball band bank bar barrel base basket bath beach bean bear bed bell belt bench bike bird blade "
    "blanket boat body bolt bone book boot bottle bowl box brake branch brick bridge broom brush bucket bus cabin cable "
    "cage cake candle cap car card carpet cart castle ceiling cell cellar chain chair chalk chapel cheek chest chimney "
    "church cinema circle city class clay cliff cloth cloud coach coat coin collar column copper corn corner cotton counter "
    "court cow crane cream crew crown cup cupboard dam deck deer desert desk diamond dish dock doll dome dragon drawer "
    "dress drill drum duck dust eagle ear earth edge elbow engine envelope eye fabric face factory farm feather fence field "
    "film filter finger fire flag flame flask floor flower fog food foot forest fork fox frame friend frog fruit fuel "
    "garlic gas gear ghost giant glass globe glove goat gold goose grain grass grill guitar hair hammer hand harbor hat "
    "hawk hay head heart hedge helmet herb hill hinge hole honey hook horn horse hose hospital hotel hour ice ink iron "
    "island jacket jar jet joint judge juice jungle kettle key king kite knee knife knot label ladder lake lamb lane lawn "
    "leaf leather leg lemon lens letter lever lid lift lime line lion lip loft log loop lunch machine magnet mail map "
    "market mask mast mat meal meat metal meter mill mint mirror moon moss mountain mouse mouth mud museum mushroom nail "
    "neck needle nest net nose nut oak ocean onion orange orchard ore owl pad paddle page paint palm pan panel paper park "
    "path peak pear pebble pedal pen pepper piano pie pig pillow pilot pin pipe pit planet plant plate plow pocket pole "
    "pond pony port post pot potato powder prize puzzle queen rabbit rack rail rain ramp ray reed ribbon rice ridge river "
    "road robe rock roof root rope rose ruler rust sack saddle sail salt sand saw scale scarf school screen sea seat seed "
    "shade shark sheep shelf shell ship shirt shoe shop shore shoulder shovel silk silver sink skirt sky sleeve smoke snake "
    "sock sofa soil soup spade spark spear spice spider spoon spring square stable stage stair stamp station steam steel "
    "stem step stone store stove straw stream string suit swan sword table tail tailor tank tape target tent thread thumb "
    "ticket tiger tile tire toe tongue tool tooth torch tower town toy track trail train trap tray tree trunk truck tube "
    "tunnel turkey turtle valley van vase veil vest village vine violin wagon wall wave wax web well whale wheat wheel whip "
    "whistle willow wing wire wolf wood wool yard zebra zone"
)
KINDS = _words(
    "ancient angry average bitter blank blind bold brave brief bright broad broken brown busy calm careful central cheap "
    "clean clever cloudy common complex cool correct crazy curly daily damp dark dead deep dense dirty double dry dull "
    "eager early east easy empty equal exact extra faint fair famous fancy far fast fat fine firm flat foreign formal fresh "
    "front full funny gentle golden grand gray great half happy hard heavy hidden hollow holy hot huge human humble icy "
    "idle inner joint kind large late lazy light little local lonely long loose loud low lucky mad main major mean mild "
    "minor mobile modern narrow neat new nice noble noisy north odd old outer pale past plain polite poor private proud "
    "public pure purple quick quiet rapid rare raw ready real rich ripe rough round royal sad safe salty secret sharp shiny "
    "short shy silent simple slim slow small smart smooth soft solid sour south spare special square stiff strange strict "
    "strong sudden sunny sweet swift tall tame tender thick thin tight tiny total tough upper urban vast violet warm weak "
    "west wet white whole wide wild wise wooden wrong yellow young"
)
DEEDS = _words(
    "answer ask bake beat bend bind blow boil borrow break bring build burn bury carry carve catch change chase choose "
    "climb collect comb cook copy count cover cross cut dance dig dip drag draw dream drink drive drop dry earn eat enter "
    "escape explain fetch fill find finish fix float fly fold follow forget freeze gather grab greet grind grow guard guess "
    "guide hang heal hear heat help hide hit hold hunt hurry improve invite join jump keep kick knit know laugh lead lean "
    "learn leave lend lick lift load look lose love measure meet melt mend mix move need notice obey offer order own pack "
    "paint park pass pick pinch plan polish pour praise press print promise prove pull pump punch push reach read reply "
    "rescue rest return ride roll rub run sail scratch seal seek sell serve sew shake share shave shout sing sit sketch "
    "sleep slide smell smile solve sort speak spell spend spill spin split spread squeeze stack stand stay steal stick stir "
    "stretch study swallow sweep swim swing talk taste teach tear tell thank think throw tie touch trade train travel trim "
    "trust try turn twist unload untie use visit wait walk want warm wash watch wear weigh win wipe wish wrap write"
)
SHAPES = (
    *("{thing}", "{thing}", "{kind} {thing}", "{kind} {thing}", "{thing} {thing}", "{thing} {thing}", "{kind}", "{deed}"),
    *(
        "{deed} {thing}",
        "{deed} the {thing}",
        "{deed} the {thing}",
        "{deed} my {thing}",
        "{deed} {kind} {thing}",
        "{kind} {kind}",
    ),
    *("{kind} {thing} {thing}", "{thing} {thing} {thing}", "{thing} of {thing}", "{thing} {letter}", "{deed} up"),
    *("{kind} {deed}", "no {thing}", "{deed} it"),
)
LETTERS = ("a", "b", "c", "x", "y", "z")
SYLLABLES = _words(
    "ba be bo bri ca cho da del di do fa fen fi flo ga gi gra ha hol ja jo ka kel ki la len lo lu ma mer mi mo na nel ni no "
    "pa per pi plo qua ra ri ro sa sel shi so sta ta ter ti tra tu va ver vi wa win xo ya za zi thy ling ston ton der mer "
    "sky ble ving sh ck nd ring let ster"
)
STRANGE = 0.4  # share of names that are made of syllables


def made_up(rng: np.random.Generator, without: frozenset[str] = frozenset()) -> str:
    """A name that means little. without: English words that are not used."""
    if rng.random() < STRANGE:
        return strange(rng)
    words = []
    for word in SHAPES[rng.integers(len(SHAPES))].split(" "):
        own = {"{thing}": THINGS, "{kind}": KINDS, "{deed}": DEEDS, "{letter}": LETTERS}.get(word, [word])
        words.append(own[rng.integers(len(own))])
    return made_up(rng, without) if without & set(words) else " ".join(words)


def strange(rng: np.random.Generator) -> str:
    """One or two words of syllables, now and then with a letter after them."""
    words = [strange_word(rng) for _ in range(1 + (rng.random() < 0.35))]
    if rng.random() < 0.08:
        words.append(LETTERS[rng.integers(len(LETTERS))])
    return " ".join(words)


def strange_word(rng: np.random.Generator) -> str:
    return "".join(SYLLABLES[rng.integers(len(SYLLABLES))] for _ in range(rng.integers(1, 4)))
