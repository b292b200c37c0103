"""Errors of a server that speaks another dialect: each has its own shape, so the server can be told by it."""

from __future__ import annotations

from typing import Any

from okex_ws.legacy.frames import Foreign

_QUOTED = "a request to log in, which is not repeated here"  # of an error that would quote one


def foreign(told: Any, own: str) -> Foreign | None:
    """An error in V1's, V3's or V5's shape, read by a session that speaks `own`; None for anything else."""
    name, code, message = _error(told)
    if not name or name == own:
        return None
    said = _QUOTED if "login" in message else message
    return Foreign(code, f"the server speaks {name} ({said}); give dialect {name.lower()}, or the URL of one that speaks {own}")


def _error(told: Any) -> tuple[str, str, str]:
    """(dialect, code, message); "" where it is no error."""
    if isinstance(told, list) and told and isinstance(told[0], dict):
        data = told[0].get("data")
        if isinstance(data, dict) and "error_code" in data:
            return "V1", str(data["error_code"]), str(data.get("error_msg", ""))
    elif isinstance(told, dict) and told.get("event") == "error":
        if "errorCode" in told:
            return "V3", str(told["errorCode"]), str(told.get("message", ""))
        if "code" in told:
            return "V5", str(told["code"]), str(told.get("msg", ""))
    return "", "", ""
