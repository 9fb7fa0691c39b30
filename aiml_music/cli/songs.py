"""The six songs of the demonstration: as different as one sandbox can make them."""

from attrs import frozen


@frozen(kw_only=True)
class DemoSong:
    """A song, and what of the reference sings and plays it."""

    name: str
    kind: str
    lyrics: str
    with_voice: bool = True
    with_instrumental: bool = True


SONGS = (
    DemoSong(
        name="tide",
        kind="English, with accompaniment",
        lyrics="##\nThe tide goes out, the tide comes in\nIt leaves the shells where feet have been\n##",
    ),
    DemoSong(
        name="asa",
        kind="Japanese, with accompaniment",
        lyrics="##\nあさのひかりが まどをたたく\nとおいうみから かぜがうたう\n##",
    ),
    DemoSong(
        name="a-cappella",
        kind="the voice alone",
        lyrics="Nobody plays, so let me hum\nUntil the drums and fiddles come",
        with_instrumental=False,
    ),
    DemoSong(
        name="instrumental",
        kind="the instruments alone",
        lyrics="A road without a word to say\nA road that walks itself away",
        with_voice=False,
    ),
    DemoSong(name="short", kind="one line", lyrics="Good night, small house"),
    DemoSong(
        name="long",
        kind="four verses with pauses",
        lyrics="""##
A letter came from nobody at all
It smelled of rain and leaned against the wall

I read it twice, I read it upside down
It had no street, it had no name of town

I wrote it back, I said that I was fine
I drew a kite and tied it to the line

So if you find it, keep it from the snow
It only wants some other place to go
##""",
    ),
)
