"""API keys, and how often each may ask."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

pytest.importorskip("fastapi", reason="needs the extra server")

from emotone.errors import UsageError
from emotone.server.caller import LOCAL
from emotone.server.errors import RequestError
from emotone.server.security import keys
from emotone.server.security.keyring import StoredKeyring
from emotone.server.security.rates import Rates, Slots


class Kept:
    """Keys in memory."""

    def __init__(self, *made: keys.Key) -> None:
        self.made = {key.id: key for key in made}
        self.uses: list[str] = []

    def key(self, id: str) -> keys.Key | None:
        return self.made.get(id)

    def has_keys(self) -> bool:
        return bool(self.made)

    def all(self) -> list[keys.Key]:
        return list(self.made.values())

    def note_use(self, id: str, when: datetime) -> None:
        self.uses.append(id)


def refusal(keyring: StoredKeyring, token: str | None) -> RequestError:
    with pytest.raises(RequestError) as caught:
        keyring.admit(token)
    return caught.value


def test_a_key_opens_and_nothing_like_it_does():
    key, token = keys.make("laptop")
    keyring = StoredKeyring(Kept(key))
    caller = keyring.admit(token)
    assert caller.key_id == key.id
    assert caller.owner == f"key-{key.id}"
    assert caller.scopes == {"read", "write"}
    _, other = keys.make("other")
    prefix, id, secret = token.split("_")
    last = "0" if secret[-1] != "0" else "1"
    for forged in (
        "",
        "emotone",
        secret,
        token[:-1],
        token + "0",
        token + "\n",
        token.upper(),
        f"{prefix}_{id}_{secret[:-1]}{last}",
        f"{prefix}_{id}_{key.digest}",  # what the store holds opens nothing
        f"{prefix}_{id}_{other.split('_')[2]}",
        other,
        "emotone_" + "٣" * 12 + "_" + "0" * 64,
        "' OR 1=1 --",
    ):
        error = refusal(keyring, forged)
        assert error.status == 401
        assert error.code == "unauthorised"
        assert error.headers["WWW-Authenticate"].startswith("Bearer")


def test_nothing_kept_of_a_key_gives_its_secret_away():
    key, token = keys.make("laptop")
    secret = token.split("_")[2]
    assert secret not in repr(key)
    assert key.digest not in str(key.to_dict())
    assert len(bytes.fromhex(secret)) == 32
    assert keys.make("laptop")[1] != token


def test_revoked_and_expired_keys_are_refused_as_unknown_ones_are():
    key, token = keys.make("laptop", days=1)
    now = datetime.now(timezone.utc)
    kept = Kept(key)
    keyring = StoredKeyring(kept)
    keyring.admit(token)
    answers = []
    assert keyring.holds(key.id)
    assert not keyring.holds("nobody's")
    for changed in (
        replace(key, revoked_at=now),
        replace(key, expires_at=now - timedelta(seconds=1)),
    ):
        kept.made[key.id] = changed
        answers.append(str(refusal(keyring, token)))
        assert not keyring.holds(key.id)
    answers.append(str(refusal(keyring, keys.make("x")[1])))
    assert len(set(answers)) == 1
    assert replace(key, revoked_at=now).state() == "revoked"
    assert replace(key, expires_at=now).state() == "expired"
    assert key.state() == "active"


def test_without_keys_everyone_is_local_until_the_first_is_made_and_never_again():
    kept = Kept()
    keyring = StoredKeyring(kept)
    assert keyring.admit(None) is LOCAL
    assert keyring.holds(None)
    key, token = keys.make("first")
    kept.made[key.id] = key
    assert not keyring.holds(None)  # who was let in without one is not any more
    assert refusal(keyring, None).code == "unauthorised"
    keyring.admit(token)
    kept.made[key.id] = replace(key, revoked_at=datetime.now(timezone.utc))
    refusal(keyring, token)
    refusal(keyring, None)
    refusal(StoredKeyring(kept), None)  # nor after a new start


def test_a_demanded_key_and_an_open_service():
    assert refusal(StoredKeyring(Kept(), demanded=True), None).status == 401
    key, token = keys.make("k", ["read"])
    keyring = StoredKeyring(Kept(key), demanded=True, open=True)
    assert keyring.admit(None) is LOCAL
    assert keyring.holds(None)
    assert keyring.admit(token).scopes == {"read"}
    assert refusal(keyring, token + "0").status == 401  # a wrong key is never nobody's


def test_each_key_has_a_rate_of_its_own():
    slow, slow_token = keys.make("slow", per_minute=2)
    fast, fast_token = keys.make("fast")
    keyring = StoredKeyring(Kept(slow, fast), per_minute=5)
    for _ in range(2):
        keyring.admit(slow_token)
    error = refusal(keyring, slow_token)
    assert (error.status, error.code) == (429, "too_many_requests")
    assert 1 <= int(error.headers["Retry-After"]) <= 30
    for _ in range(5):
        keyring.admit(fast_token)
    assert refusal(keyring, fast_token).status == 429
    wrong = fast_token[:-1] + ("0" if fast_token[-1] != "0" else "1")
    assert refusal(keyring, wrong).status == 401  # who has no key does not use up another's rate


def test_the_last_use_is_noted_once_a_minute():
    key, token = keys.make("k")
    kept = Kept(key)
    keyring = StoredKeyring(kept)
    for _ in range(3):
        keyring.admit(token)
    assert kept.uses == [key.id]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("", {}),
        ("  ", {}),
        ("x" * 101, {}),
        ("a\nb", {}),
        ("a\x1b[31m", {}),
        ("k", {"owner": ""}),
        ("k", {"scopes": []}),
        ("k", {"scopes": ["read", "root"]}),
        ("k", {"per_minute": 0}),
        ("k", {"days": 0}),
        ("k", {"days": float("nan")}),
        ("k", {"days": 1e9}),
    ],
)
def test_keys_that_make_no_sense(name, options):
    with pytest.raises(UsageError) as caught:
        keys.make(name, **options)
    assert caught.value.remedy


def test_a_bucket_fills_up_steadily():
    now = 0.0
    rates = Rates(lambda: now)
    assert [rates.take("a", 3) for _ in range(3)] == [0, 0, 0]
    assert rates.take("a", 3) == pytest.approx(20)
    assert rates.take("b", 3) == 0
    now = 19.0
    assert rates.take("a", 3) == pytest.approx(1)  # what was refused took nothing
    now = 20.0
    assert rates.take("a", 3) == 0
    now = 1e6
    assert sum(rates.take("a", 3) == 0 for _ in range(10)) == 3  # and is never more than full


def test_slots_of_each_and_of_all():
    slots = Slots(each=2, all=3)
    assert [slots.take("a") for _ in range(3)] == [True, True, False]
    assert [slots.take("b") for _ in range(2)] == [True, False]
    slots.give_back("a")
    with slots.held("b") as got:
        assert got
        assert len(slots) == 3
        with slots.held("b") as more:
            assert not more
        assert len(slots) == 3
    assert len(slots) == 2


def test_slots_under_many_threads():
    slots, most, lock = Slots(each=4, all=4), [0], threading.Lock()

    def work() -> None:
        for _ in range(300):
            with slots.held("a"), lock:
                most[0] = max(most[0], len(slots))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(slots) == 0
    assert most[0] <= 4
