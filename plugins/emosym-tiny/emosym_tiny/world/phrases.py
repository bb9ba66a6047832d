"""The phrases that captions and rationales are put together from; all lower case, no emotion's name."""

from __future__ import annotations

PLACE: dict[str, str] = {
    "beach": "on a beach",
    "forest": "in a forest",
    "street": "on a street",
    "mountain": "below a mountain",
    "room": "in a room",
    "volcano": "by a volcano",
    "desert": "in a desert",
    "graveyard": "in a graveyard",
    "swamp": "in a swamp",
    "fair": "at a fair",
}

LIGHT: tuple[tuple[str, ...], ...] = (
    ("hardly any light", "darkness all around", "deep night"),
    ("even light", "an ordinary light"),
    ("bright daylight", "plenty of sun", "light everywhere"),
)
TINT: tuple[tuple[str, ...], ...] = (
    ("little colour", "washed-out colours", "almost only grey"),
    ("natural colours", "ordinary colours"),
    ("vivid colours", "strong colours", "saturated colours"),
)

REASONS: dict[str, tuple[str, ...]] = {
    "amusement": (
        "it makes one laugh",
        "the whole thing is a silly joke",
        "one cannot help but giggle",
        "it is playful and comical",
        "it is a funny sight",
        "somebody is clearly joking here",
        "it invites a broad grin",
        "it is a cheerful bit of nonsense",
    ),
    "anger": (
        "it makes the blood boil",
        "someone did this on purpose, and that is an outrage",
        "it looks like a hostile act",
        "one wants to shout at whoever did this",
        "rage seems about to break loose",
        "it is a violent provocation",
        "it is an insult that calls for payback",
        "fury burns in it",
    ),
    "awe": (
        "one feels small before something so vast",
        "it is a majestic sight",
        "it takes the breath away",
        "one stands still in wonder",
        "it is greater than oneself",
        "such grandeur is humbling",
        "one looks up and marvels",
        "it seems sublime",
    ),
    "contentment": (
        "all is calm and in its place",
        "one could rest here for hours",
        "it is cozy and peaceful",
        "nothing more is needed",
        "it soothes and warms",
        "a gentle quiet lies over it",
        "one feels at home",
        "life is good and unhurried here",
    ),
    "disgust": (
        "one wants to turn away from the filth",
        "it must smell foul",
        "it looks rotten and slimy",
        "it turns the stomach",
        "nobody would want to touch that",
        "it is gross and unclean",
        "the mere look of it is sickening",
        "one holds the nose",
    ),
    "excitement": (
        "something thrilling is about to start",
        "the heart beats faster with anticipation",
        "it is full of energy",
        "one wants to jump right in",
        "an adventure begins here",
        "what a rush this will be",
        "one can hardly wait for what comes next",
        "everything is lively and in motion",
    ),
    "fear": (
        "something could harm you here",
        "one wants to run away",
        "a danger is lurking close by",
        "it is creepy and sends shivers down the spine",
        "one would not dare to go closer",
        "a threat hides in it",
        "it is the stuff of nightmares",
        "dread creeps up",
    ),
    "sadness": (
        "something dear is lost",
        "it brings tears to the eyes",
        "it tells of grief and farewell",
        "one feels lonely and left behind",
        "it is gloomy and without hope",
        "someone is missed here",
        "the heart grows heavy",
        "it mourns what is over",
    ),
}

OBJECT_HINTS: dict[str, tuple[str, ...]] = {
    "balloon": ("a balloon floats up", "a balloon belongs to a celebration"),
    "clown": ("a clown pulls a face", "a clown wears a red nose"),
    "rocket": ("a rocket is ready to lift off", "a rocket races upward"),
    "planet": ("a planet hangs there with its ring", "a planet speaks of outer space"),
    "dolphin": ("a dolphin leaps", "a dolphin moves freely"),
    "kitten": ("a kitten looks up", "a kitten is soft and small"),
    "candle": ("a candle gives a small light", "a candle burns slowly"),
    "flame": ("a flame blazes", "a flame eats everything"),
    "bomb": ("a bomb has its fuse lit", "a bomb is about to go off"),
    "fish": ("a fish lies there down to its bones", "a fish has long been dead"),
    "trashcan": ("a trashcan spills over", "a trashcan drips with waste"),
    "ghost": ("a ghost rises", "a ghost stares with empty eyes"),
    "spider": ("a spider crawls closer", "a spider spreads its legs"),
    "gravestone": ("a gravestone marks an end", "a gravestone keeps a name"),
}

SCENE_HINTS: dict[str, tuple[str, ...]] = {
    "beach": ("the sea rolls in", "the sand is warm"),
    "forest": ("the trees stand close", "the woods go on and on"),
    "street": ("the town is near", "the houses stand in a row"),
    "mountain": ("the peaks rise high", "snow lies on the summit"),
    "room": ("it is indoors", "the walls are near"),
    "volcano": ("the lava runs", "the ground is burning"),
    "desert": ("the sand stretches far", "nothing grows but cactus"),
    "graveyard": ("the dead lie here", "crosses stand on the hill"),
    "swamp": ("the mud is deep", "the water is murky"),
    "fair": ("the big tent is open", "the wheel is turning"),
}
