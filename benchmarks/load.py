"""Load over HTTP: requests whose bytes are made before, over connections that stay open."""

from __future__ import annotations

import json
import random
import select
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

CONNECTIONS = 64  # That stay open, where nothing else is said.
ITEMS = 100  # Issues in an array.

# ── Requests ──────────────────────────────────────────────────────────────────────────────────────


class Requests:
    """Requests whose references are all distinct. Arrays may have a path of their own."""

    def __init__(self, address: str, key: str = "none", batch: str = "") -> None:
        self.address = urlsplit(address)
        self._key = key
        self._batch = batch
        self._chance = random.Random(1)
        self._number = 0

    def _issue(self) -> dict[str, object]:
        self._number += 1
        point = {
            "lat": round(self._chance.uniform(53.32, 53.36), 6),
            "lon": round(self._chance.uniform(-6.3, -6.25), 6),
        }
        due = {"due": "2030-01-01T00:00:00Z"}
        return {
            "reference": f"D-{self._number:08}",
            "category": "Noise",
            "urgency": "normal",
            "place": {"point": point},
            **due,
        }

    def _request(self, content: object, path: str = "") -> bytes:
        body = json.dumps(content).encode()
        head = (
            f"POST /issues/hotline{path} HTTP/1.1\r\nHost: {self.address.netloc}\r\n"
            f"Authorization: Bearer {self._key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def single(self, count: int) -> list[bytes]:
        """One issue each."""
        return [self._request(self._issue()) for _ in range(count)]

    def arrays(self, count: int) -> list[bytes]:
        """ITEMS issues each."""
        arrays = ([self._issue() for _ in range(ITEMS)] for _ in range(count))
        return [self._request(array, self._batch) for array in arrays]


# ── Load ──────────────────────────────────────────────────────────────────────────────────────────


class Connection:
    """One connection that stays open, and the answer that comes on it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0  # When its request was to be sent.
        self._answer = b""

    def send(self, request: bytes, due: float = 0.0) -> None:
        """Send the next request."""
        self.due = due
        self.socket.sendall(request)

    def is_answered(self) -> bool:
        """Take what has come, and tell if the answer is whole.

        Anything but 200 and 202 is a fault of the benchmark.
        """
        came = self.socket.recv(1 << 18)
        assert came, "the server closed the connection"
        self._answer += came
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end:
            return False
        start = head.lower().index(b"content-length:") + 15
        if len(body) < int(head[start:].partition(b"\r\n")[0]):
            return False
        assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 202")), self._answer[:2000]
        self._answer = b""
        return True


@contextmanager
def connections(
    requests: Requests, count: int
) -> Iterator[tuple[select.epoll, dict[int, Connection]]]:
    """Yield so many open connections by number, and what polls them for answers."""
    address = (str(requests.address.hostname), int(requests.address.port or 80))
    opened = [Connection(address) for _ in range(count)]
    poll = select.epoll()
    for each in opened:
        poll.register(each.socket.fileno(), select.EPOLLIN)
    try:
        yield poll, {each.socket.fileno(): each for each in opened}
    finally:
        poll.close()
        for each in opened:
            each.socket.close()


class Rate(NamedTuple):
    """Requests a second, and the part of its processor that the load needed."""

    requests: float
    busy: float


def as_fast_as_it_goes(
    requests: Requests, bodies: Sequence[bytes], count: int = CONNECTIONS
) -> Rate:
    """Send the next request on each of `count` connections when it has its answer."""
    with connections(requests, count) as (poll, by_number):
        left = iter(bodies)
        begun, cpu = time.perf_counter(), time.process_time()
        for connection, request in zip(by_number.values(), left, strict=False):
            connection.send(request)
        answered = 0
        while answered < len(bodies):
            for number, _ in poll.poll():
                connection = by_number[number]
                if connection.is_answered():
                    answered += 1
                    if (following := next(left, None)) is not None:
                        connection.send(following)
        seconds = time.perf_counter() - begun
        return Rate(len(bodies) / seconds, (time.process_time() - cpu) / seconds)


def at_a_rate(requests: Requests, bodies: Sequence[bytes], per_second: float) -> list[float]:
    """Send at random times of a mean rate, whatever is answered.

    Return the milliseconds from the time at which each was due to its answer.
    """
    chance, latencies = random.Random(2), list[float]()
    with connections(requests, CONNECTIONS) as (poll, by_number):
        free, due = (
            deque(by_number.values()),
            time.perf_counter(),
        )  # In turns: the server closes what is idle for long.
        left = iter(bodies)
        request = next(left, None)
        while len(latencies) < len(bodies):
            now = time.perf_counter()
            while request is not None and due <= now and free:
                free.popleft().send(request, due)
                request, due = next(left, None), due + chance.expovariate(per_second)
            wait = max(0.0, due - now) if request is not None and free else 1.0
            for number, _ in poll.poll(wait):
                connection = by_number[number]
                if connection.is_answered():
                    latencies.append((time.perf_counter() - connection.due) * 1000)
                    free.append(connection)
    return latencies
