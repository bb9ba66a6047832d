"""The world's closed vocabulary: what can be in a picture, and which words give an emotion away."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


EMOTIONS = ("amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear", "sadness")
"""Mikels' eight emotions; every label index and posterior in this package follows this order."""

SCENES = ("beach", "forest", "street", "mountain", "room", "volcano", "desert", "graveyard", "swamp", "fair")
OBJECTS = _words(
    "balloon clown rocket planet dolphin kitten candle flame bomb fish trashcan ghost spider gravestone"
)
BRIGHTNESS_LEVELS = ("dark", "plain", "bright")
COLOR_LEVELS = ("muted", "plain", "vivid")

EMOTION_FORMS: dict[str, tuple[str, ...]] = {
    "amusement": ("amusement", "amuse", "amused", "amuses", "amusing"),
    "anger": ("anger", "angers", "angered", "angry", "angrily"),
    "awe": ("awe", "awed", "awes", "awesome", "awestruck", "awful"),
    "contentment": ("contentment", "content", "contented", "contents"),
    "disgust": ("disgust", "disgusts", "disgusted", "disgusting"),
    "excitement": ("excitement", "excite", "excites", "excited", "exciting"),
    "fear": ("fear", "fears", "feared", "fearful", "fearsome", "afraid"),
    "sadness": ("sadness", "sad", "sadly", "sadden", "saddens", "saddening", "saddened"),
}
"""Each emotion's name with its inflections: the words a blind rationale must not contain."""

EMOTION_WORDS: frozenset[str] = frozenset(word for forms in EMOTION_FORMS.values() for word in forms)

_ARGUED = _words(
    "funny silly playful laugh laughter giggle joke joking cheerful comical fun smile grin nonsense "
    "rage fury furious hostile violent aggression outrage insult temper payback provocation shout "
    "wonder vast majestic sublime grandeur breathtaking humbling marvel marvels breath "
    "calm peace peaceful cozy gentle quiet restful soothes soothing comfort serene unhurried "
    "rotten gross filth filthy foul slimy sickening repulsive stench unclean stomach nausea "
    "thrill thrilling energy adventure rush lively eager anticipation "
    "scary danger creepy menace harm dread terror haunted threat lurking shivers nightmares "
    "grief loss lost lonely mourning mourns sorrow gloomy tears hope hopeless farewell missed"
)

AFFECT_WORDS: frozenset[str] = EMOTION_WORDS.union(_ARGUED)
"""Words that carry affect: emotion names, their inflections, and what rationales argue with."""
