"""How names and texts are written into SQL that we compose ourselves."""


def quoted(name: str) -> str:
    """Return a name as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Return a text as a string literal, for statements that take no parameters."""
    return "'" + value.replace("'", "''") + "'"
