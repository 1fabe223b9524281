"""API keys: how one is made, what of it is kept, and how a true one is told from a forgery.

A key reads ``emotone_ID_SECRET``. The id is public: it is in the store, in lists and in logs. Of
the secret only a SHA-256 digest is kept. A slow password hash would add nothing: a secret is 256
random bits, so nobody tries them all, and each request pays for the check.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, cast

from emotone.errors import UsageError
from emotone.server.caller import SCOPES, Caller, Scope

PREFIX = "emotone"
"""What every key begins with, so that a scanner for leaked secrets can know one."""

_ID_BYTES, _SECRET_BYTES = 6, 32
_TOKEN = re.compile(
    rf"{PREFIX}_(?P<id>[0-9a-f]{{{2 * _ID_BYTES}}})_(?P<secret>[0-9a-f]{{{2 * _SECRET_BYTES}}})"
)
_NAME_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Key:
    """What the store keeps of a key.

    Attributes
    ----------
    id
        The public part.
    name
        What its maker calls it.
    owner
        Whose analyses it sees. Keys of one owner see the same ones.
    scopes
        What it may do.
    digest
        SHA-256 of the secret, in hexadecimal.
    per_minute
        Requests a minute that it may make; None for the service's own limit.
    created_at, expires_at, revoked_at, used_at
        In UTC; used_at is at most a minute behind the last use.
    """

    id: str
    name: str
    owner: str
    scopes: frozenset[Scope]
    digest: str
    per_minute: int | None
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    used_at: datetime | None = None

    @property
    def caller(self) -> Caller:
        """Who shows this key."""
        return Caller(self.owner, self.scopes, self.id)

    def state(self, now: datetime | None = None) -> str:
        """``active``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= (now or _now()):
            return "expired"
        return "active"

    def opened_by(self, secret: str) -> bool:
        """Whether the secret is this key's, told in the same time whatever it is."""
        return hmac.compare_digest(self.digest, digest(secret))

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON; without the digest."""
        return {
            "id": self.id,
            "name": self.name,
            "owner": self.owner,
            "scopes": [scope for scope in SCOPES if scope in self.scopes],
            "per_minute": self.per_minute,
            "state": self.state(),
            "created_at": _iso(self.created_at),
            "expires_at": _iso(self.expires_at),
            "revoked_at": _iso(self.revoked_at),
            "used_at": _iso(self.used_at),
        }


def make(
    name: str,
    scopes: Iterable[str] = ("read", "write"),
    *,
    owner: str | None = None,
    per_minute: int | None = None,
    days: float | None = None,
) -> tuple[Key, str]:
    """A new key, and the token that is shown once.

    Parameters
    ----------
    name
        What its maker calls it.
    scopes
        Of `SCOPES`.
    owner
        Whose analyses it sees; nobody else's when None.
    per_minute
        Requests a minute; the service's own limit when None.
    days
        Until it expires; never when None.

    Raises
    ------
    UsageError
        If the name is empty, too long or no text for a line; a scope is unknown or there is none;
        or a number is not above 0.
    """
    for what, text in (("name", name), ("owner", owner)):
        if text is not None and not (0 < len(text.strip()) <= _NAME_LENGTH and text.isprintable()):
            raise UsageError(
                f"{text!r} is no {what} for a key",
                remedy=f"Give it 1 to {_NAME_LENGTH} printable characters.",
            )
    wanted = frozenset(scopes)
    unknown = wanted - set(SCOPES)
    if unknown or not wanted:
        cause = f"there is no scope {min(unknown)!r}" if unknown else "a key needs a scope"
        raise UsageError(cause, remedy=f"Choose of: {', '.join(SCOPES)}.")
    if per_minute is not None and per_minute < 1:
        raise UsageError(f"{per_minute} requests a minute are none", remedy="Give 1 or more.")
    if days is not None and not 0 < days <= _MOST_DAYS:
        raise UsageError(
            f"a key cannot expire in {days:g} days",
            remedy=f"Give a number above 0 and up to {_MOST_DAYS}.",
        )
    id, secret = secrets.token_hex(_ID_BYTES), secrets.token_hex(_SECRET_BYTES)
    now = _now()
    key = Key(
        id=id,
        name=name.strip(),
        owner=owner.strip() if owner is not None else f"key-{id}",
        scopes=cast("frozenset[Scope]", wanted),
        digest=digest(secret),
        per_minute=per_minute,
        created_at=now,
        expires_at=None if days is None else now + timedelta(days=days),
    )
    return key, f"{PREFIX}_{id}_{secret}"


def parts(token: str) -> tuple[str, str] | None:
    """The id and the secret of a token; None where it is none."""
    match = _TOKEN.fullmatch(token)
    return (match["id"], match["secret"]) if match else None


def digest(secret: str) -> str:
    """What is kept of a secret: SHA-256, in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


_MOST_DAYS = 36_500


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(timezone.utc).isoformat(timespec="seconds")
