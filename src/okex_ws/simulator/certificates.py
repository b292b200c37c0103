"""Certificates: a temporary authority for wss:// on the loopback. In: host names. Out: an SSLContext and a CA file.

The keys are in a temporary folder, removed with the server; nothing is added to the system's trust.
Needs the package trustme (extra `simulator`).
"""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

DEFAULT_NAMES = ("localhost", "127.0.0.1", "::1")


class Certificates:
    """New authority and one server certificate for these names; `close()` removes its files.

    ca_file: PEM of the authority, for clients to trust. context: for the server's sockets (TLS 1.2 or newer).
    """

    def __init__(self, names: tuple[str, ...] = DEFAULT_NAMES) -> None:
        try:
            import trustme
        except ImportError as error:
            raise RuntimeError("TLS on the simulator needs trustme: pip install 'okex-websocket[simulator]'") from error
        authority = trustme.CA(organization_name="okex-ws simulator (throw-away)")
        leaf = authority.issue_cert(*names)
        self._folder = tempfile.TemporaryDirectory(prefix="okex-ws-ca-")
        self.ca_file = Path(self._folder.name) / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        leaf.configure_cert(self.context)

    def close(self) -> None:
        """Remove the files."""
        self._folder.cleanup()
