"""Log throttle: says when a repeated failure is worth a log line: each cause once, again after a minute, and its end."""

from __future__ import annotations

from okex_ws.protocol.pacing import SECOND

SAY_AGAIN = 60 * SECOND
"""How long a cause that lasts, or comes back, is not mentioned again, ns."""


class LogThrottle:
    """text: the latest failure, "" while all is well."""

    def __init__(self) -> None:
        self.text = ""
        self._said: dict[int | str, int] = {}
        self._is_said = False

    def fails(self, cause: int | str, text: str, now: int) -> bool:
        """It has failed, once more perhaps; returns whether to say so. cause: what is the same of failures whose texts differ."""
        self.text = text
        self._said = {known: said for known, said in self._said.items() if abs(now - said) < SAY_AGAIN}
        if cause in self._said:
            return False
        self._said[cause] = now
        self._is_said = True
        return True

    def ends(self) -> bool:
        """It has succeeded; returns whether to say so, as the failure was."""
        self.text = ""
        was_said, self._is_said = self._is_said, False
        return was_said
