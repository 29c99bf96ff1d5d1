"""One request, tried until it is answered as it should be, or a HttpFault that says what was wrong.

request -> breaker -> rate limit -> socket -> bounded body -> JSON -> accepted, or tried again

What a library says is dropped where it is caught, before anything is raised: its texts quote
addresses with keys in them, and dlt keeps the texts of a whole chain in its trace.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import requests
import urllib3
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from tenacity import RetryCallState, Retrying, retry_if_result

from ingestion.errors import HttpFault
from ingestion.http.addresses import host_of
from ingestion.http.body import BodyTooLarge, BodyTooSlow, BoundedBody, JsonResponse
from ingestion.http.breaker import Breaker
from ingestion.http.patience import Failure, Patience
from ingestion.http.rate_limit import RateLimit
from ingestion.http.retry_after import retry_after
from ingestion.http.timing import Timing
from ingestion.report import HttpReport

Accept: TypeAlias = Callable[[Any], str | None]

# A body may come slowly, but not for ever: this many times the timeout.
_BODY_TIMEOUTS = 10
_TRY_LATER = (408, 425, *range(500, 600))


@dataclass(frozen=True)
class Policy:
    """How long and how much: seconds, and bytes after decompression."""

    timeout_s: float = 30.0
    max_wait_s: float = 300.0
    max_bytes: int = 64 * 1024 * 1024
    rate_limit: RateLimit | None = None


@dataclass
class _Counts:
    requests: int = 0
    failures: int = 0
    throttled: int = 0
    waited_s: float = 0.0
    breakers: dict[str, Breaker] = field(default_factory=dict)


class PatientAdapter(HTTPAdapter):
    """Sends requests for a whole load of one source; ``breakers`` is the folder of their state."""

    def __init__(
        self, policy: Policy, *, breakers: Path, timing: Timing, told: Callable[[str], None]
    ) -> None:
        super().__init__()
        self._policy = policy
        self._folder = breakers
        self._timing = timing
        self._told = told
        self._counts = _Counts()

    def report(self) -> HttpReport:
        """What has been asked so far."""
        counts = self._counts
        return HttpReport(
            requests=counts.requests,
            failures=counts.failures,
            throttled=counts.throttled,
            waited_s=round(counts.waited_s, 3),
            breakers={host: breaker.describe() for host, breaker in counts.breakers.items()},
        )

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
        *,
        accept: Accept | None = None,
    ) -> Response:
        """Return an answer whose body was read and, for success, is JSON that ``accept`` takes.

        ``accept`` says what is wrong with the JSON, or None. Raises HttpFault.
        """
        host = host_of(request.url)
        breaker = self._breaker(host)
        patience = Patience(self._policy.max_wait_s, lambda: breaker.state == "open")

        def attempt() -> Response | Failure:
            breaker.admit()
            patience.tries += 1
            self._wait_for_turn()
            outcome = self._exchange(request, accept, timeout, verify, cert, proxies)
            self._judge(breaker, outcome)
            return outcome

        outcome: Response | Failure = Retrying(
            retry=retry_if_result(lambda answer: isinstance(answer, Failure) and answer.again),
            wait=patience.wait,
            stop=patience.is_spent,
            sleep=self._sleep,
            before_sleep=lambda state: self._tell(host, state),
            retry_error_callback=_last,
        )(attempt)
        if isinstance(outcome, Failure):
            tried = f"tried {patience.tries} time{'s' if patience.tries > 1 else ''}"
            raise HttpFault(
                f"{host} {patience.told(outcome)}; {tried}; {breaker.describe()}", outcome.status
            )
        return outcome

    def build_response(self, req: PreparedRequest, resp: urllib3.BaseHTTPResponse) -> Response:
        """Return a response whose body is bounded and whose JSON is strict."""
        response = JsonResponse()
        response.__dict__.update(super().build_response(req, resp).__dict__)
        response.raw = BoundedBody(
            resp,
            max_bytes=self._policy.max_bytes,
            max_seconds=_BODY_TIMEOUTS * self._policy.timeout_s,
            monotonic=self._timing.monotonic,
        )
        return response

    def _exchange(
        self,
        request: PreparedRequest,
        accept: Accept | None,
        timeout: Any,
        verify: Any,
        cert: Any,
        proxies: Any,
    ) -> Response | Failure:
        try:
            response = super().send(request, False, timeout, verify, cert, proxies)
            if response.status_code >= 400:
                response.close()
                return self._refusal(response)
            response.content  # noqa: B018 - read here, where it is bounded and tried again
        except BodyTooLarge:
            megabytes = self._policy.max_bytes / 1024 / 1024
            return Failure(f"sent more than {megabytes:g} MB in one answer", again=False)
        except BodyTooSlow:
            return Failure("took too long to send an answer")
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            return Failure(_broken(error, self._policy.timeout_s))
        return response if response.is_redirect else _checked(response, accept)

    def _refusal(self, response: Response) -> Failure:
        status = response.status_code
        wait = retry_after(response.headers, self._timing.now())
        if status == 429:
            return Failure("throttles us (HTTP 429)", wait=wait, throttled=True, status=status)
        if status in _TRY_LATER:
            return Failure(f"answered HTTP {status}", wait=wait, status=status)
        what = "refused our credentials" if status in (401, 403) else "refused the request"
        return Failure(f"{what} (HTTP {status})", again=False, status=status)

    def _judge(self, breaker: Breaker, outcome: Response | Failure) -> None:
        if not isinstance(outcome, Failure):
            breaker.succeeded()
        elif outcome.throttled:
            self._counts.throttled += 1
        elif outcome.again:
            self._counts.failures += 1
            breaker.failed()
        else:
            # It answered: the request is wrong, not the host.
            breaker.succeeded()

    def _breaker(self, host: str) -> Breaker:
        known = self._counts.breakers
        if host not in known:
            known[host] = Breaker(host, self._folder, self._timing, self._told)
        return known[host]

    def _wait_for_turn(self) -> None:
        self._counts.requests += 1
        if self._policy.rate_limit is not None:
            self._counts.waited_s += self._policy.rate_limit.wait()

    def _sleep(self, seconds: float) -> None:
        self._counts.waited_s += seconds
        self._timing.sleep(seconds)

    def _tell(self, host: str, state: RetryCallState) -> None:
        outcome = _last(state)
        self._told(f"{host} {outcome.what}; trying again in {state.upcoming_sleep:.1f} s")


def _checked(response: Response, accept: Accept | None) -> Response | Failure:
    try:
        body = response.json()
    except (ValueError, LookupError, RecursionError):
        return Failure(f"sent an answer that is not JSON (HTTP {response.status_code})")
    complaint = accept(body) if accept is not None else None
    return response if complaint is None else Failure(complaint)


def _broken(error: Exception, timeout_s: float) -> str:
    if isinstance(error, requests.Timeout | TimeoutError):
        return f"did not answer in {timeout_s:g} s"
    if isinstance(error, requests.exceptions.SSLError | requests.exceptions.InvalidSchema):
        return "cannot be reached safely: its certificate or protocol was refused"
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return "sent an answer that cannot be decompressed"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "broke off in the middle of an answer"
    return "cannot be reached, or broke the connection"


def _last(state: RetryCallState) -> Any:
    return state.outcome.result() if state.outcome is not None else None
