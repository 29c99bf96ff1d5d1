"""What can go wrong with the demo upstreams.

DemoError
 |- ServerStartError    a server did not answer
 |- NotRunningError     traffic needs a server that is down
 '- StateError          the state file cannot be read, or another process holds it
"""


class DemoError(Exception):
    """Something about the demo upstreams; the message ends in what to do next."""


class ServerStartError(DemoError):
    """A demo server was started and did not answer."""


class NotRunningError(DemoError):
    """A demo server is needed and is not up."""


class StateError(DemoError):
    """The state of the demo cannot be read or locked."""
