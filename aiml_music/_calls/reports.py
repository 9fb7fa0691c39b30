"""What a client tells of its calls: events for the caller's function, and one logged line for every call that ends."""

import logging

from aiml_music._sansio.events import Event, EventHandler, EventKind, summary

_LOGGER = logging.getLogger("aiml_music")
# A library leaves it to the program whether anything of it is shown.
_LOGGER.addHandler(logging.NullHandler())


class Reports:
    """Passes events on; what goes wrong with them never touches a call.

    Args:
        on_event: the caller's own function; it runs in the event loop, and must not wait for anything.
    """

    def __init__(self, on_event: EventHandler | None) -> None:
        self._on_event = on_event

    def wants(self, kind: EventKind) -> bool:
        """Say whether anybody is told of events of this kind; of an end, the log is."""
        return self._on_event is not None or (kind is EventKind.ENDED and _LOGGER.isEnabledFor(logging.INFO))

    def tell(self, event: Event) -> None:
        """Pass an event on."""
        if event.kind is EventKind.ENDED:
            _LOGGER.info("%s", summary(event))
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except Exception:
            # A call that is being paid for is worth more than a report of it.
            _LOGGER.exception("on_event failed at %s of %s", event.kind, event.client_request_id)
