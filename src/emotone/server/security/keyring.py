"""What knows the keys while the service runs."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from datetime import datetime, timedelta, timezone
from typing import Protocol

from emotone.server.caller import LOCAL, Caller, unauthorised
from emotone.server.errors import RequestError
from emotone.server.security.keys import Key, parts
from emotone.server.security.rates import Rates

_NOTED_EVERY = timedelta(minutes=1)
_MOST_NOTED = 10_000


class Keys(Protocol):
    """Where keys are kept."""

    def key(self, id: str) -> Key | None:
        """The key of that id, as it is now."""

    def has_keys(self) -> bool:
        """Whether there is any key, of whatever state."""

    def all(self) -> list[Key]:
        """Every key that was ever made."""

    def note_use(self, id: str, when: datetime) -> None:
        """Keep when a key was last used."""


class StoredKeyring:
    """Admits who shows a valid key, and everyone where none is demanded.

    The store is asked each time, so that a key that is revoked is worth nothing from then on.

    Parameters
    ----------
    keys
        Where they are kept.
    demanded
        Whether there must be a key. Where not, there need be none as long as none has been made:
        the first one closes the service, and to revoke the last does not open it again.
    open
        Whether nobody needs a key, whatever there is (``--insecure``).
    per_minute
        Requests a minute of a key that has no limit of its own.
    """

    def __init__(
        self, keys: Keys, *, demanded: bool = False, open: bool = False, per_minute: int = 1200
    ) -> None:
        self.keys, self.per_minute = keys, per_minute
        self._demanded, self._open = demanded and not open, open
        self._rates = Rates()
        self._lock = threading.Lock()
        self._noted: OrderedDict[str, datetime] = OrderedDict()

    @property
    def demanded(self) -> bool:
        """Whether who shows no key is refused."""
        if not (self._demanded or self._open):
            self._demanded = self.keys.has_keys()  # and so it stays: no key is ever forgotten
        return self._demanded

    @property
    def usable(self) -> bool:
        """Whether there is a key that opens."""
        return any(key.state() == "active" for key in self.keys.all())

    def admit(self, token: str | None) -> Caller:
        """Who shows this token, counted against the rate of its key.

        Raises
        ------
        RequestError
            ``unauthorised``, ``too_many_requests``.
        """
        if token is None:
            if self.demanded:
                raise unauthorised("this service asks for a key")
            return LOCAL
        key = self._valid(token)
        wait_s = self._rates.take(key.id, key.per_minute or self.per_minute)
        if wait_s > 0:
            raise RequestError(
                "this key has used up its requests for now",
                status=429,
                code="too_many_requests",
                remedy="Ask again after the seconds in Retry-After.",
                headers={"Retry-After": str(math.ceil(wait_s))},
            )
        self._note(key.id)
        return key.caller

    def holds(self, key_id: str | None) -> bool:
        """Whether the key of that id is still valid: neither revoked nor expired.

        For None, who was let in without one: whether there still need be none.
        """
        if key_id is None:
            return not self.demanded
        key = self.keys.key(key_id)
        return key is not None and key.state() == "active"

    def _valid(self, token: str) -> Key:
        found = parts(token)
        key = self.keys.key(found[0]) if found else None
        # One answer for all that it may lack: who guesses learns nothing.
        if found is None or key is None or not key.opened_by(found[1]) or key.state() != "active":
            raise unauthorised("this is no valid key")
        return key

    def _note(self, id: str) -> None:
        now = datetime.now(timezone.utc)
        with self._lock:
            before = self._noted.get(id)
            if before is not None and now - before < _NOTED_EVERY:
                return
            self._noted[id] = now
            self._noted.move_to_end(id)
            if len(self._noted) > _MOST_NOTED:
                self._noted.popitem(last=False)
        self.keys.note_use(id, now)
