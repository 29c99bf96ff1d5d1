"""Work that goes on until it is told to end, as a command does it."""

from threading import Event

from orchestration.cli.following import until_signal


def until_told(arguments: list[str]) -> int:
    """Tell when the work begins, is told to end and has ended; ``stuck`` work never ends."""

    def work(stop: Event) -> None:
        print("working", flush=True)  # noqa: T201  (the test reads it)
        stop.wait()
        print("told", flush=True)  # noqa: T201
        if arguments == ["stuck"]:
            Event().wait()

    until_signal(work)
    print("ended", flush=True)  # noqa: T201
    return 0
