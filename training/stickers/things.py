"""What there is in the sticker world: things, colors, grounds, sizes, counts and places. Data only.

Things are drawings of Google's Noto emoji (Apache-2.0), by their names in the package that `drawings` reads.
"""

from dataclasses import dataclass

SIDE = 64  # pixels of a picture
CODE = 8  # pixels of the side of a code; everything lies on this grid, so one thing has the same codes wherever it is


@dataclass(frozen=True)
class Thing:
    name: str
    source: str
    """Its short name in emoji-datasource-google."""
    plural: str = ""
    """Of the name; empty: the name with an s."""
    colored: bool = False
    """It comes in each of `COLORS`, instead of in its own."""

    @property
    def many(self) -> str:
        return self.plural or f"{self.name}s"


THINGS = tuple(
    Thing(*row)
    for row in (
        ("ant", "ant"),
        ("apple", "apple", "", True),
        ("balloon", "balloon", "", True),
        ("banana", "banana"),
        ("bear", "bear"),
        ("bee", "bee"),
        ("bell", "bell"),
        ("bike", "bike"),
        ("bird", "bird"),
        ("boat", "boat"),
        ("book", "closed_book", "", True),
        ("bus", "bus"),
        ("butterfly", "butterfly", "butterflies", True),
        ("cactus", "cactus", "cactuses"),
        ("cake", "birthday"),
        ("camera", "camera"),
        ("car", "car", "", True),
        ("carrot", "carrot"),
        ("cat", "cat"),
        ("chair", "chair"),
        ("chick", "hatched_chick"),
        ("clock", "alarm_clock"),
        ("cloud", "cloud"),
        ("cow", "cow"),
        ("crab", "crab", "", True),
        ("crown", "crown"),
        ("cup", "coffee"),
        ("dice", "game_die", "dice"),
        ("dog", "dog"),
        ("donut", "doughnut"),
        ("dress", "dress", "dresses", True),
        ("drum", "drum_with_drumsticks"),
        ("elephant", "elephant"),
        ("fire", "fire"),
        ("fish", "tropical_fish", "fish", True),
        ("flower", "tulip", "", True),
        ("fox", "fox_face", "foxes"),
        ("frog", "frog"),
        ("ghost", "ghost"),
        ("gift", "gift", "", True),
        ("guitar", "guitar"),
        ("hat", "billed_cap", "", True),
        ("heart", "heart", "", True),
        ("house", "house"),
        ("key", "key"),
        ("kite", "kite", "", True),
        ("lamp", "bulb"),
        ("moon", "crescent_moon"),
        ("mushroom", "mushroom", "", True),
        ("owl", "owl"),
        ("panda", "panda_face"),
        ("pear", "pear", "", True),
        ("penguin", "penguin"),
        ("pig", "pig"),
        ("pizza", "pizza"),
        ("rabbit", "rabbit"),
        ("robot", "robot_face"),
        ("rocket", "rocket"),
        ("shirt", "shirt"),
        ("shoe", "athletic_shoe", "", True),
        ("snail", "snail"),
        ("snowman", "snowman_without_snow", "snowmen"),
        ("star", "star", "", True),
        ("sun", "sunny"),
        ("train", "train2"),
        ("tree", "deciduous_tree"),
        ("turtle", "turtle"),
        ("umbrella", "umbrella", "", True),
    )
)
COLORS = {"red": 0, "orange": 28, "yellow": 52, "green": 120, "blue": 215, "purple": 280}  # hue in degrees
GROUNDS = {
    "white": (255, 255, 255),
    "gray": (160, 160, 168),
    "pink": (255, 196, 214),
    "mint": (180, 236, 208),
    "sky": (168, 214, 248),
    "sand": (244, 226, 176),
    "lilac": (206, 190, 242),
    "navy": (34, 44, 92),
}
SIZES = {"small": 16, "big": 32}  # pixels; a big one fills a place, so there is one of it
MOST = 4  # of a small thing in a place
CELL = 4  # codes of a place's side
PLACES = {  # row and column of a place's first code
    "top left": (0, 0),
    "top": (0, 2),
    "top right": (0, 4),
    "left": (2, 0),
    "middle": (2, 2),
    "right": (2, 4),
    "bottom left": (4, 0),
    "bottom": (4, 2),
    "bottom right": (4, 4),
}
# Row and column, in codes within a place, of each of so many small things.
SPREAD = {
    1: ((1, 1),),
    2: ((1, 0), (1, 2)),
    3: ((0, 1), (2, 0), (2, 2)),
    4: ((0, 0), (0, 2), (2, 0), (2, 2)),
}
PARTS = 1 + CELL**2 + (SIZES["small"] // CODE) ** 2
"""Squares of drawings: 0 is none, then those of a big one by rows, then those of a small one."""
BY_NAME = {thing.name: thing for thing in THINGS}
