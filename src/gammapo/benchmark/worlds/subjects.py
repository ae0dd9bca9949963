"""What the prompts are about: everyday nouns, split once and for all into train and held-out ones."""

from __future__ import annotations

from dataclasses import dataclass

_GROUPS = """
a river; a lake; a waterfall; a mountain; a valley; a desert; a forest; an island; a volcano; a glacier
a cave; a beach; a swamp; a meadow; a canyon; a reef; a jungle; a cliff; a harbor; a lagoon
an owl; a wolf; a horse; a dolphin; a bee; a turtle; a penguin; an elephant; a fox; a spider
a butterfly; a whale; a rabbit; a crow; a snake; a frog; a lion; a bear; a squirrel; an eagle
a cat; a dog; a goat; a sheep; a duck; a parrot; a shark; an octopus; an ant; a camel
a bakery; a library; a museum; a hospital; a school; a market; a theater; a farm; a factory; a castle
a lighthouse; a train station; a temple; a church; a prison; a hotel; a restaurant; a bookstore; a stadium; a zoo
a bridge; a tunnel; a tower; a windmill; a barn; a palace; a pyramid; a fountain; a garden; a park
a violin; a piano; a guitar; a drum; a flute; a trumpet; a harp; a song; an orchestra; a choir
a painting; a sculpture; a poem; a novel; a photograph; a film; a dance; a mask; a puppet; a quilt
a blacksmith; a teacher; a nurse; a farmer; a pilot; a sailor; a baker; a carpenter; a painter; a detective
a doctor; a firefighter; a fisherman; a chef; a librarian; a gardener; a judge; a soldier; a scientist; a shepherd
a bicycle; a train; a submarine; a sailboat; a canoe; a rocket; a balloon; a tractor; a truck; a bus
a helicopter; a motorcycle; a ferry; a wagon; a sled; an airplane; a taxi; a tram; a raft; a ship
a clock; a mirror; a candle; a lamp; a key; a door; a window; a chair; a table; a bed
a knife; a spoon; a cup; a bottle; a basket; a ladder; a hammer; a needle; a rope; a bell
a coat; a hat; a shoe; a scarf; a ring; a crown; an umbrella; a blanket; a pillow; a glove
a telescope; a microscope; a compass; a camera; a computer; a robot; a telephone; a radio; a battery; a magnet
a map; a letter; a diary; a newspaper; a dictionary; a pencil; a stamp; a coin; a flag; a kite
honey; tea; coffee; bread; cheese; chocolate; rice; salt; soup; butter
an apple; a lemon; a potato; an onion; a mushroom; a pumpkin; an egg; a cake; a tomato; a pepper
a rose; an oak; a cactus; a sunflower; a fern; a palm; bamboo; moss; a seed; a leaf
winter; summer; autumn; spring; rain; snow; thunder; fog; wind; sunlight
the moon; the sun; a star; a comet; a planet; a rainbow; a cloud; a storm; an eclipse; a sunrise
gold; silver; iron; glass; paper; wool; silk; coal; clay; marble
a birthday; a wedding; a festival; a parade; a picnic; a holiday; a race; a dream; a journey; a promise
football; chess; tennis; swimming; cooking; fishing; hiking; baseball; singing; gardening
"""  # noqa: E501


@dataclass(frozen=True, kw_only=True)
class Subject:
    """`phrase` as the prompt says it ("a river"), `noun` as an answer must mention it ("river")."""

    phrase: str
    noun: str


def _subject(phrase: str) -> Subject:
    first, _, rest = phrase.partition(" ")
    return Subject(phrase=phrase, noun=rest if first in {"a", "an", "the"} else phrase)


_LINES = [[_subject(part.strip()) for part in line.split(";")] for line in _GROUPS.strip().splitlines()]

# the first and the sixth of each line are kept for evaluation, so that both sets hold all kinds of thing
HELD_OUT = tuple(subject for line in _LINES for place, subject in enumerate(line) if place in (0, 5))
TRAIN = tuple(subject for line in _LINES for place, subject in enumerate(line) if place not in (0, 5))
