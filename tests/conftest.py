"""What every test may count on."""

import signal

import pytest
from tests.support.canary import Canary

# A shell that starts the tests in the background has them ignore Ctrl-C, and their children with them.
signal.signal(signal.SIGINT, signal.default_int_handler)
# A run that is ended from outside ends what it started, as one ended by hand.
signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Canary())
