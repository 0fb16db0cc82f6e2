"""By which 16 bytes rmw_zenoh names an end of a topic or service: XXH3's 128 bits of its token."""

from __future__ import annotations

import struct

_SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)
_P32 = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)
_P64 = (
    *(0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9),
    *(0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5),
)
_MASK = 2**64 - 1
_LONG = 240  # bytes; above it the hash goes by stripes of 64


def gid(token: str) -> bytes:
    """The gid of the end that a liveliness token declares. 16 bytes

    It stands in the attachment of every message that the end sends, so whoever sees both token and
    message knows who sent it.

    Raises:
        ValueError: A token of no more than 128 bytes, which that of an end never is.
    """
    data = token.encode()
    if len(data) <= 128:
        raise ValueError(f"{token!r} is no token of an end of a topic or service")
    low, high = _middle(data) if len(data) <= _LONG else _long(data)
    return struct.pack("<QQ", low, high)


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")


def _fold(a: int, b: int) -> int:
    product = a * b
    return (product ^ product >> 64) & _MASK


def _avalanche(h: int) -> int:
    h = (h ^ h >> 37) * 0x165667919E3779F9 & _MASK
    return h ^ h >> 32


def _middle(data: bytes) -> tuple[int, int]:
    """Of 129 to 240 bytes, 32 at a time."""
    size = len(data)
    low, high = size * _P64[0] & _MASK, 0

    def mix(first: int, second: int, secret: int) -> None:
        nonlocal low, high
        a0, a1, b0, b1 = (_word(data, at) for at in (first, first + 8, second, second + 8))
        s = [_word(_SECRET, secret + at) for at in (0, 8, 16, 24)]
        low = (low + _fold(a0 ^ s[0], a1 ^ s[1]) & _MASK) ^ (b0 + b1 & _MASK)
        high = (high + _fold(b0 ^ s[2], b1 ^ s[3]) & _MASK) ^ (a0 + a1 & _MASK)

    for at in range(0, 128, 32):
        mix(at, at + 16, at)
    low, high = _avalanche(low), _avalanche(high)
    for at in range(128, size - 31, 32):
        mix(at, at + 16, at - 125)
    mix(size - 16, size - 32, 103)
    last = low * _P64[0] + high * _P64[3] + size * _P64[1] & _MASK
    return _avalanche(low + high & _MASK), -_avalanche(last) & _MASK


def _long(data: bytes) -> tuple[int, int]:
    """Of more than 240 bytes: eight lanes, stirred after every 16 stripes of 64 bytes."""
    size = len(data)
    lanes = [_P32[2], *_P64[:4], _P32[1], _P64[4], _P32[0]]

    def accumulate(at: int, secret: int) -> None:
        for lane in range(8):
            word = _word(data, at + 8 * lane)
            keyed = word ^ _word(_SECRET, secret + 8 * lane)
            lanes[lane ^ 1] = lanes[lane ^ 1] + word & _MASK
            lanes[lane] = lanes[lane] + (keyed & 0xFFFFFFFF) * (keyed >> 32) & _MASK

    def merged(secret: int, start: int) -> int:
        for lane in range(0, 8, 2):
            a, b = (lanes[lane + k] ^ _word(_SECRET, secret + 8 * (lane + k)) for k in (0, 1))
            start += _fold(a, b)
        return _avalanche(start & _MASK)

    for stripe in range((size - 1) // 64):
        accumulate(64 * stripe, 8 * (stripe % 16))
        if stripe % 16 == 15:
            for lane in range(8):
                h = lanes[lane]
                h ^= h >> 47 ^ _word(_SECRET, 128 + 8 * lane)
                lanes[lane] = h * _P32[0] & _MASK
    accumulate(size - 64, 121)
    return merged(11, size * _P64[0]), merged(117, ~(size * _P64[1]) & _MASK)
