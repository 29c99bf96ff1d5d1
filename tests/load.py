"""A bounded load generator: many connections of one process, each with one request at a time.

Bare asyncio, so that the generator costs little beside what it measures.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

# What a question was, its request as bytes, and what judges the answer.
Judge = Callable[[int, bytes], None]


@dataclass(frozen=True)
class Question:
    """One request, and what takes its status and body."""

    kind: str
    request: bytes
    judge: Judge


@dataclass
class Load:
    """Milliseconds of each answer by kind, and the connections that broke."""

    took_ms: dict[str, list[float]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def answers(self) -> int:
        """How many came back."""
        return sum(map(len, self.took_ms.values()))

    def percentile(self, share: float, kind: str | None = None) -> float:
        """The milliseconds within which this share of the answers came."""
        lists = self.took_ms.values() if kind is None else [self.took_ms.get(kind, [])]
        taken = sorted(one for took in lists for one in took)
        return taken[min(len(taken) - 1, int(share * len(taken)))] if taken else float("nan")


def after(seconds: float) -> Callable[[], bool]:
    """Over after so long, counted from the first look."""
    began: list[float] = []

    def is_over() -> bool:
        if not began:
            began.append(time.perf_counter())
        return time.perf_counter() - began[0] >= seconds

    return is_over


def request(path: str, body: bytes, token: str = "", **headers: str) -> bytes:
    """An HTTP/1.1 POST on the loopback that keeps its connection."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:80\r\nContent-Type: application/json\r\n"
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    head += "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def generate(
    port: int,
    askers: Sequence[Callable[[random.Random], Question]],
    is_over: Callable[[], bool],
    *,
    per_second: float | None = None,
) -> Load:
    """Let each asker ask over a connection of its own until it is over.

    ``per_second`` bounds all together; without it each asks again as soon as it is answered.
    """
    load, opened = Load(), asyncio.Semaphore(64)
    began = time.perf_counter()
    pause = len(askers) / per_second if per_second else 0.0

    async def ask(number: int) -> None:
        chance = random.Random(number)
        try:
            async with opened:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.sleep(chance.random() * pause)
            while not is_over():
                now = time.perf_counter()
                question = askers[number](chance)
                writer.write(question.request)
                status, body = await _response(reader)
                took_ms = (time.perf_counter() - now) * 1_000
                load.took_ms.setdefault(question.kind, []).append(took_ms)
                question.judge(status, body)
                await asyncio.sleep(max(0.0, pause - took_ms / 1_000))
            writer.close()
        except (OSError, asyncio.IncompleteReadError) as error:
            load.broken.append(f"{type(error).__name__} of connection {number}")

    await asyncio.gather(*(ask(number) for number in range(len(askers))))
    load.seconds = time.perf_counter() - began
    return load


async def _response(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
    return int(lines[0].split()[1]), await reader.readexactly(length)
