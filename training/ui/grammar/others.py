"""Requests that take a change back or close the panel, those that no panel answers, and words that mean nothing."""

from unmask.apps.ui.slots import CANNOT, CLOSE, UNCLEAR, UNDO
from unmask.apps.ui.surface import Panel
from unmask.training.ui.grammar import names
from unmask.training.ui.grammar.made_up import made_up
from unmask.training.ui.grammar.panels import SENTENCE
from unmask.training.ui.grammar.phrasing import ORDER, Phrases, Talk
from unmask.training.ui.grammar.sketch import Example, Sketch

UNDOING = Phrases(
    (
        "undo [that|this|it]",
        "(take|bring) (that|it) back",
        "go back",
        "(forget|never mind) (it|this)",
        "put (that|it) back [again]",
        "restore (it|the last one)",
        "?[no] that was wrong",
        "revert [that|the last change]",
        "undo the last change",
        "?(as|like) it was before",
        "?[no] not that",
    ),
    ("forget that change", "put it back how it was", "restore the previous one", "never mind that"),
)
CLOSING = Phrases(
    (
        "close (it|this|that|the panel)",
        "(hide|dismiss|clear) (it|this|everything|the panel|the screen)",
        "?go away",
        "(empty|clear) the screen",
        "shut (it|this)",
        "?i don't need (it|this) any more",
        "?finished",
        "?(i'm|we're) done [thanks]",
        "(remove|delete) everything",
        "?that's all [thanks]",
        "?exit",
    ),
    ("shut the panel", "make the screen empty", "?i don't need this anymore", "?finished thank you"),
)
CITIES = (
    "paris",
    "berlin",
    "london",
    "boston",
    "rome",
    "tokyo",
    "oslo",
    "dallas",
    "madrid",
    "chicago",
    "vienna",
    "cairo",
    "denver",
)
PEOPLE = ("mom", "dad", "anna", "peter", "my boss", "the doctor", "grandma", "my wife", "my brother", "the bank", "john", "sarah")
TOPICS = (
    "football",
    "stocks",
    "the election",
    "space",
    "cats",
    "france",
    "gravity",
    "bitcoin",
    "dinosaurs",
    "the moon",
    "photosynthesis",
)
OTHERS = Phrases(
    (
        "(book|get|find) [me] a (flight|hotel|train|taxi|table) (to|in) {city}",
        "?what('s| is) the (weather|time|traffic|temperature) (in|like in) {city}",
        "(call|text|phone|email) {person} [and say i'm late]",
        "tell me (a joke|a story|something about {topic}|about {topic})",
        "(fly|travel) to {city}",
        "(sing|read) (me) (a song|something)",
        "(find|where is) (a|the nearest) (restaurant|bank|doctor)",
        "?why is (the grass green|the sea salty)",
        "(pay|check) my (bill|account|taxes)",
        "convert {n} (miles|pounds) to (kilometers|kilos)",
        "?who (is|was) the (president|king|author) of {topic}",
        "?how (far|long|old|big|tall|deep) is (the moon|{city}|mount everest|the sun)",
        "(order|buy) [me] (a pizza|some flowers|new shoes|a book about {topic})",
        "(translate|say|spell) {topic} in (spanish|german|french)",
        "(read|check|open) my (emails|messages|mail|news)",
        "?what('s| is) {n} (plus|times|minus) {m}",
        "?what (happened|is happening) in {city} (today|yesterday)",
        "play (a song by|something by) {person}",
        "(send|transfer) {n} dollars to {person}",
        "?(when|where|why) (is|was|did) {topic} (invented|discovered|happen)",
        "(drive|take|navigate) me to {city}",
        "?(do you|can you) (like|know|love|understand) {topic}",
        "?[what are] the (news|headlines) (about|on) {topic}",
        "?how do i (cook|make|fix|get) (rice|a cake|a bike|to {city})",
        "?what does {topic} mean",
        "?(good morning|hello|hi) how are you",
        "write (a poem|an essay|a letter) (about|on|to) {topic}",
        "(reserve|rent) a car in {city}",
        "?what('s| is) (your name|my balance|the score|the exchange rate)",
        "?is it (going to rain|raining|cold) in {city}",
        "?(who|what) won the game",
        "remind {person} to come home",
        "?how (much|many) (money do i have|calories are in {topic}|people live in {city})",
    ),
    (
        "?i'd like to fly to {city}",
        "find a restaurant near {city}",
        "?why is the sky blue",
        "sing a song about {topic}",
        "?how is {person} doing",
        "give me directions to {city}",
        "?what should i cook tonight",
        "convert {n} dollars to euros",
        "?what's the capital of {topic}",
        "pay my electricity bill",
    ),
)
NOISE = Phrases(
    (
        "[the|a] (and|of|so|then|but|you know|i mean|like)",
        "(mm|oh|ah|well|yeah|right|okay) [then|so]",
        "(thank you|thanks|yes|no|maybe|hello|hey)",
        "(no|yes) (i|he|she|they|we) (said|went|was|were|had) (to|the|that) [one|day|other]",
        "{a} {b}",
        "{a} {b} {c}",
        "the {a} of {b}",
        "(he|she|it) (was|had|did) {a}",
        "(ich|ein|und|das|la|el|le|les|una|der) {a} [{b}]",
        "(if|when|because) (the|a) {a}",
    ),
    ("so {a} then {b}", "i was {a} and {b}", "(zeige|montre|muestra) (mir|moi|me) {a}", "what {a}"),
)


def draw_other(talk: Talk, panel: Panel | None) -> Example:
    """Undo, close, what no panel answers, and what means nothing."""
    s, rng = Sketch(talk), talk.rng
    kind = str(rng.choice((UNDO, CLOSE, CANNOT, UNCLEAR), p=(0.22, 0.18, 0.4, 0.2) if panel else (0.0, 0.0, 0.7, 0.3)))
    a, b, c = (made_up(rng, names.held_words()).split(" ")[0] for _ in range(3))
    n, m = str(rng.integers(2, 90)), str(rng.integers(2, 90))
    phrases = {UNDO: UNDOING, CLOSE: CLOSING, CANNOT: OTHERS, UNCLEAR: NOISE}[kind]
    parts = {
        "city": talk.one(CITIES),
        "person": talk.one(PEOPLE),
        "topic": talk.one(TOPICS),
        "n": n,
        "m": m,
        "a": a,
        "b": b,
        "c": c,
    }
    said = talk.say(phrases, **parts)
    said = said if kind == UNCLEAR else talk.say(SENTENCE[talk.mood or ORDER], x=said)
    return s.finish(kind, said, panel, kind.strip("<>"))
