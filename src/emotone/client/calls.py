"""What the service can be asked for over HTTP: one description of each call, for both clients."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote, urlsplit

import emotone
from emotone.client.errors import ServiceError, refused
from emotone.client.results import Analysis, Page, prediction
from emotone.client.sound import Upload, upload
from emotone.errors import MissingExtraError, UsageError
from emotone.prediction import Prediction

if TYPE_CHECKING:
    import httpx2

    from emotone.audio.sources import Source

T = TypeVar("T")

FILTERS = ("since", "until", "emotion", "label", "state", "name", "q")
"""What the list of analyses can be asked for by."""

TRIES = 6
"""How often a call is tried again while the service is busy."""

_HITCH_S = 0.25
"""Before one is tried again that nobody answered, twice."""

_LONGEST_WAIT_S = 30.0
_BUSY = (429, 502, 503, 504)
"""Of the service, or of a proxy before it while the service starts again."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request, and what its answer means. It may be sent again: no call does a thing twice."""

    method: str
    path: str
    answer: Callable[[httpx2.Response], T]
    params: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, str] = field(default_factory=dict)
    file: Upload | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def options(self) -> dict[str, Any]:
        """For ``httpx2.Client.request``; with the file opened anew."""
        found: dict[str, Any] = {"params": dict(self.params), "headers": dict(self.headers)}
        if self.json is not None:
            found["json"] = self.json
        if self.file is not None:
            found["data"] = dict(self.form)
            found["files"] = {"file": (self.file.name, self.file.open())}
        return found


def base_url(url: str) -> str:
    """The address of a service without what follows its path.

    Raises
    ------
    UsageError
        If it is none of HTTP.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            f"{url!r} is no address of a service", remedy="Give one such as http://127.0.0.1:8000."
        )
    return url.rstrip("/")


def httpx() -> Any:
    """The library that speaks HTTP.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import httpx2
    except ImportError as error:
        raise MissingExtraError("a client of the service", "client") from error
    return httpx2


def headers(key: str | None) -> dict[str, str]:
    """Of every request."""
    about = {"User-Agent": f"emotone/{emotone.__version__}"}
    return about if key is None else {**about, "Authorization": f"Bearer {key}"}


def unreachable(url: str, error: Exception) -> ServiceError:
    """Nobody answers, or not in time."""
    if isinstance(error, httpx().TimeoutException):
        return ServiceError("the service does not answer in time", code="timeout", source=url)
    why = str(error) or type(error).__name__
    return ServiceError(
        f"the service cannot be reached ({why})",
        source=url,
        remedy="Check the address, and that `emotone serve` runs there.",
    )


def wait_s(error: ServiceError, tried: int) -> float | None:
    """Seconds to wait before a refused call is tried again; None where that is no use."""
    if error.status is None:  # there may have been a hitch, or nobody is there
        return _HITCH_S if error.code == "unreachable" and tried < 2 else None
    if error.status not in _BUSY or tried >= TRIES:
        return None
    wait = error.retry_after_s if error.retry_after_s is not None else 0.25 * 2**tried
    return wait if wait <= _LONGEST_WAIT_S else None


def checked(response: httpx2.Response, call: Call[Any], tried: int) -> httpx2.Response:
    """The answer, if it is none that refuses.

    Parameters
    ----------
    response
        The answer.
    call
        What it answers.
    tried
        How often that was sent before.

    Raises
    ------
    ServiceError
        If it is.
    """
    if response.status_code < 400:
        return response
    try:
        body = response.json()
    except ValueError:
        body = None
    error = refused(response.status_code, body, response.headers.get("retry-after"))
    if call.method == "DELETE" and tried and error.code == "not_found":
        return response  # deleted by one whose answer was lost
    raise error


# -- the calls


def service() -> Call[dict[str, Any]]:
    """What the service is and allows."""
    return Call("GET", "/v1/service", _document)


def models() -> Call[list[dict[str, Any]]]:
    """The models to choose from."""
    return Call("GET", "/v1/models", lambda response: list(_document(response)["items"]))


def predict(source: Source, model: str | None, threshold: float | None) -> Call[Prediction]:
    """The emotion of a clip."""
    form = _form(model=model, threshold=threshold)
    return Call("POST", "/v1/predict", _prediction, form=form, file=upload(source))


def submit(source: Source, key: str | None, options: Mapping[str, Any]) -> Call[Analysis]:
    """Begin to analyse a recording."""
    return Call(
        "POST",
        "/v1/analyses",
        _analysis,
        form=_form(**options),
        file=upload(source),
        headers={"Idempotency-Key": key or secrets.token_urlsafe(16)},
    )


def analysis(id: str) -> Call[Analysis]:
    """An analysis with its timeline, where that is done."""
    return Call("GET", _path(id), _analysis)


def page(limit: int, cursor: str | None, filters: Mapping[str, Any]) -> Call[Page]:
    """A part of the list of analyses.

    Raises
    ------
    UsageError
        If there is no such filter.
    """
    for name in filters:
        if name not in FILTERS:
            raise UsageError(
                f"there is no filter {name!r}", remedy=f"Known are {', '.join(FILTERS)}."
            )
    params = _form(limit=limit, cursor=cursor, **filters)
    return Call("GET", "/v1/analyses", _page, params=params)


def change(id: str, changes: Mapping[str, Any]) -> Call[Analysis]:
    """Rename it, note something, or delete its audio."""
    asked = {name: value for name, value in changes.items() if value is not None}
    return Call("PATCH", _path(id), _analysis, json=asked)


def cancel(id: str) -> Call[Analysis]:
    """Give an analysis up."""
    return Call("POST", f"{_path(id)}/cancel", _analysis)


def delete(id: str) -> Call[None]:
    """Delete an analysis and all that belongs to it."""
    return Call("DELETE", _path(id), lambda _: None)


def label(id: str, index: int, emotion: str | None, note: str | None) -> Call[dict[str, Any]]:
    """Say what a segment is."""
    said = {"label": emotion, **({} if note is None else {"note": note})}
    return Call("PATCH", f"{_path(id)}/segments/{int(index)}", _document, json=said)


def export(id: str, form: str, labels: str) -> Call[bytes]:
    """A timeline for other programs."""
    params = {"format": form, "labels": labels}
    return Call("GET", f"{_path(id)}/export", lambda response: response.content, params=params)


def audio(id: str) -> Call[bytes]:
    """The recording, where it is kept."""
    return Call("GET", f"{_path(id)}/audio", lambda response: response.content)


def corrections() -> Call[bytes]:
    """Corrected segments as a corpus to train on: a zip."""
    return Call("GET", "/v1/corrections/export", lambda response: response.content)


# -- within


def _path(id: str) -> str:
    return f"/v1/analyses/{quote(id, safe='')}"


def _form(**values: Any) -> dict[str, str]:
    """Fields as text, without what is None."""
    found = {}
    for name, value in values.items():
        if isinstance(value, bool):
            found[name] = "true" if value else "false"
        elif isinstance(value, date):  # or a datetime
            found[name] = value.isoformat()
        elif value is not None:
            found[name] = str(value)
    return found


def _document(response: httpx2.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise refused(response.status_code, None)
    return found


def _prediction(response: httpx2.Response) -> Prediction:
    return prediction(_document(response))


def _analysis(response: httpx2.Response) -> Analysis:
    return Analysis.from_dict(_document(response))


def _page(response: httpx2.Response) -> Page:
    found = _document(response)
    items = tuple(Analysis.from_dict(each) for each in found["items"])
    return Page(items, found["next"], found["total"])
