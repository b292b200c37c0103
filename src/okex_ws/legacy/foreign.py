"""Errors of a server that speaks another dialect: the shape of the error shows the dialect."""

from __future__ import annotations

from typing import Any

from okex_ws.legacy.frames import Foreign

_QUOTED = "a request to log in, which is not repeated here"  # replaces the text of an error that quotes one


def foreign(message: Any, own: str) -> Foreign | None:
    """Return an error in the shape of another dialect than `own`; None for anything else."""
    name, code, text = _error(message)
    if not name or name == own:
        return None
    shown = _QUOTED if "login" in text else text
    return Foreign(code, f"the server speaks {name} ({shown}); give dialect {name.lower()}, or the URL of one that speaks {own}")


def _error(message: Any) -> tuple[str, str, str]:
    """Return (dialect, code, text); "" if the message is not an error."""
    if isinstance(message, list) and message and isinstance(message[0], dict):
        data = message[0].get("data")
        if isinstance(data, dict) and "error_code" in data:
            return "V1", str(data["error_code"]), str(data.get("error_msg", ""))
    elif isinstance(message, dict) and message.get("event") == "error":
        if "errorCode" in message:
            return "V3", str(message["errorCode"]), str(message.get("message", ""))
        if "code" in message:
            return "V5", str(message["code"]), str(message.get("msg", ""))
    return "", "", ""
