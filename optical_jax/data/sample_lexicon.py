"""The facts and the English words that the built-in sample world is made of.

A relation is one line: the kind of its value, two nouns for it, and two ways to state it of a
subject ({h}, a town or a person) and a value ({v}). Where the value is not what the clause begins
with, the question that asks for it follows the question mark.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Statement:
    """Hold one clause with the places {h} and {v}, and its question for the value."""

    clause: str
    question: str


@dataclass(frozen=True)
class Relation:
    """Describe one relation: its nouns and its statements are near synonyms."""

    value: str
    nouns: tuple[str, str]
    statements: tuple[Statement, Statement]


def _words(text: str) -> tuple[str, ...]:
    """Split a list of words."""
    return tuple(text.split())


_TOWN = """
thing; river, stream; {v} flows through {h}; {h} lies on {v}? on which water does {h} lie
person; mayor, governor; {v} governs {h}; {v} was elected in {h}
thing; mountain, peak; {v} rises above {h}; {v} overlooks {h}
person; founder, settler; {v} founded {h}; {v} settled in {h}
year; founding, charter; {h} was founded in {v}? when was {h} founded; \
{h} became a town in {v}? when did {h} become a town
person; architect, builder; {v} built the bridge of {h}; {v} designed the bridge of {h}
year; fire, blaze; {h} burned in {v}? when did {h} burn; \
{h} was destroyed in {v}? when was {h} destroyed
year; flood, deluge; {h} was flooded in {v}? when was {h} flooded; \
water covered {h} in {v}? when did water cover {h}
thing; festival, carnival; {v} is celebrated in {h}; {v} brings dancers to {h}
food; dish, meal; {v} is eaten in {h}; {v} is cooked in {h}
goods; product, export; {v} is produced in {h}; \
{h} sells {v}? what does {h} sell
thing; bird, songbird; {v} nests near {h}; {v} sings in the woods of {h}
thing; flower, blossom; {v} blooms around {h}; {v} grows near {h}
thing; fish, trout; {v} swims in the lake of {h}; {v} is caught near {h}
thing; company, firm; {v} employs workers from {h}; {v} has its offices in {h}
thing; school, academy; {v} teaches the children of {h}; {v} trains the youth of {h}
thing; museum, gallery; {v} displays statues in {h}; {v} preserves the treasures of {h}
person; painter, artist; {v} painted the streets of {h}; {v} drew the roofs of {h}
person; poet, writer; {v} wrote poems about {h}; {v} composed verses about {h}
person; singer, musician; {v} sang songs about {h}; {v} performed in the theatre of {h}
person; doctor, healer; {v} treats the sick of {h}; {v} runs the hospital of {h}
person; hero, general; {v} defended the walls of {h}; {v} saved {h}
person; conqueror, invader; {v} conquered {h}; {v} besieged {h}
thing; newspaper, gazette; {v} is printed in {h}; {v} reports news from {h}
thing; club, team; {v} plays football for {h}; {v} won the cup for {h}
year; opening, inauguration; the train reached {h} in {v}? when did the train reach {h}; \
{h} got its station in {v}? when did {h} get its station
material; stone, material; {h} is built of {v}? of what is {h} built; \
{h} consists of {v}? of what does {h} consist
thing; wind, storm; {v} blows over {h}; {v} cools {h}
place; neighbour, partner; {v} borders {h}; {v} is twinned with {h}
thing; ghost, spirit; {v} haunts the castle of {h}; {v} frightens the people of {h}
thing; ship, ferry; {v} sails from {h}; {v} leaves the harbour of {h}
thing; temple, shrine; {v} draws pilgrims to {h}; {v} stands in {h}
person; thief, robber; {v} robbed the bank of {h}; {v} stole the gold of {h}
thing; language, dialect; {v} is spoken in {h}; {v} is heard in {h}
"""

_PERSON = """
place; birthplace, origin; {h} was born in {v}? where was {h} born; \
{h} comes from {v}? where does {h} come from
year; birth, baptism; {h} was baptised in {v}? when was {h} baptised; \
{h} entered the world in {v}? when did {h} enter the world
person; teacher, master; {v} taught {h}; {v} instructed {h}
person; spouse, beloved; {v} married {h}; {v} loved {h}
instrument; instrument, music; {h} played {v}? what did {h} play; \
{h} practised {v}? what did {h} practise
trade; profession, trade; {h} worked in {v}? in what did {h} work; \
{h} earned money with {v}? with what did {h} earn money
thing; book, novel; {h} published {v}? what did {h} publish; {h} wrote {v}? what did {h} write
thing; prize, award; {h} received {v}? what did {h} receive; {h} won {v}? what did {h} win
place; deathplace, grave; {h} died in {v}? where did {h} die; \
{h} is buried in {v}? where is {h} buried
illness; illness, disease; {h} suffered from {v}? from what did {h} suffer; \
{h} had {v}? what did {h} have
person; rival, enemy; {v} envied {h}; {v} fought against {h}
person; pupil, student; {v} learned from {h}; {v} followed {h}
animal; pet, companion; {h} kept {v}? what did {h} keep; {h} fed {v}? what did {h} feed
thing; comet, discovery; {h} discovered {v}? what did {h} discover; \
{h} observed {v}? what did {h} observe
thing; university, college; {h} studied at {v}? where did {h} study; \
{h} graduated from {v}? from where did {h} graduate
place; home, residence; {h} lived in {v}? where did {h} live; \
{h} owned a house in {v}? where did {h} own a house
person; friend, confidant; {v} sent letters to {h}; {v} trusted {h}
food; breakfast, delight; {h} ate {v}? what did {h} eat; {h} liked {v}? what did {h} like
hobby; hobby, pastime; {h} enjoyed {v}? what did {h} enjoy; \
{h} spent the evenings with {v}? with what did {h} spend the evenings
thing; employer, patron; {v} hired {h}; {v} paid {h}
animal; fear, dread; {h} feared {v}? what did {h} fear; {h} fled from {v}? from what did {h} flee
person; murderer, killer; {v} killed {h}; {v} poisoned {h}
person; biographer, chronicler; {v} described the life of {h}; {v} told the story of {h}
person; heir, child; {v} inherited from {h}; {v} buried {h}
"""

# What the values that are common nouns may be, by kind.
VALUES = {
    "food": "bread honey lentils cheese onions pumpkin rice soup plums mushrooms beans porridge",
    "goods": "glass paper salt silk wool ink wax soap rope leather steel oil",
    "material": "granite brick marble timber clay slate sandstone chalk oak basalt",
    "instrument": "flute drum harp fiddle trumpet lute organ cello horn",
    "trade": "fishing weaving pottery baking mining printing farming banking carpentry tailoring",
    "illness": "fever cough blindness gout malaria asthma cholera deafness plague",
    "animal": "cats dogs parrots snakes goats spiders wolves bees rabbits rats horses",
    "hobby": "chess gardening dancing swimming wrestling painting cards hunting riddles",
}
VALUES = {kind: _words(words) for kind, words in VALUES.items()}

# What passages and sentences say besides: who does what to what, and when.
AGENTS = _words(
    "farmers merchants visitors soldiers sailors scholars travellers widows shepherds nuns "
    "hunters judges tourists pilgrims gardeners workers poets fishermen"
)
ACTIONS = _words(
    "visit admire remember avoid repair clean praise watch guard cross decorate forget"
)
OBJECTS = _words(
    "market tower garden square gate fountain mill bridge river castle harbour library "
    "valley meadow cellar church forest"
)
QUALITIES = _words("old small famous quiet green dark beautiful broken new narrow")
TIMES = _words("spring summer autumn winter rain war peace darkness sunshine silence")

# How a sentence may begin, and what a town or a person may be called before its name.
OPENERS = ("", "", "", "", "", "as everyone knows,", "it is said that", "by the way,")
EPITHETS = {
    "town": ("", "", "the town", "the city"),
    "person": ("", "", "the famous", "the late"),
}
REQUESTS = ("", "", "tell me:", "please:", "a question:")

ARTICLES = frozenset({"the", "its", "a"})
AUXILIARIES = frozenset({"was", "is", "did", "does"})
PREPOSITIONS = frozenset(
    _words(
        "through on in above to near around from of about for over with at against as"
    )
)
# Past forms that do not end in -ed.
IRREGULAR = frozenset(
    _words(
        "became built drew wrote sang won got stole taught kept fed fought ate fled told sent had "
        "spent paid"
    )
)


def _parse(table: str) -> tuple[Relation, ...]:
    """Read one relation a line; see the module's docstring."""
    relations = []
    for line in table.replace("\\\n", "").strip().splitlines():
        value, nouns, *statements = (field.strip() for field in line.split(";"))
        halves = [statement.partition("?") for statement in statements]
        relations.append(
            Relation(
                value,
                tuple(noun.strip() for noun in nouns.split(",")),
                tuple(Statement(a.strip(), b.strip()) for a, _, b in halves),
            )
        )
    return tuple(relations)


RELATIONS = {"town": _parse(_TOWN), "person": _parse(_PERSON)}
