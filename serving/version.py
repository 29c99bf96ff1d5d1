"""Which version of this project is installed."""

from importlib.metadata import PackageNotFoundError, version


def project_version() -> str:
    """The installed version, 0 where the project runs without being installed."""
    try:
        return version("grounded")
    except PackageNotFoundError:
        return "0"
