"""How many calls of a client may be under way at once: found out, or fixed.

Additive increase, multiplicative decrease: a success lets a little more through, a throttling takes a part away. How
long a call takes says nothing here; a minute is normal. Pure: the clock is the caller's.
"""

from attrs import define, field

START, MOST = 4, 20
"""Where an adaptive limit begins, and the limit the provider publishes for direct customers."""
_CUT = 0.7
# The provider has a code of its own for growing too fast (2045).
_STEP_SECONDS = 10.0


@define
class ConcurrencyLimit:
    """A number of calls that adapts between 1 and `most`; with `fixed`, it stays where it began.

    Attributes:
        calls: how many may be under way now.
    """

    _exact: float = field(default=float(START), alias="exact")
    _most: int = field(default=MOST, alias="most")
    _fixed: bool = field(default=False, alias="fixed")
    _last_cut: float = field(default=float("-inf"), init=False)
    _last_step: float = field(default=float("-inf"), init=False)

    @classmethod
    def of(cls, max_concurrency: int | None) -> "ConcurrencyLimit":
        """Return a fixed limit, or for None one that adapts."""
        return cls() if max_concurrency is None else cls(exact=max_concurrency, fixed=True)

    @property
    def calls(self) -> int:
        """How many may be under way now."""
        return int(self._exact)

    def succeeded(self, *, now: float, under_way: int) -> None:
        """Let more through, if the limit was felt at all: about one call more after a round of successes.

        Args:
            now: monotonic seconds.
            under_way: how many calls were under way, the successful one included.
        """
        if self._fixed or 2 * under_way < self.calls:
            return
        more = min(float(self._most), self._exact + 1 / self._exact)
        if int(more) > self.calls:
            if now - self._last_step < _STEP_SECONDS:
                return
            self._last_step = now
        self._exact = more

    def throttled(self, *, now: float, began: float) -> None:
        """Let fewer through; once for all calls that were under way together.

        Args:
            now: monotonic seconds.
            began: when the attempt began that was throttled.
        """
        if self._fixed or began < self._last_cut:
            return
        self._exact = max(1.0, self._exact * _CUT)
        self._last_cut = self._last_step = now
