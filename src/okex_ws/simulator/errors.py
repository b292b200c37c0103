"""Error of the simulated exchange's API."""

from __future__ import annotations


class ApiError(Exception):
    """Refusal of a request: the code and message that the client receives, and the channel where an answer names one."""

    def __init__(self, code: str, message: str = "", channel: str = "") -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.channel = channel
