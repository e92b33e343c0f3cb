"""Items of an export file, one after the other, in constant memory: JSON Lines or one JSON document, gzip or not."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

import msgspec

from ..errors import InvalidError
from .document import FORMAT_VERSION, KINDS
from .schema import Header

MAX_ITEM = 64 << 20  # bytes; the largest attachment in base64 is 27 MiB
_CHUNK = 1 << 18
_GZIP = b"\x1f\x8b"
_BLANK = " \t\r\n"
_END = b"\n"
_EVENT = b'{"kind":"event",'  # how our own exports begin the lines that most of them consist of


class Item(NamedTuple):
    """One item of a file, not checked: decoded, or as text where that can wait."""

    kind: str
    line: int  # where it stands in the file, from 1
    body: dict[str, Any] | None
    text: bytes | None = None

    def decoded(self) -> tuple[dict[str, Any], bool]:
        """The members, and whether they were decoded as the standard says: no lone surrogates, no numbers beyond 64 bits.

        Raises ValueError.
        """
        if self.text is None:
            return self.body or {}, False
        found, strict = _decoded(self.text)
        if not isinstance(found, dict):
            raise ValueError("it is not a JSON object")
        return found, strict


class ImportFile:
    """An open export. `name` is how errors call it. Raises InvalidError for what is no export of ours."""

    def __init__(self, raw: IO[bytes], name: str) -> None:
        self.name = name
        self.line = 0  # of what was read last
        self._raw = _Counting(raw)
        buffered = io.BufferedReader(self._raw, _CHUNK)
        packed = buffered.peek(2)[:2] == _GZIP
        self._file: IO[bytes] = io.BufferedReader(gzip.GzipFile(fileobj=buffered), _CHUNK) if packed else buffered
        self._first = self._read_line()
        self._document: _Document | None = None
        self.header = self._read_header()

    @property
    def position(self) -> int:
        """Bytes of the file that were read so far."""
        return self._raw.count

    @property
    def descriptor(self) -> int:
        """The number of the open file, by which another process can read it; -1 where it has none."""
        try:
            return self._raw.inner.fileno()
        except (OSError, AttributeError):
            return -1

    def items(self, start: int = 1) -> Iterator[Item]:
        """Every item behind the header, from a line of the file on. Raises InvalidError that names the line."""
        try:
            if self._document:
                yield from (item for item in self._document.items() if item.line >= start)
                return
            while self.line < start - 1 and self._file.readline(MAX_ITEM):
                self.line += 1
            yield from self._lines()
        except (EOFError, OSError, zlib.error) as error:
            raise self.broken(f"the file cannot be read on ({error})") from error

    def broken(self, why: str) -> InvalidError:
        return InvalidError(f"line {self.line} of {self.name} cannot be imported: {why}")

    # The beginning

    def _read_header(self) -> Header:
        found = self._first_line()
        if found is None or any(isinstance(found.get(f"{kind}s"), list) for kind in KINDS):
            self._document = _Document(self, self._first, self._file)
            found = self._document.head()
        if not isinstance(found.get("crashvault"), int):
            raise InvalidError(f"{self.name} is not an export of Crashvault", "Import what `crashvault export` wrote")
        if found["crashvault"] > FORMAT_VERSION:
            raise InvalidError(
                f"{self.name} has format {found['crashvault']}, this Crashvault knows {FORMAT_VERSION}",
                "Upgrade with: pip install --upgrade crashvault",
            )
        try:
            return msgspec.convert(found, Header)
        except msgspec.ValidationError as error:
            raise self.broken(str(error)) from error

    def _first_line(self) -> dict[str, Any] | None:
        """The first line, if it is one whole JSON object."""
        try:
            found = msgspec.json.decode(self._first)
        except (msgspec.DecodeError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def _read_line(self) -> bytes:
        try:
            found = self._file.readline(MAX_ITEM)
        except (EOFError, OSError, zlib.error) as error:
            self.line = 1
            raise self.broken(f"the file cannot be read on ({error})") from error
        self.line += 1
        return found

    # JSON Lines

    def _lines(self) -> Iterator[Item]:
        while line := self._file.readline(MAX_ITEM):
            self.line += 1
            if line.startswith(_EVENT):
                yield Item("event", self.line, None, line)
                continue
            try:
                body, _ = _decoded(line)
            except ValueError as error:
                if line.isspace():
                    continue
                raise self.broken(str(error)) from error
            if not isinstance(body, dict) or not isinstance(body.get("kind"), str):
                raise self.broken('it is not a JSON object with a "kind"')
            yield Item(body.pop("kind"), self.line, body, line)


def _decoded(line: bytes) -> tuple[Any, bool]:
    """The value of a line, and whether it is JSON to the standard too, and not only to most, as NaN and lone surrogates are.

    Raises ValueError.
    """
    try:
        return msgspec.json.decode(line), True
    except (msgspec.DecodeError, RecursionError):
        pass
    if len(line) >= MAX_ITEM:
        raise ValueError(f"it is longer than {MAX_ITEM >> 20} MiB")
    try:
        return json.loads(line.decode("utf-8", "strict")), False
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{error}{'' if line.endswith(_END) else '; the file ends there'}") from error


class _Counting(io.RawIOBase):
    """Counts what is read, for progress: a compressed file does not say where it is."""

    def __init__(self, file: IO[bytes]) -> None:
        self.inner = file
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.inner.read(len(buffer))
        buffer[: len(data)] = data
        self.count += len(data)
        return len(data)


class _Document:
    """A JSON document read piece by piece: the members of the top object, and the items of its lists."""

    def __init__(self, owner: ImportFile, first: bytes, rest: IO[bytes]) -> None:
        self._owner = owner
        self._decoder = json.JSONDecoder()
        self._source = io.TextIOWrapper(io.BufferedReader(_Joined(first, rest), _CHUNK), encoding="utf-8")
        self._text = ""
        self._at = 0
        self._ended = False
        owner.line = 1

    def head(self) -> dict[str, Any]:
        """The members of the top object before its first list."""
        found: dict[str, Any] = {}
        if self._peek() != "{":
            return found
        self._advance(1)
        while self._peek() == '"':
            key = self._value()
            self._expect(":")
            if self._peek() == "[":
                self._pending = key
                break
            found[key] = self._value()
            if self._peek() == ",":
                self._advance(1)
        return found

    _pending: str | None = None

    def items(self) -> Iterator[Item]:
        key = self._pending
        while key is not None:
            yield from self._list(key)
            key = self._next_list()
        if self._peek() != "}":
            raise self._garbled()

    def _list(self, key: str) -> Iterator[Item]:
        kind = key.removesuffix("s")
        self._expect("[")
        while self._peek() != "]":
            self._owner.line = self._line
            body = self._value()
            if not isinstance(body, dict):
                raise self._owner.broken("it is not a JSON object")
            yield Item(kind, self._owner.line, body)
            if self._peek() == ",":
                self._advance(1)
            elif self._peek() != "]":
                raise self._garbled()
        self._advance(1)

    def _next_list(self) -> str | None:
        while self._peek() == ",":
            self._advance(1)
            self._peek()
            key = self._value()
            self._expect(":")
            if self._peek() == "[":
                return str(key)
            self._value()
        return None

    # Text

    _line = 1

    def _advance(self, count: int) -> None:
        self._line += self._text.count("\n", self._at, self._at + count)
        self._at += count

    def _fill(self) -> None:
        size = max(_CHUNK, len(self._text) - self._at)  # doubling, so that a large item is not scanned too often
        try:
            more = self._source.read(size)
        except UnicodeDecodeError as error:
            self._owner.line = self._line
            raise self._owner.broken("it is not UTF-8") from error
        self._ended = not more
        self._text = self._text[self._at :] + more
        self._at = 0

    def _peek(self) -> str:
        """The next character that is not blank; empty at the end."""
        while True:
            at = self._at
            while at < len(self._text) and self._text[at] in _BLANK:
                at += 1
            self._advance(at - self._at)
            if at < len(self._text):
                return self._text[at]
            if self._ended:
                return ""
            self._fill()

    def _expect(self, character: str) -> None:
        if self._peek() != character:
            raise self._garbled()
        self._advance(1)

    def _value(self) -> Any:
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
                if end < len(self._text) or self._ended:
                    self._advance(end - self._at)
                    return value
            except RecursionError:
                raise self._garbled() from None
            except ValueError:
                if self._ended or len(self._text) - self._at > MAX_ITEM:
                    raise self._garbled() from None
            self._fill()

    def _garbled(self) -> InvalidError:
        self._owner.line = self._line
        return self._owner.broken("it is not JSON, or the file ends too early")


class _Joined(io.RawIOBase):
    """A line that was read already, and what follows it."""

    def __init__(self, first: bytes, rest: IO[bytes]) -> None:
        self._first = memoryview(first)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data: Any = self._first[: len(buffer)]
        self._first = self._first[len(data) :]
        if not data:
            data = self._rest.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
