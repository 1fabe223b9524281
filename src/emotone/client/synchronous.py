"""A client that waits for its answers."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from emotone.client import calls
from emotone.client.calls import Call
from emotone.client.errors import ServiceError
from emotone.client.live import Session
from emotone.client.results import Analysis, Page
from emotone.client.waiting import Progress, Wait
from emotone.prediction import Prediction
from emotone.server.realtime.messages import Update

if TYPE_CHECKING:
    from emotone.audio.sources import Source

T = TypeVar("T")


class Client:
    """A service, from a program. It may be used from several threads at once.

    A call is tried again where the service is busy, for as long as it asks to wait, and where it
    cannot be reached for a moment, by itself or by a proxy; no call does a thing twice.

    Parameters
    ----------
    url
        Of the service, such as ``http://127.0.0.1:8000``.
    key
        An API key, where the service asks for one.
    timeout_s
        Seconds without any news after which a call is given up.
    context
        For TLS, such as one with a certificate of your own.

    Raises
    ------
    UsageError
        If the address is none.
    MissingExtraError
        If httpx2 is not installed.

    Examples
    --------
    >>> with Client("http://127.0.0.1:8000") as client:             # doctest: +SKIP
    ...     print(client.predict("clip.wav").emotion)
    angry
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        key: str | None = None,
        *,
        timeout_s: float = 120.0,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.url = calls.base_url(url)
        self._key, self._context = key, context
        self._httpx = calls.httpx()
        self._http = self._httpx.Client(
            base_url=self.url,
            headers=calls.headers(key),
            timeout=timeout_s,
            verify=True if context is None else context,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of its connections."""
        self._http.close()

    def service(self) -> dict[str, Any]:
        """What the service is and allows: version, emotions, limits, export formats and so on."""
        return self._do(calls.service())

    def models(self) -> list[dict[str, Any]]:
        """The models to choose from: name, version, emotions."""
        return self._do(calls.models())

    def predict(
        self, source: Source, *, model: str | None = None, threshold: float | None = None
    ) -> Prediction:
        """The emotion of one clip.

        Parameters
        ----------
        source
            A path, the bytes of a file, a binary file object, or ``(samples, rate)``.
        model
            A name of `models`; the service's default when None.
        threshold
            The least confidence, from 0 to 1; below it the answer is ``"uncertain"``.

        Raises
        ------
        ServiceError
            If the service refuses it or cannot be reached.
        AudioError
            If there is no such file.
        """
        return self._do(calls.predict(source, model, threshold))

    def submit(
        self, source: Source, *, idempotency_key: str | None = None, **options: Any
    ) -> Analysis:
        """Begin to analyse a recording, and do not wait for it.

        Parameters
        ----------
        source
            As for `predict`.
        idempotency_key
            Of two calls with the same key the second gives the analysis of the first; one of its
            own when None.
        options
            Those of ``POST /v1/analyses``: ``name``, ``notes``, ``model``, ``keep_audio``,
            ``keep_days``, ``channels``, ``speakers``, ``window_s``, ``step_s``, ``switch``,
            ``pause_s``.

        Raises
        ------
        ServiceError, AudioError
            As `predict` does.
        """
        return self._do(calls.submit(source, idempotency_key, options))

    def analyze(
        self,
        source: Source,
        *,
        timeout_s: float | None = None,
        progress: Progress | None = None,
        **options: Any,
    ) -> Analysis:
        """Analyse a recording and wait until that is done; see `submit` and `wait`."""
        return self.wait(self.submit(source, **options).id, timeout_s=timeout_s, progress=progress)

    def wait(
        self, id: str, *, timeout_s: float | None = None, progress: Progress | None = None
    ) -> Analysis:
        """Wait until an analysis is done.

        Parameters
        ----------
        id
            Its id.
        timeout_s
            Seconds after which waiting is given up; the analysis goes on all the same.
        progress
            Called with the analysis every now and then.

        Raises
        ------
        ServiceError
            If it fails or is cancelled, if there is none, or time is up (``timeout``).
        """
        wait = Wait(timeout_s, progress)
        while True:
            found = self.analysis(id)
            pause = wait.after(found)
            if pause is None:
                return found
            time.sleep(pause)

    def analysis(self, id: str) -> Analysis:
        """An analysis; with its timeline, where it is done."""
        return self._do(calls.analysis(id))

    def page(self, *, limit: int = 50, cursor: str | None = None, **filters: Any) -> Page:
        """A part of the list of analyses; filters as for `analyses`."""
        return self._do(calls.page(limit, cursor, filters))

    def analyses(self, **filters: Any) -> Iterator[Analysis]:
        """All analyses, the latest first, without their timelines.

        Parameters
        ----------
        filters
            Those of ``GET /v1/analyses``: ``since``, ``until`` (dates), ``emotion``, ``label``,
            ``state``, ``name``, ``q`` (words in name and notes).

        Raises
        ------
        UsageError
            If there is no such filter.
        """
        cursor = None
        while True:
            page = self.page(cursor=cursor, **filters)
            yield from page.items
            cursor = page.next
            if cursor is None:
                return

    def change(
        self,
        id: str,
        *,
        name: str | None = None,
        notes: str | None = None,
        keep_audio: bool | None = None,
        keep_days: float | None = None,
    ) -> Analysis:
        """Rename an analysis, note something, delete its audio (``keep_audio=False``), or say in
        how many days all of it is deleted."""
        keep = {"keep_audio": keep_audio, "keep_days": keep_days}
        return self._do(calls.change(id, {"name": name, "notes": notes, **keep}))

    def cancel(self, id: str) -> Analysis:
        """Give an analysis up."""
        return self._do(calls.cancel(id))

    def delete(self, id: str) -> None:
        """Delete an analysis and all that belongs to it."""
        self._do(calls.delete(id))

    def label(
        self, id: str, index: int, emotion: str | None, *, note: str | None = None
    ) -> dict[str, Any]:
        """Say what a segment is, beside the model's answer; None takes that back."""
        return self._do(calls.label(id, index, emotion, note))

    def export(
        self, id: str, format: str, path: str | Path | None = None, *, labels: str = "corrected"
    ) -> bytes:
        """A timeline for other programs.

        Parameters
        ----------
        id
            Of the analysis.
        format
            One of the service's ``export_formats``, such as ``csv``, ``srt`` or ``TextGrid``.
        path
            Where to write it as well.
        labels
            ``corrected`` for what people said in place of the model's answers, or ``model``.
        """
        return kept(self._do(calls.export(id, format, labels)), path)

    def audio(self, id: str, path: str | Path | None = None) -> bytes:
        """The recording as it was sent, where it is kept; `path` as for `export`."""
        return kept(self._do(calls.audio(id)), path)

    def corrections(self, path: str | Path | None = None) -> bytes:
        """Corrected segments as a zip that `emotone train` takes; `path` as for `export`."""
        return kept(self._do(calls.corrections()), path)

    def realtime(
        self,
        *,
        rate: int = 16_000,
        model: str | None = None,
        window_s: float | None = None,
        step_s: float | None = None,
        threshold: float | None = None,
    ) -> Session:
        """A live session.

        Parameters
        ----------
        rate
            Of the sound that will be sent, in Hz.
        model, threshold
            As for `predict`.
        window_s, step_s
            Length of the windows that the model hears, and from one to the next, in seconds.

        Raises
        ------
        ServiceError
            If it is refused, or the service cannot be reached.
        MissingExtraError
            If websockets is not installed.
        """
        asked = Update(
            rate=rate, model=model, window_s=window_s, step_s=step_s, threshold=threshold
        )
        return Session(self.url, asked, key=self._key, context=self._context)

    # -- within

    def _do(self, call: Call[T]) -> T:
        tried = 0
        while True:
            try:
                return call.answer(calls.checked(self._sent(call), call, tried))
            except ServiceError as error:
                pause = calls.wait_s(error, tried)
                if pause is None:
                    raise
            time.sleep(pause)
            tried += 1

    def _sent(self, call: Call[Any]) -> Any:
        options = call.options()
        try:
            return self._http.request(call.method, call.path, **options)
        except self._httpx.TransportError as error:
            raise calls.unreachable(self.url, error) from error
        finally:
            for _, content in options.get("files", {}).values():
                content.close()


def kept(content: bytes, path: str | Path | None) -> bytes:
    """The content, written to a path as well where there is one."""
    if path is not None:
        Path(path).write_bytes(content)
    return content
