"""Reading the small zip archive that a bundle is, strictly and within bounds.

`zipfile` reads every archive that was ever made: several disks, comments, encryption, bzip2 and
LZMA, names in old code pages, a directory of any length. A bundle needs none of it, and importing
it would be a tenth of what emotone adds to the start of a program. What does not look exactly like
a plain archive of a few files is refused. The layout: PKWARE's APPNOTE.TXT 6.3.10, section 4.3.
"""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO, NamedTuple

MAX_DIRECTORY_BYTES = 4096
"""A directory of three files takes some 200 bytes."""

_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 0x1
_END = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")


class ArchiveError(ValueError):
    """An archive that is damaged, cut short or unlike a bundle; the message says which."""


class Member(NamedTuple):
    """One file of an archive.

    Attributes
    ----------
    name
        As it stands in the directory; nothing is ever written under it.
    size, packed_size
        In bytes, as the directory says.
    deflated
        Whether it is compressed.
    checksum
        CRC-32 of the content.
    offset
        Where its local header starts.
    """

    name: str
    size: int
    packed_size: int
    deflated: bool
    checksum: int
    offset: int


def directory(file: BinaryIO, size: int) -> list[Member]:
    """The files of an archive.

    Parameters
    ----------
    file
        Opened for reading and seeking.
    size
        Of the file, in bytes.

    Raises
    ------
    ArchiveError
        If it is not a plain zip archive with a small directory.
    """
    file.seek(max(0, size - _END.size))
    tail = file.read(_END.size)
    if len(tail) < _END.size or tail[:4] != b"PK\x05\x06":
        raise ArchiveError("not a bundle, or cut short: a .emotone file is a plain zip archive")
    _, _, _, _, count, length, start, comment = _END.unpack(tail)
    if length > MAX_DIRECTORY_BYTES:
        raise ArchiveError("the bundle lists more files than a bundle has")
    if comment or start + length + _END.size != size:
        raise ArchiveError("the bundle is damaged or cut short: its directory is out of place")
    file.seek(start)
    entries = file.read(length)
    members = []
    position = 0
    for _ in range(count):
        member, position = _entry(entries, position)
        members.append(member)
    if position != length:
        raise ArchiveError("the bundle is damaged or cut short: its directory has another length")
    return members


def _entry(entries: bytes, position: int) -> tuple[Member, int]:
    if position + _ENTRY.size > len(entries):
        raise ArchiveError("the bundle is damaged or cut short: its directory ends early")
    fields = _ENTRY.unpack_from(entries, position)
    signature, _, _, flags, method, _, _, checksum, packed_size, size = fields[:10]
    name_length, extra_length, comment_length, _, _, _, offset = fields[10:]
    position += _ENTRY.size
    name = entries[position : position + name_length].decode("utf-8", "replace")
    position += name_length + extra_length + comment_length
    if signature != b"PK\x01\x02" or position > len(entries):
        raise ArchiveError("the bundle is damaged or cut short: its directory is not one")
    if flags & _ENCRYPTED or method not in (_STORED, _DEFLATED):
        raise ArchiveError(f"{name[:80]!r} is encrypted or packed in a way that bundles do not use")
    return Member(name, size, packed_size, method == _DEFLATED, checksum, offset), position


def read(file: BinaryIO, member: Member) -> bytes:
    """The content of a file of the archive; never more than its declared size.

    Parameters
    ----------
    file
        The archive.
    member
        What `directory` gave.

    Raises
    ------
    ArchiveError
        If it is not what the directory says, in place, length or checksum.
    """
    file.seek(member.offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or header[:4] != b"PK\x03\x04":
        raise ArchiveError(f"the bundle is damaged or cut short: {member.name} is out of place")
    name_length, extra_length = _LOCAL.unpack(header)[-2:]
    file.seek(name_length + extra_length, 1)
    data = file.read(member.packed_size)
    if member.deflated:
        data = _inflate(data, member)
    if len(data) != member.size or zlib.crc32(data) != member.checksum:
        raise ArchiveError(f"the bundle is damaged or cut short: {member.name} is not as declared")
    return data


def _inflate(packed: bytes, member: Member) -> bytes:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = stream.decompress(packed, member.size + 1)
    except zlib.error as error:
        raise ArchiveError(
            f"the bundle is damaged or cut short: {member.name} does not unpack"
        ) from error
    return data
