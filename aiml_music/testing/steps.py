"""What a script expects of the next request, and the request as it came."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from attrs import field, frozen

from aiml_music._sansio.catalogue import MODELS, UPLOAD_PATH
from aiml_music._sansio.catalogue.model import QUEUED_PATH
from aiml_music._sansio.outcome import Operation, Phase
from aiml_music.testing.reactions import Reaction, ScriptedFault

_PATHS = {
    Operation.UPLOAD: (UPLOAD_PATH,),
    Operation.GENERATE: tuple({model.generate_path for model in MODELS.values()}),
}
_PURPOSE = re.compile(rb'; name="purpose"\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]*)\r\n--')


@frozen(kw_only=True)
class RecordedRequest:
    """A request as it came, without the key.

    Attributes:
        method: in capitals.
        url: what was asked for.
        headers: by lower-case name.
        body: what came of it.
        complete: whether all of it came.
        with_key: whether the key would have gone with it. With the download of a finished track it does not.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)
    complete: bool = False
    with_key: bool = True

    def __str__(self) -> str:
        return self.operation or f"{self.method} {self.path}"

    @property
    def path(self) -> str:
        """The path of the address, without what is asked of it."""
        return urlsplit(self.url).path

    @property
    def operation(self) -> Operation | None:
        """What it asks for; None where that is nothing that a script has a step of its own for."""
        if not self.with_key:
            return Operation.FETCH
        if self.generation_id is not None:
            return Operation.POLL
        return next((name for name, paths in _PATHS.items() if self._is_for(paths)), None)

    def _is_for(self, paths: tuple[str, ...]) -> bool:
        return self.method == "POST" and self.path.endswith(paths)

    @property
    def generation_id(self) -> str | None:
        """The id of the generation that is asked after; None for everything else."""
        is_question = self.method == "GET" and self.path.endswith(QUEUED_PATH)
        return parse_qs(urlsplit(self.url).query).get("generation_id", [None])[0] if is_question else None

    @property
    def client_request_id(self) -> str | None:
        """The id that the client gave to the call."""
        return self.headers.get("x-client-request-id")

    @property
    def purpose(self) -> str | None:
        """What an upload says that its reference is; None for everything else."""
        found = _PURPOSE.search(self.body)
        return None if found is None else found[1].decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body's document."""
        return json.loads(self.body)


@frozen(kw_only=True)
class Step:
    """One request that is expected, and what becomes of it; `on_generate` and its like make it.

    Raises:
        ValueError: what a request holds is to be checked, and it does not arrive whole.
    """

    reaction: Reaction
    operation: Operation | None = None
    path: str = ""
    method: str = "POST"
    headers: Mapping[str, object] = field(factory=dict)
    url: str | None = None
    generation_id: str | None = None
    purpose: str | None = None
    fields: Mapping[str, object] = field(factory=dict)
    on_arrival: Callable[[], object] | None = None

    def __attrs_post_init__(self) -> None:
        wants_all = bool(self.fields) or self.purpose is not None or self.on_arrival is not None
        if wants_all and self.breaks_in in {Phase.CONNECT, Phase.SEND}:
            raise ValueError(f"{self}: the request does not arrive, so nothing of it can be checked but its head")

    def __str__(self) -> str:
        return f"{self.name} ({self.reaction})"

    @property
    def name(self) -> str:
        """What is expected, in a word or two."""
        return self.operation or f"{self.method} {self.path}"

    @property
    def breaks_in(self) -> Phase | None:
        """The phase in which the network fails, before there is any answer."""
        return self.reaction.phase if isinstance(self.reaction, ScriptedFault) else None

    def misfits_of_head(self, request: RecordedRequest) -> Iterator[str]:
        """Yield what is not as expected before the body comes."""
        if not self._is_for(request):
            yield f"expected {self.name}, came {request}"
            return
        if self.url is not None:
            yield from _differs("address", self.url, request.url)
        if self.generation_id is not None:
            yield from _differs("generation", self.generation_id, request.generation_id)
        for name, expected in self.headers.items():
            yield from _differs(f"header {name}", expected, request.headers.get(name.lower()))

    def _is_for(self, request: RecordedRequest) -> bool:
        if self.operation is not None:
            return request.operation is self.operation
        return request.method == self.method and request.path.endswith(self.path)

    def misfits_of_body(self, request: RecordedRequest) -> Iterator[str]:
        """Yield what is not as expected in a whole request."""
        if self.purpose is not None:
            yield from _differs("purpose", self.purpose, request.purpose)
        members = _members(request) if self.fields else {}
        for name, expected in self.fields.items():
            yield from _differs(name, expected, members.get(name))


def _members(request: RecordedRequest) -> Mapping[str, object]:
    try:
        document = request.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _differs(what: str, expected: object, came: object) -> Iterator[str]:
    if expected != came:
        yield f"{what}: expected {_shown(expected)}, came {_shown(came)}"


def _shown(value: object) -> str:
    return "nothing" if value is None else repr(value)


def on_upload(
    reaction: Reaction,
    /,
    *,
    purpose: str | None = None,
    headers: Mapping[str, object] | None = None,
    on_arrival: Callable[[], object] | None = None,
) -> Step:
    """Expect an upload, and let something become of it.

    Args:
        reaction: what, such as `new_reference()` or `lost()`.
        purpose: `song`, `voice` or `instrumental`; None is any.
        headers: what they must be; None stands for one that must not be there.
        on_arrival: called once the whole request is there, and before it is answered.
    """
    return Step(
        operation=Operation.UPLOAD,
        reaction=reaction,
        headers=headers or {},
        purpose=purpose,
        on_arrival=on_arrival,
    )


def on_generate(
    reaction: Reaction,
    /,
    *,
    headers: Mapping[str, object] | None = None,
    on_arrival: Callable[[], object] | None = None,
    **fields: object,
) -> Step:
    """Expect a generation, and let something become of it.

    Args:
        reaction: what, such as `finished_track()`, `refusal(429, "slow down")` or `lost()`.
        headers: what they must be; None stands for one that must not be there.
        on_arrival: called once the whole request is there, and before it is answered.
        fields: what members of the JSON must be, such as `lyrics="Side by side"`; None stands for one that must not be
            there. Members that are not named may be anything.
    """
    return Step(
        operation=Operation.GENERATE,
        reaction=reaction,
        headers=headers or {},
        fields=fields,
        on_arrival=on_arrival,
    )


def on_question(
    reaction: Reaction,
    /,
    *,
    generation_id: str | None = None,
    headers: Mapping[str, object] | None = None,
    on_arrival: Callable[[], object] | None = None,
) -> Step:
    """Expect a question after a generation that was accepted, and let something become of it.

    Args:
        reaction: what, such as `still_running()`, `ready_at()` or `gateway_page()`.
        generation_id: the id of the generation; None is any.
        headers: what they must be; None stands for one that must not be there.
        on_arrival: called once the whole request is there, and before it is answered.
    """
    return Step(
        operation=Operation.POLL,
        reaction=reaction,
        generation_id=generation_id,
        headers=headers or {},
        on_arrival=on_arrival,
    )


def on_fetch(
    reaction: Reaction,
    /,
    *,
    url: str | None = None,
    headers: Mapping[str, object] | None = None,
    on_arrival: Callable[[], object] | None = None,
) -> Step:
    """Expect the download of a finished track, and let something become of it.

    Args:
        reaction: what, such as `audio_file()` or `answer(403)`.
        url: the address; None is any.
        headers: what they must be; None stands for one that must not be there.
        on_arrival: called once the whole request is there, and before it is answered.
    """
    return Step(
        operation=Operation.FETCH,
        reaction=reaction,
        url=url,
        headers=headers or {},
        on_arrival=on_arrival,
    )


def on_request(
    method: str,
    path: str,
    reaction: Reaction,
    /,
    *,
    headers: Mapping[str, object] | None = None,
    on_arrival: Callable[[], object] | None = None,
    **fields: object,
) -> Step:
    """Expect a request for any path, and let something become of it.

    Args:
        method: such as `POST`.
        path: the path, or its end.
        reaction: what becomes of it.
        headers: what they must be; None stands for one that must not be there.
        on_arrival: called once the whole request is there, and before it is answered.
        fields: what members of the JSON must be.
    """
    return Step(
        path=path,
        reaction=reaction,
        method=method,
        headers=headers or {},
        fields=fields,
        on_arrival=on_arrival,
    )
