"""Log throttle for repeated failures: one log line for each cause, again after a minute, and one for the end."""

from __future__ import annotations

from okex_ws.protocol.pacing import SECOND

LOG_AGAIN_AFTER = 60 * SECOND
"""Time in which the same cause is not logged again, ns."""


class LogThrottle:
    """State of one repeated action. text: the latest failure, "" after a success."""

    def __init__(self) -> None:
        self.text = ""
        self._logged: dict[int | str, int] = {}
        self._is_logged = False

    def fails(self, cause: int | str, text: str, now: int) -> bool:
        """Note a failure; returns True if it is to be logged. cause: equal for failures that differ in their texts only."""
        self.text = text
        self._logged = {known: at for known, at in self._logged.items() if abs(now - at) < LOG_AGAIN_AFTER}
        if cause in self._logged:
            return False
        self._logged[cause] = now
        self._is_logged = True
        return True

    def ends(self) -> bool:
        """Note a success; returns True if it is to be logged, because the failure was."""
        self.text = ""
        was_logged, self._is_logged = self._is_logged, False
        return was_logged
