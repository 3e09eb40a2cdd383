"""Truncation: whether a video file ends within a part of its container.

Of a container that declares no length, or whose length FFmpeg mends to what is there, whatever is
left plays without complaint. So the size that each part gives of itself is held against the end of
the file.
"""

import mmap
import struct
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path

_PACKET, _SYNC = 188, 0x47  # bytes of a packet of a transport stream, the first of which is this
_STEPS = (188, 192, 204)  # from one to the next: with nothing between, a time, or a checksum
_BEATS = 5  # packets in step, which chance is not

_PACK, _PROGRAM_END = 0xBA, 0xB9  # start codes of a program stream; those below are of its pictures
_SEGMENT, _CLUSTER = b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
_BLOCKS = (b"\xa3", b"\xa0")  # SimpleBlock, BlockGroup
_ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_FLV_TAGS = (8, 9, 18)  # sound, pictures, metadata
_OGG_LAST = 4  # flag of the last page of a stream


def is_truncated(path: Path, container: str) -> bool:
    """Whether a part of pictures or sound has more bytes than are left of the file.

    `container` is the name of its format in FFmpeg. A file that ends between two parts passes, and
    so does one that lacks its index alone, or has no container around its stream.
    """
    part_ends = _PART_ENDS.get(container)
    if part_ends is None:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        try:
            return any(end > len(content) for end in part_ends(content))
        except (IndexError, struct.error):  # within the head of a part
            return True


def _transport_stream(content: mmap.mmap) -> Iterator[int]:
    """The end of the last packet that is in step with those before it."""
    whole_first = (_PACKET, _STEPS[-1], *range(1, _PACKET))
    for left, step in product(whole_first, _STEPS):
        places = range(len(content) - left, -1, -step)[:_BEATS]
        if len(places) == _BEATS and all(content[place] == _SYNC for place in places):
            yield places[0] + _PACKET
            return


def _program_stream(content: mmap.mmap) -> Iterator[int]:
    """Ends of packets; from padding, or what is damaged, on to the next pack."""
    at = content.find(b"\0\0\1\xba")
    while 0 <= at < len(content):
        if content[at : at + 3] != b"\0\0\1" or content[at + 3] <= _PROGRAM_END:
            at = content.find(b"\0\0\1\xba", at)
        elif content[at + 3] == _PACK:
            is_mpeg1 = content[at + 4] >> 4 == 2
            at += 12 if is_mpeg1 else 14 + (content[at + 13] & 7)
        else:
            at += 6 + struct.unpack_from(">H", content, at + 4)[0]
            yield at


def _matroska(content: mmap.mmap) -> Iterator[int]:
    """Ends of clusters; of those that do not say where they end, of the blocks in them."""
    at = 0
    while at < len(content) and content[at] >> 4:  # else nothing that a name begins with
        name = content[at : at + 9 - content[at].bit_length()]
        at += len(name)
        width = min(8, 9 - content[at].bit_length())
        unknown = (1 << 7 * width) - 1
        size = int.from_bytes(content[at : at + width]) & unknown
        at += width
        if name == _SEGMENT or (name == _CLUSTER and size == unknown):
            continue
        if size == unknown:
            return
        at += size
        if name == _CLUSTER or name in _BLOCKS:
            yield at


def _fragments(content: mmap.mmap) -> Iterator[int]:
    """Ends of boxes from the first fragment on; a file without any has its frames counted."""
    at, is_fragmented = 0, False
    while at < len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        if size == 1:
            size = struct.unpack_from(">Q", content, at + 8)[0]
        if size < 8 or kind == b"mfra":  # as far as the file goes; an index
            return
        is_fragmented |= kind == b"moof"
        at += size
        if is_fragmented:
            yield at


def _avi(content: mmap.mmap) -> Iterator[int]:
    """Ends of the lists that hold frames and sound, of which a large file has several."""
    at = 0
    while content[at : at + 4] == b"RIFF":
        end = at + 8 + struct.unpack_from("<I", content, at + 4)[0]
        at += 12
        while at + 12 <= min(end, len(content)):
            name, size, kind = struct.unpack_from("<4sI4s", content, at)
            at += 8 + size + size % 2
            if (name, kind) == (b"LIST", b"movi"):
                yield at
        at = end + end % 2


def _asf(content: mmap.mmap) -> Iterator[int]:
    """The end of the packets; a broadcast does not say it."""
    at = 0
    while at + 24 <= len(content):
        name, size = struct.unpack_from("<16sQ", content, at)
        if size < 24:
            return
        at += size
        if name == _ASF_DATA:
            yield at


def _flash(content: mmap.mmap) -> Iterator[int]:
    at = struct.unpack_from(">I", content, 5)[0] + 4
    while at < len(content) and content[at] & 0x1F in _FLV_TAGS:
        at += 11 + int.from_bytes(content[at + 1 : at + 4])
        yield at
        at += 4  # the size once more


def _ogg(content: mmap.mmap) -> Iterator[int]:
    """Ends of pages; beyond the file's where the last page of a stream is not there."""
    at, is_last = 0, dict[bytes, bool]()
    while 0 <= at < len(content):
        if content[at : at + 4] == b"OggS":
            is_last[content[at + 14 : at + 18]] = bool(content[at + 5] & _OGG_LAST)
            segments = content[at + 26]
            at += 27 + segments + sum(content[at + 27 : at + 27 + segments])
            yield at
        else:
            at = content.find(b"OggS", at)
    if not all(is_last.values()):
        yield len(content) + 1


_PART_ENDS: Mapping[str, Callable[[mmap.mmap], Iterator[int]]] = {
    "mpegts": _transport_stream,
    "mpeg": _program_stream,
    "matroska,webm": _matroska,
    "mov,mp4,m4a,3gp,3g2,mj2": _fragments,
    "avi": _avi,
    "asf": _asf,
    "flv": _flash,
    "ogg": _ogg,
}
"""Where the parts of a container end that hold pictures or sound, in order."""
