"""What asking costs: the pace of an endpoint's limits, and a budget that is never exceeded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from emosym_data.config import Prices


class BudgetReached(Exception):  # noqa: N818 - an outcome, not an error
    """One more question might cost more than is left."""


class Pace:
    """Spaces requests so that neither requests nor tokens a minute exceed their limits, from any thread."""

    def __init__(
        self,
        requests: float | None,
        tokens: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._request = 60 / requests if requests else 0.0
        self._token = 60 / tokens if tokens else 0.0
        self._clock = clock
        self._free = 0.0
        self._turn = threading.Lock()

    def wait(self, tokens: int) -> float:
        """Seconds until a request of about ``tokens`` may go, whose place is taken by asking."""
        with self._turn:
            now = self._clock()
            start = max(now, self._free)
            self._free = start + max(self._request, self._token * tokens)
            return start - now

    def settle(self, expected: int, used: int) -> None:
        """Correct the pace by what a request has used."""
        with self._turn:
            self._free += max(self._request, self._token * used) - max(self._request, self._token * expected)


class Spending:
    """Counts tokens and their price. A question may be asked only where what it could cost at most, together with all that
    are under way, stays within ``budget``.

    The longest question so far stands for the next one; as long as there was none, one question is asked at a time.
    """

    def __init__(
        self, prices: Prices | None, budget: float | None, *, spent: float, longest: int, answer: int
    ) -> None:
        self.prices, self.budget, self.spent = prices, budget, spent
        self.tokens_in = self.tokens_out = 0
        self._longest, self._answer = longest, answer
        self._under_way = 0
        self._turn = threading.Condition()

    @property
    def expected(self) -> int:
        """Tokens that the next question and its answer may take."""
        return self._longest + self._answer

    def cost(self, tokens_in: int, tokens_out: int) -> float:
        """The price of these tokens, 0 without prices."""
        prices = self.prices
        return (prices.input * tokens_in + prices.output * tokens_out) / 1e6 if prices is not None else 0.0

    def begin(self) -> None:
        """A question is about to be asked. Errors: :class:`BudgetReached`."""
        with self._turn:
            self._turn.wait_for(
                lambda: not self._under_way or (self._longest and self._fits()) or self.budget is None
            )
            if not self._fits():
                raise BudgetReached
            self._under_way += 1

    def _fits(self) -> bool:
        """Whether one more question stays within the budget, whatever it and those under way come to."""
        most = self.cost(self._longest, self._answer)
        return self.budget is None or self.spent + most * (self._under_way + 1) <= self.budget

    def end(self, tokens_in: int = 0, tokens_out: int = 0) -> float:
        """It was answered, or not; what it has cost."""
        with self._turn:
            self._under_way -= 1
            self._longest = max(self._longest, tokens_in)
            self.tokens_in += tokens_in
            self.tokens_out += tokens_out
            cost = self.cost(tokens_in, tokens_out)
            self.spent += cost
            self._turn.notify_all()
            return cost
