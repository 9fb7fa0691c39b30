"""The table of faults as data: what can go wrong with a call, and why some of it is not made to happen here.

Numbers are those of the table. A row is tied to its tests by `@pytest.mark.row("57")`; a row that no test can make
happen says why, and only such a row does.
"""

from attrs import frozen


@frozen
class Row:
    """One fault.

    Attributes:
        number: its number in the table.
        title: what goes wrong.
        untested: why no test makes it happen; empty where one does.
    """

    number: str
    title: str
    untested: str = ""


_NO_URLS = "a reference by URL is never fetched"

CONFIGURATION = (
    Row("1", "the key is missing, blank or a placeholder"),
    Row("2", "the key has blanks or line ends around it"),
    Row("3", "the key holds a character no header may have"),
    Row("4", "the key is given on the command line"),
    Row("5", "the base URL is insecure or holds more than a host"),
    Row("6", "the lyrics are empty or too long"),
    Row("7", "the lyrics hold half a surrogate pair"),
    Row("8", "the lyrics hold control characters"),
    Row("9", "the lyrics hold emoji and invisible characters"),
    Row("10", "an option is no finite number"),
    Row("11", "both reference ids are missing, or malformed"),
    Row("12", "the request id is one the service would drop"),
    Row("13", "a limit is zero, negative or no number"),
)

PREPARATION = (
    Row("14", "the reference is missing, forbidden or a directory"),
    Row("15", "the reference is a pipe, a socket or a device"),
    Row("16", "the reference is a symbolic link"),
    Row("17", "the reference is empty, too short, too long or something else"),
    Row("18", "the header of the reference lies about its size"),
    Row("19", "the reference changes while it is sent"),
    Row("20", "the name of the reference is hostile or private"),
    Row("21", "the content type of the reference is hostile"),
    Row("22", "the boundary of the parts stands in the file"),
    Row("23", "a job's name leads out of the output directory"),
    Row("24", "two jobs' names fall together on the disk"),
    Row("25", "the output file exists"),
    Row("26", "the output or its part file is a planted link"),
    Row("27", "the output directory is missing or cannot be written"),
    Row("28", "the disk is nearly full"),
    Row("29", "no file descriptor is left"),
    Row("30", "the output is on another file system"),
    Row("31", "the ledger cannot be written"),
)

SLOTS = (
    Row("32", "the client's own queue is too long"),
    Row("33", "a pool of connections has no place"),
    Row("34", "cancelled calls leak connections until none is left"),
    Row("35", "a closed client is used, or one of another event loop"),
    Row("36", "the process forks after the client was used"),
    Row("37", "the blocking client is called inside a running event loop"),
    Row("38", "the interpreter ends with calls under way"),
    Row("39", "a call is cancelled while it waits for its place"),
    Row("40", "a task is cancelled while a scope inside swallows cancellations"),
)

CONNECTING = (
    Row("41", "the host name does not resolve"),
    Row("42", "the resolver hangs"),
    Row("43", "the connection is refused"),
    Row("44", "the connection is neither made nor refused"),
    Row("45", "the certificate is not trusted, expired or another host's"),
    Row("46", "the TLS handshake breaks off"),
    Row("47", "the TLS handshake hangs"),
    Row("48", "plain text is spoken on a TLS port"),
    Row("49", "the environment names a proxy"),
    Row("50", "the proxy refuses, wants a password or hangs up"),
    Row("51", "a netrc file offers another password"),
    Row("52", "the environment names certificates and a file for TLS secrets"),
    Row("53", "the certificate is not valid yet: the clock is wrong"),
    Row("54", "the public host name leads to a private address"),
)

SENDING = (
    Row("55", "the connection is reset before the first byte"),
    Row("56", "the connection is reset amid an upload"),
    Row("57", "the connection is reset right after the last byte"),
    Row("58", "the last write was begun and never confirmed"),
    Row("59", "the server stops reading"),
    Row("60", "the server answers early and closes"),
    Row("61", "an idle connection closes as it is used"),
    Row("62", "an HTTP/2 stream is refused", "HTTP/2 is off"),
    Row("63", "interim answers come without end"),
    Row("64", "the server switches protocols unasked"),
    Row("65", "a call is cancelled while it is sent"),
    Row("66", "the process is killed while it sends"),
    Row("67", "memory runs out while the request is built"),
)

WAITING = (
    Row("68", "the connection ends without a byte of an answer"),
    Row("69", "the connection ends amid the head of the answer"),
    Row("70", "no answer ever comes"),
    Row("71", "a router forgets the silent connection"),
    Row("72", "a gateway cuts the long wait short"),
    Row("73", "the head of the answer drips byte by byte"),
    Row("74", "the status line is garbage"),
    Row("75", "the head of the answer is endless"),
    Row("76", "the answer announces two lengths"),
    Row("77", "the answer announces a length and chunks"),
    Row("78", "the announced length is absurd"),
    Row("79", "the answer is HTTP/1.0 or older"),
    Row("80", "a redirect that would turn POST into GET"),
    Row("81", "a redirect on the same host that would post again"),
    Row("82", "a redirect that would post to another host"),
    Row("83", "another host answers, with a page"),
    Row("84", "the machine sleeps while it waits"),
    Row("85", "a call is cancelled while it waits"),
    Row("86", "the process is killed while it waits"),
)

VERDICTS = (
    Row("87", "400 and 422"),
    Row("88", "401"),
    Row("89", "402, or 403 for want of credits"),
    Row("90", "403, 404, 405, 410, 451"),
    Row("91", "408"),
    Row("92", "409"),
    Row("93", "411, 413, 414, 415, 431"),
    Row("94", "425 and 428"),
    Row("95", "429 without Retry-After"),
    Row("96", "429 with Retry-After in seconds or as a date"),
    Row("97", "429 with a Retry-After that is nonsense or too long"),
    Row("98a", "500 and 503 of the service itself"),
    Row("98b", "502 and 504 of the service itself"),
    Row("98c", "500, 502, 503, 504 of something in between"),
    Row("98d", "503 of the service itself, with Retry-After"),
    Row("98e", "520 to 526 of an edge"),
    Row("98f", "524, 527, 530, 599 and unknown ones"),
    Row("98g", "another 2xx than 200"),
    Row("98h", "200 with an error code in the document"),
)

BODY = (
    Row("99", "a body without a length is cut"),
    Row("100", "a body with a length or in chunks is cut"),
    Row("101", "a page or garbage comes with 200"),
    Row("102", "the body drips"),
    Row("103", "the body is gigantic"),
    Row("104", "the body is packed although it was asked for plain"),
    Row("105", "the body is a bomb, or packed many times"),
    Row("106", "the body is packed in a way nobody here unpacks"),
    Row("107", "a plain body is labelled as packed"),
    Row("108", "the body is no UTF-8"),
    Row("109", "the document is nested too deep"),
    Row("110", "a number is huge, endless or no number"),
    Row("111", "a key stands twice in the document"),
    Row("112", "keys or digits are written as escapes"),
    Row("113", "a string holds what JSON does not allow"),
    Row("114", "something follows the document"),
    Row("115", "the audio is missing, null, a number or empty"),
    Row("116", "the digits are odd in number"),
    Row("117", "a foreign character stands among the digits"),
    Row("118", "the digits are upper or mixed case"),
    Row("119", "the announced size differs from what came"),
    Row("120", "the audio is not of the format asked for"),
    Row("121", "the audio ends amid a frame, or is shorter than announced"),
    Row("122", "the service calls the track unfinished"),
    Row("123", "audio and an error code come together"),
    Row("124", "the service's words hold escapes, or are megabytes long"),
    Row("125", "decoding holds up the event loop"),
    Row("126", "a call is cancelled while its audio comes"),
    Row("127", "the process is killed while its audio comes"),
)

STORING = (
    Row("128", "the disk fills up in spite of the reservation"),
    Row("129", "syncing the file fails"),
    Row("130", "the finished file cannot take its name"),
    Row("131", "the new name in the directory is not durable"),
    Row("132", "a write takes less than it was given"),
    Row("133", "a crash between syncing and renaming"),
    Row("134", "a crash between renaming and the ledger's last mark"),
    Row("135", "the finished file is deleted by its owner"),
    Row("136", "the file system has no working locks"),
    Row("137", "a call is cancelled while its track is stored"),
)

LEDGER = (
    Row("138", "two processes use one ledger"),
    Row("139", "two batches do the same jobs", "two ledgers know nothing of each other"),
    Row("140", "the holder of the ledger died"),
    Row("141", "the ledger's tail is torn"),
    Row("142", "the ledger's middle is corrupt"),
    Row("143", "the ledger is deleted while it is used"),
    Row("144", "the ledger has another schema"),
    Row("145", "the wall clock jumps during a batch"),
    Row("146", "the list of jobs is edited between runs"),
    Row("147", "a job stands twice in a list"),
    Row("148", "a job always fails or kills the process"),
    Row("149", "the budget is reached"),
    Row("150", "a batch is interrupted"),
)

SECRETS = (
    Row("151", "a value shows the key"),
    Row("152", "an exception shows the key"),
    Row("153", "a pickle or a copy holds the key"),
    Row("154", "a log shows the key"),
    Row("155", "the service echoes the key"),
    Row("156", "an id or a name would inject a header"),
    Row("157", "a reference by URL leads to an internal host"),
    Row("158", "a host name changes its address between look and use", _NO_URLS),
    Row("159", "a reference by URL redirects to an internal host", _NO_URLS),
    Row("160", "a reference has another scheme than http"),
    Row("161", "a host is written as a strange number"),
    Row("162", "an address lies about its family", _NO_URLS),
    Row("163", "a reference by URL is endless", _NO_URLS),
    Row("164", "the key is sent to the host of a reference", _NO_URLS),
    Row("165", "the sandbox is reached from outside"),
    Row("166", "the sandbox is mistaken for the service"),
    Row("167", "a dependency or a publishing token is stolen", "it concerns releases, which no call can show"),
)

QUEUED = (
    Row("168", "the answer to a submit is lost"),
    Row("169", "a submit is answered without an id"),
    Row("170", "a submit is refused or throttled"),
    Row("171", "the service does not know an id"),
    Row("172", "the service fails when it is asked after a generation"),
    Row("173", "something else answers in its place"),
    Row("174", "a question is not answered, or a generation never done"),
    Row("175", "a status that nobody knows"),
    Row("176", "a generation fails after it was accepted"),
    Row("177", "the key is refused after a generation was accepted"),
    Row("178", "the address of a track is forbidden, expired or busy"),
    Row("179", "something else lies where the track should"),
    Row("180", "the download of a track breaks"),
    Row("181", "a track is without end"),
    Row("182", "the address of a track is none that may be fetched"),
    Row("183", "the address of a track leads to another host"),
    Row("184", "the key is sent to the host of a track"),
)

ROWS = (
    *CONFIGURATION,
    *PREPARATION,
    *SLOTS,
    *CONNECTING,
    *SENDING,
    *WAITING,
    *VERDICTS,
    *BODY,
    *STORING,
    *LEDGER,
    *SECRETS,
    *QUEUED,
)
