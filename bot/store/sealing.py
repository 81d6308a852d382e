"""Nobody who holds the database without the key can tell who a person is: pseudonyms are keyed, addresses sealed.

Rule 3: a platform's id reaches a table only as a keyed BLAKE2b hash, or sealed with ChaCha20-Poly1305 and bound to that hash.
A plain hash would not do: all Telegram ids can be tried in half an hour.
"""

import os
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

KEY_BYTES = 32
NONCE_BYTES = 12


class BadKey(Exception):
    """The key is not one. The message says what to do."""


class Unsealable(Exception):
    """The sealed bytes were made with another key or for another person, or were changed."""


@dataclass(frozen=True)
class Keys:
    """The keys made from the one secret, each for one purpose."""

    pseudonym_key: bytes
    seen_key: bytes
    week_key: bytes
    sealer: ChaCha20Poly1305

    def pseudonym(self, channel: str, address: str) -> bytes:
        """The 16 bytes that stand for this person on this channel."""
        return blake2b(f"{channel}:{address}".encode(), key=self.pseudonym_key, digest_size=16).digest()

    def mark(self, channel: str, message: str) -> bytes:
        """The 16 bytes that stand for one message, to know it again."""
        return blake2b(f"{channel}:{message}".encode(), key=self.seen_key, digest_size=16).digest()

    def of_week(self, week: str, thing: bytes) -> bytes:
        """The 16 bytes that stand for a word or a person in one week, and for nothing in another."""
        return blake2b(week.encode() + b"\0" + thing, key=self.week_key, digest_size=16).digest()

    def seal(self, plain: str, person: bytes) -> bytes:
        """The text sealed, to be opened only with this key and only for this person."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self.sealer.encrypt(nonce, plain.encode(), person)

    def unseal(self, sealed: bytes, person: bytes) -> str:
        """The text that was sealed for this person. Raises Unsealable."""
        try:
            return self.sealer.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], person).decode()
        except InvalidTag:
            raise Unsealable("sealed with another key, or for another person") from None


def make_keys(secret: bytes) -> Keys:
    """The keys made from a secret of 32 bytes."""

    def derive(purpose: bytes) -> bytes:
        return blake2b(purpose, key=secret, digest_size=KEY_BYTES).digest()

    return Keys(derive(b"pseudonym"), derive(b"seen"), derive(b"week"), ChaCha20Poly1305(derive(b"seal")))


def read_or_make_secret(given: str | None, home: Path) -> bytes:
    """The secret given (64 hex digits), else the one kept in home/keys/umbrella.key, which is made at the first start."""
    if given is not None:
        return parse_secret(given, "UMBRELLA_KEY")
    path = home / "keys" / "umbrella.key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(os.urandom(KEY_BYTES).hex() + "\n")
    return parse_secret(path.read_text(encoding="ascii"), str(path))


def parse_secret(text: str, where: str) -> bytes:
    try:
        secret = bytes.fromhex(text.strip())
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise BadKey(f"{where} must hold 64 hex digits; make one with: python -c 'import secrets; print(secrets.token_hex(32))'")
    return secret
