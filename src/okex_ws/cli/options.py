"""Options shared by several commands, and their values: site, subscriptions, durations."""

from __future__ import annotations

import datetime
import functools
import importlib.util
import inspect
import re
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_type_hints

import typer

from okex_ws.cli.errors import BadInputError
from okex_ws.client.credentials import AccountKey, CredentialsError, credentials
from okex_ws.client.sites import SITES, Site
from okex_ws.dialects import dialect
from okex_ws.protocol.dialect import V5, Dialect
from okex_ws.wire.channels import Channel, Subscription, SubscriptionError, channel, subscription

DATA = Path("data")
"""Default folder of recordings."""

_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def duration(text: str) -> float:
    """Return the seconds of "10s", "500ms", "2m", "1h" or "10"."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ns|us|ms|s|m|h|)\s*", str(text))
    if found is not None and not float(found[1]):
        raise typer.BadParameter(f"{text!r} must be above zero; write e.g. 10s, 500ms, 2m or 1h")
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a time; write e.g. 10s, 500ms, 2m or 1h")
    return float(found[1]) * _UNITS[found[2] or "s"]


def instant(text: str) -> int:
    """Return ns UTC of "2026-11-22", "2026-11-22T14:07:51.5Z", "10m" (ago) or a whole number of ns, ms or s since 1970."""
    words = str(text).strip()
    if re.fullmatch(r"\d{9,19}", words):
        return int(words) * 10 ** (9 if len(words) < 12 else 6 if len(words) < 15 else 3 if len(words) < 18 else 0)
    if re.fullmatch(r"\d+(?:\.\d+)?(?:ms|s|m|h|d)", words):
        ago = float(words[:-1]) * 86_400 if words.endswith("d") else duration(words)
        return time.time_ns() - int(ago * 1e9)
    try:
        moment = datetime.datetime.fromisoformat(words)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time; write e.g. 2026-11-22, 2026-11-22T14:07:51Z or 10m (ago)") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return (moment - _EPOCH) // datetime.timedelta(microseconds=1) * 1000


def require_record_extra() -> None:
    """Raise an error naming the missing extra, before the first import that needs it."""
    for library in ("zstandard", "pyarrow", "duckdb"):
        if importlib.util.find_spec(library) is None:
            raise BadInputError(f"recordings need the library {library}: pip install 'okex-websocket[record]'")


_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)

Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="The data folder written by `okex-ws record`.", show_default="./data")
]
Folders = Annotated[
    list[Path] | None, typer.Argument(metavar="FOLDER", help="Data folders of `okex-ws record`. Default: ./data.")
]
Data = Annotated[
    list[Path] | None,
    typer.Option("--data", "-d", metavar="FOLDER", help="Data folder; repeat to merge several. Default: ./data."),
]
Instruments = Annotated[
    list[str] | None,
    typer.Argument(metavar="INSTRUMENT", help="E.g. BTC-USDT or BTC-USDT-SWAP; for some channels a family or a type."),
]
Channels = Annotated[
    list[str] | None,
    typer.Option("--channel", "-c", metavar="CHANNEL", help="Channel, e.g. trades, books, tickers, candle1m; repeat for more."),
]
Keys = Annotated[
    list[str] | None,
    typer.Option(
        "--key", "-k", metavar="NAME=VALUE", help="An additional key of a channel by OKX's name, e.g. instType=FUTURES."
    ),
]
SiteName = Annotated[str | None, typer.Option("--site", metavar="SITE", help=f"OKX's site: {', '.join(SITES)}. Default: global.")]
Profile = Annotated[
    str | None,
    typer.Option("--profile", metavar="NAME", help="A profile of ~/.okx/config.toml, instead of the environment's key."),
]
Demo = Annotated[bool, typer.Option("--demo", help="OKX's demo trading environment.")]
Url = Annotated[
    str | None, typer.Option("--url", metavar="URL", help="Another server that speaks OKX V5, e.g. ws://127.0.0.1:18900.")
]
RestUrl = Annotated[
    str | None,
    typer.Option("--rest-url", metavar="URL", help="The REST URL for --url. Default: its host, on this machine the next port."),
]
CaFile = Annotated[
    str | None, typer.Option("--ca-file", metavar="FILE", help="A certificate authority (PEM) to trust besides the system's.")
]
Audit = Annotated[
    Path | None, typer.Option("--audit", metavar="FILE", help="Append a JSON line to this file for each request and its outcome.")
]
DialectName = Annotated[
    str | None,
    typer.Option("--dialect", metavar="DIALECT", help="Protocol of --url: v5, or OKEx's discontinued v3 or v1. Default: v5."),
]
ForTime = Annotated[
    float | None, typer.Option("--for", parser=duration, metavar="TIME", help="End after this long: 10s, 500ms, 2m, 1h.")
]


class Target(NamedTuple):
    """Site to connect to, and the certificate authorities to trust there."""

    site: Site
    ca_file: str | None


class AccountOptions(NamedTuple):
    """Account of a command: its site, the certificate authorities to trust there, its key."""

    site: Site
    ca_file: str | None
    key: AccountKey


class Location(NamedTuple):
    """The shared options of a command that connects, as typed by the user."""

    profile: Profile = None
    site: SiteName = None
    demo: Demo = False
    url: Url = None
    rest_url: RestUrl = None
    ca_file: CaFile = None

    def target(self) -> Target:
        """Return the site of these options. Raises BadInputError or EndpointError."""
        if self.ca_file is not None:
            try:
                ssl.create_default_context().load_verify_locations(self.ca_file)
            except OSError as error:  # includes ssl.SSLError
                reason = "not a PEM certificate" if isinstance(error, ssl.SSLError) else error.strerror
                raise BadInputError(f"--ca-file {self.ca_file}: {reason}; give the PEM file of a certificate authority") from None
        if self.url is None:
            if self.rest_url is not None:
                raise BadInputError("--rest-url goes with --url; with --site, REST is known")
            return Target(Site.okx(self.site or "global", demo=self.demo), self.ca_file)
        if self.site is not None:
            raise BadInputError("--site and --url exclude each other; omit one")
        return Target(Site.at(self.url, rest_url=self.rest_url, demo=self.demo), self.ca_file)

    def account(self) -> AccountOptions:
        """Return the account of these options and the environment or a profile; a key is sent only to its own site.

        Raises CredentialsError, BadInputError or EndpointError.
        """
        if self.url is not None:
            self.target()  # errors of the command line are reported first
        key = credentials(self.profile, site=self.site, demo=self.demo or None)
        place = self._replace(demo=key.site.demo).target()
        return AccountOptions(place.site if self.url is not None else key.site, place.ca_file, key)

    def target_for(self, items: Iterable[Subscription], dialect: Dialect = V5) -> tuple[Target, AccountKey | None]:
        """Return the site for these subscriptions, and the key if any of them needs a login: then the key's own site counts."""
        place = self.target()
        guarded = next((item for item in items if dialect.needs_login(item)), None)
        if guarded is None:
            return place, None
        try:
            found = self.account()
        except CredentialsError as error:
            raise BadInputError(f"{guarded.channel} needs a login; {error}") from None
        return Target(found.site, found.ca_file), found.key


def with_location(command: Callable[..., int], *, without: str = "") -> Callable[..., int]:
    """Return the command with its parameter `location` replaced by the fields of Location, as Typer needs them."""
    kinds = get_type_hints(Location, include_extras=True)
    signature = inspect.signature(command, eval_str=True)
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if parameter.annotation is Location:
            parameters += [
                inspect.Parameter(name, parameter.KEYWORD_ONLY, default=default, annotation=kinds[name])
                for name, default in Location._field_defaults.items()
                if name != without
            ]
        else:
            parameters.append(parameter)

    @functools.wraps(command)
    def expanded(**values: Any) -> int:
        location = Location(**{name: values.pop(name) for name in Location._fields if name in values})
        return command(**values, location=location)

    expanded.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    expanded.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return expanded


def with_public_location(command: Callable[..., int]) -> Callable[..., int]:
    """Return the command with the options of `with_location`, but no profile: it needs no key."""
    return with_location(command, without="profile")


def spoken(name: str | None, url: str | None) -> Dialect:
    """Return the dialect of the options. Raises BadInputError."""
    try:
        found = dialect(name or "v5")
    except ValueError as error:
        raise BadInputError(f"--dialect: {error}") from None
    if not found.has_rest and url is None:
        raise BadInputError(f"OKX no longer speaks {found.name}; give the --url of a server that does")
    return found


def wanted(
    channels: Sequence[str], instruments: Sequence[str], keys: Iterable[str] = (), dialect: Dialect = V5
) -> list[Subscription]:
    """Return every channel for every instrument, checked. Raises SubscriptionError or BadInputError."""
    further = _pairs(keys)
    if dialect is not V5:
        return _wanted_of(dialect, channels, instruments, further)
    items: dict[Subscription, None] = {}
    used: set[str] = set()
    for name in channels:
        row = channel(name)
        own = {key: value for key, value in further.items() if key in _names(row)}
        used |= set(own)
        if not row.keys and not row.optional and len(channels) > 1:
            items[subscription(name)] = None
            continue
        if not instruments and not own and any(key.split("|")[0] == "instId" for key in row.keys):
            raise BadInputError(f"{name} needs an instrument, e.g. BTC-USDT")
        for key in instruments or (None,):
            items[subscription(name, key, **own)] = None
    if further.keys() - used:
        # No channel of the command has such a key: the channel table raises the error.
        subscription(channels[0], instruments[0] if instruments else None, **further)
    return list(items)


def _wanted_of(
    dialect: Dialect, channels: Sequence[str], instruments: Sequence[str], further: dict[str, str]
) -> list[Subscription]:
    """Return subscriptions as `wanted` does, in a dialect whose channel names include the instrument."""
    items: dict[Subscription, None] = {}
    for name in channels:
        says_it_all = name.lower().startswith("ok_") or name.endswith("_forecast_price") or ":" in name
        if not instruments and not further and not says_it_all and name != "status" and "/" not in name:
            raise BadInputError(f"{name} needs an instrument, e.g. BTC-USDT")
        for key in (None,) if says_it_all else instruments or (None,):
            items[dialect.subscription(name, key, **further)] = None
    idle = set(instruments) - {item.key for item in items}
    if idle:
        of = ", ".join(sorted(idle))
        raise BadInputError(f"no channel uses {of}, since {channels[0]} names its instrument itself; omit it")
    return list(items)


def _pairs(keys: Iterable[str]) -> dict[str, str]:
    pairs = {}
    for text in keys:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise BadInputError(f"--key {text}: write NAME=VALUE, e.g. instType=FUTURES")
        if name == "channel":
            raise SubscriptionError("--key channel=…: channels are given with -c")
        pairs[name] = value
    return pairs


def _names(row: Channel) -> set[str]:
    return {word for key in row.keys for word in key.split("=")[0].split("|")} | set(row.optional)
