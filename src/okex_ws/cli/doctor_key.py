"""The doctor's check of an API key: its validity at this site, over REST and WebSocket, and its permissions."""

from __future__ import annotations

import asyncio
import ssl

from okex_ws.cli import options
from okex_ws.cli.api_errors import refusal_text
from okex_ws.cli.report import CONNECT_PAUSE_S, PATIENCE_S, DoctorReport
from okex_ws.client import probes
from okex_ws.client.client import Client
from okex_ws.client.credentials import AccountKey, CredentialsError, NoKeyError
from okex_ws.client.rest import RestError
from okex_ws.client.sites import Site
from okex_ws.wire.codes import lookup

_PERMISSIONS = {"read_only": "read", "trade": "trade", "withdraw": "withdraw"}
_MODES = {"1": "spot", "2": "futures", "3": "multi-currency margin", "4": "portfolio margin"}


async def check_key(
    report: DoctorReport, place: options.Target, key: AccountKey | CredentialsError, context: ssl.SSLContext
) -> None:
    """Report the key's validity and permissions. Sends only a login and a read of the account's settings."""
    if isinstance(key, NoKeyError):
        report.add("skip", "key", f"not checked: {key}")
        return
    if isinstance(key, CredentialsError):
        report.add("fail", "key", str(key))
        return
    site = place.site
    kind = "demo trading" if site.demo else "live trading"
    report.add("ok", "key", f"{key.api_key[:4]}… of {key.origin}, for {kind}")
    if site.rest in report.unreachable and site.websocket in report.unreachable:
        report.add("skip", "login", "neither REST nor WebSocket answers")
        return
    if site.rest not in report.unreachable and not await _ask_rest(report, place, key):
        return  # after a refusal by REST the login would be refused as well
    if site.websocket not in report.unreachable:
        await _log_in(report, site, key, context)


async def _ask_rest(report: DoctorReport, place: options.Target, key: AccountKey) -> bool:
    client = Client(site=place.site, ca_file=place.ca_file, credentials=key)
    try:
        async with asyncio.timeout(PATIENCE_S):
            config = await client.rest.account_config()
    except RestError as error:
        report.add("fail", "key", refusal_text(error.code, str(error), place.site, key))
        return False
    except TimeoutError:
        report.add("fail", "key", f"REST does not answer within {PATIENCE_S:.0f} s")
        return False
    finally:
        await client.close()
    mode = _MODES.get(str(config.get("acctLv", "")), "unknown mode")
    sides = "long and short held separately" if config.get("posMode") == "long_short_mode" else "net positions"
    report.add("ok", "account", f"{config.get('uid', '?')}, {mode}, {sides}")
    expires = not place.site.demo and not place.site.is_local
    _judge(report, str(config.get("perm", "")), str(config.get("ip", "")), expires=expires)
    return True


def _judge(report: DoctorReport, permissions: str, addresses: str, *, expires: bool) -> None:
    words = [_PERMISSIONS.get(word, word) for word in permissions.split(",") if word]
    if "withdraw" in words:
        report.add(
            "warn", "may", f"{', '.join(words)}: anyone with this key can withdraw funds; create one without this permission"
        )
    elif "trade" not in words:
        report.add("warn", "may", f"{', '.join(words) or 'none known'}: orders will be refused")
    else:
        report.add("ok", "may", ", ".join(words))
    if not addresses and "trade" in words and expires:
        report.add("warn", "addresses", "the key is not bound to an IP address: it expires after 14 days without use")


async def _log_in(report: DoctorReport, site: Site, key: AccountKey, context: ssl.SSLContext) -> None:
    await asyncio.sleep(CONNECT_PAUSE_S)
    secure = context if probes.place_of(site.websocket).tls else None
    try:
        answer = await probes.login(site.url("private"), key, secure, PATIENCE_S)
    except TimeoutError:
        report.add("fail", "login", f"no answer within {PATIENCE_S:.0f} s")
    except OSError as error:
        report.add("fail", "login", str(error))
    else:
        if answer.code == "0":
            report.add("ok", "login", f"answered in {answer.took_ms:.1f} ms")
        else:
            known = lookup(answer.code)
            text = f"{answer.code} {answer.message.rstrip('.')}{f'; {known.advice}' if known.advice else ''}"
            report.add("fail", "login", refusal_text(answer.code, text, site, key))
