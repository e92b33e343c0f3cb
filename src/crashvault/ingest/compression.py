"""Compressed bodies: unpacked as a stream that stops at a limit, so that a bomb costs no more than that.

Codings are those of HTTP's Content-Encoding that SDKs use. `deflate` means zlib by the standard, and raw deflate
for some clients; both are taken.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator

from crashvault.ingest.native import BodyError

_CHUNK = 1 << 18  # bytes unpacked at once
_MOST_MEMBERS = 1_000  # of one gzip body
_MOST_CODINGS = 4  # that were applied one after the other
_PADDING = re.compile(b"\0*")  # between members


def decompress(data: bytes, coding: str, limit: int) -> bytes:
    """A body without its compression.

    `coding` is the value of Content-Encoding: one coding, or several in the order in which they were applied.
    `limit` is in bytes, for every step. Raises BodyError with the codes too_large, bad_compression and
    unsupported_encoding.
    """
    names = coding.split(",")
    if len(names) > _MOST_CODINGS:
        raise BodyError("unsupported_encoding", f"The body is packed {len(names)} times", "Compress it once")
    for name in reversed(names):
        name = name.strip().lower()
        unpack = _CODINGS.get(name)
        if unpack is None:
            known = ", ".join(key for key in _CODINGS if key)
            raise BodyError("unsupported_encoding", f"The coding {name[:50]!r} is not known", f"Use one of: {known}")
        data = unpack(data, limit)
    return data


def _within(size: int, limit: int) -> None:
    if size > limit:
        raise BodyError("too_large", f"The body is larger than {limit} bytes when unpacked", "Send less at once")


def _broken(coding: str, error: object) -> BodyError:
    return BodyError("bad_compression", f"The body is no complete {coding} data ({error})", "Compress it again")


def _gathered(pieces: Iterator[bytes], limit: int) -> bytes:
    found, size = [], 0
    for piece in pieces:
        size += len(piece)
        _within(size, limit)
        found.append(piece)
    return b"".join(found)


def _identity(data: bytes, limit: int) -> bytes:
    _within(len(data), limit)
    return data


def _zlib(data: bytes, limit: int, window: int, name: str) -> bytes:
    """One or more members, as gzip allows, each whole."""
    pieces: list[bytes] = []
    room, position = limit, 0
    try:
        for _ in range(_MOST_MEMBERS):
            stream = zlib.decompressobj(window)
            while not stream.eof:
                given = data[position : position + _CHUNK]
                if not given:
                    raise _broken(name, "it ends too early")
                pieces.append(stream.decompress(given, room + 1))
                room -= len(pieces[-1])
                _within(limit - room, limit)
                position += len(given) - len(stream.unused_data)
            position = _PADDING.match(data, position).end()  # type: ignore[union-attr]
            if position == len(data):
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
            if window != _GZIP:
                raise _broken(name, "something follows it")
    except zlib.error as error:
        raise _broken(name, error) from error
    raise _broken(name, f"it has more than {_MOST_MEMBERS} members")


_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


def _gunzip(data: bytes, limit: int) -> bytes:
    return _zlib(data, limit, _GZIP, "gzip")


def _inflate(data: bytes, limit: int) -> bytes:
    """With zlib's two bytes at the beginning, which are a multiple of 31 and name its method, or without."""
    wrapped = len(data) > 1 and data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
    if not wrapped:
        return _zlib(data, limit, _RAW, "deflate")
    try:
        return _zlib(data, limit, _ZLIB, "deflate")
    except BodyError as error:
        if error.code == "too_large":
            raise
        try:  # raw data may happen to begin so
            return _zlib(data, limit, _RAW, "deflate")
        except BodyError:
            raise error from None


def _unbrotli(data: bytes, limit: int) -> bytes:
    import brotli  # type: ignore[import-untyped]

    stream = brotli.Decompressor()

    def pieces() -> Iterator[bytes]:
        yield stream.process(data, output_buffer_limit=_CHUNK)
        while not stream.is_finished():
            piece = stream.process(b"", output_buffer_limit=_CHUNK)
            if not piece and stream.can_accept_more_data():
                raise _broken("brotli", "it ends too early")
            yield piece

    try:
        return _gathered(pieces(), limit)
    except brotli.error as error:
        raise _broken("brotli", error) from error


def _unzstd(data: bytes, limit: int) -> bytes:
    import zstandard

    try:
        told = zstandard.frame_content_size(data)  # -1: the frame does not tell
        _within(told, limit)
        # The window that a frame asks for is memory too; 8 MiB is what every decoder must have.
        return zstandard.ZstdDecompressor(max_window_size=1 << 23).decompress(data, max_output_size=limit)
    except zstandard.ZstdError as error:
        _within(_unzstd_size(data, limit), limit)
        raise _broken("zstd", error) from error


def _unzstd_size(data: bytes, limit: int) -> int:
    """How much can be unpacked, as far as the limit: the one-step call fails alike on too little and too much."""
    import zstandard

    size = 0
    try:
        with zstandard.ZstdDecompressor(max_window_size=1 << 23).stream_reader(data) as reader:
            while size <= limit and (piece := reader.read(_CHUNK)):
                size += len(piece)
    except zstandard.ZstdError:
        pass
    return size


_CODINGS: dict[str, Callable[[bytes, int], bytes]] = {
    "": _identity,
    "identity": _identity,
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _inflate,
    "br": _unbrotli,
    "zstd": _unzstd,
}
