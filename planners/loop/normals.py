"""Standard normal numbers, each from a key and its place alone, so that many are made at once.

Of a place Philox makes four words (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3",
SC 2011: philox4x32-10), and of two words come two numbers (Box and Muller, "A Note on the
Generation of Random Normal Deviates", 1958). There is no state and no branch, so that a compiler
makes vectors of it: a number takes a twentieth of what NumPy takes for one. All is arithmetic in
float32 with nothing contracted: a fused plan, the loop, and any processor get the same bits.

Radius and angle have 32 bits each; no number is beyond 6.77, which one of 7e10 would be. Logarithm,
sine and cosine are polynomials of least error, good to 2e-7.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ...sim.cache_folder import provide

provide()  # before Numba meets the first kernel

# Said, since what is not said Numba takes from whoever calls first.
_EXACT = {"fastmath": False, "error_model": "numpy"}
_ALONE = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, **_EXACT}
_INLINED = {"forceinline": True, **_ALONE}

LOW, HALF_WORD = np.uint64(0xFFFFFFFF), np.uint64(32)
ROUNDS = 10

ROOT = np.int32(0x3F3504F3)
"""The bits of the root of 1/2: what is split off a number is between it and its double."""
_LOGARITHM = tuple(
    np.float32(c)
    for c in (
        *(-1.9999998906195409, 1.0000073025547238, -0.6667011789029992, 0.4993981760678322),
        *(-0.3980033052186429, 0.34501666032856115, -0.32445168052832496, 0.2021377867100235),
    )
)
"""-2 log(1 + s) / s, 1 + s between the roots of 1/2 and 2."""
_SINE = tuple(
    np.float32(c)
    for c in (1.5707963219669652, -0.6459634786450668, 0.07968022808051804, -0.004602176996226018)
)
"""sin(f pi/2) / f by f^2, f within +-1/2."""
_COSINE = tuple(
    np.float32(c)
    for c in (0.9999999724242243, -1.2336970142671349, 0.253598644188018, -0.020408352538675477)
)
HALF, ONE, WHOLE = np.float32(0.5), np.float32(1.0), np.float32(2.0**-32)
DOUBLED = np.float32(2.0 * math.log(2.0))


@njit(**_INLINED)
def philox(a, b, c, d, k0, k1):
    """Four words of a counter and a key of two; the lower 32 bits of each count."""
    for _ in range(ROUNDS):
        p, q = (a & LOW) * np.uint64(0xD2511F53), (c & LOW) * np.uint64(0xCD9E8D57)
        a, b, c, d = (q >> HALF_WORD) ^ b ^ k0, q, (p >> HALF_WORD) ^ d ^ k1, p
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & LOW, (k1 + np.uint64(0xBB67AE85)) & LOW
    return a, b, c, d


@njit(**_INLINED)
def radius(word):
    """sqrt(-2 log u), u = (word + 1/2) / 2^32."""
    bits = np.float32(np.float32(word) + HALF).view(np.int32) - ROOT
    exponent = np.int32(np.int32(bits) >> np.int32(23))
    s = np.int32((np.int32(bits) & np.int32(0x7FFFFF)) + ROOT).view(np.float32) - ONE
    p = _LOGARITHM[7] * s + _LOGARITHM[6]
    p = (p * s + _LOGARITHM[5]) * s + _LOGARITHM[4]
    p = (p * s + _LOGARITHM[3]) * s + _LOGARITHM[2]
    p = (p * s + _LOGARITHM[1]) * s + _LOGARITHM[0]
    return np.sqrt(np.float32(np.int32(32) - exponent) * DOUBLED + p * s)


@njit(**_INLINED)
def direction(word):
    """Cosine and sine of a turn: its quarter in the upper two bits, where in it in the others."""
    f = np.float32(np.int32(np.uint32(word << np.uint32(2)))) * WHOLE
    z = f * f
    s = f * (((_SINE[3] * z + _SINE[2]) * z + _SINE[1]) * z + _SINE[0])
    c = ((_COSINE[3] * z + _COSINE[2]) * z + _COSINE[1]) * z + _COSINE[0]
    quarter = np.uint32(word >> np.uint32(30))
    odd = quarter & np.uint32(1)
    x, y = (s if odd else c), (c if odd else s)
    x = -x if (quarter + np.uint32(1)) & np.uint32(2) else x
    return x, -y if quarter & np.uint32(2) else y


@njit(**_ALONE)
def fill(key, rows, columns, words, out):
    """Fill rows with normal numbers: that in row r and column k hangs on the key, r and k alone.

    Args:
        key: 64 bits.
        rows: How many are wanted.
        columns: Of each row, K.
        words: Room for words. (4 K,)
        out: Rows one behind another, a whole number of fours. (4 ceil(rows / 4) K,)
    """
    low, high = np.uint64(key) & LOW, np.uint64(key) >> HALF_WORD
    a, b = words[:columns], words[columns : 2 * columns]
    c, d = words[2 * columns : 3 * columns], words[3 * columns : 4 * columns]
    zero = np.uint64(0)
    for four in range((rows + 3) // 4):
        for k in range(columns):
            p, q, r, s = philox(np.uint64(k), np.uint64(four), zero, zero, low, high)
            a[k], b[k] = np.uint32(p), np.uint32(q)
            c[k], d[k] = np.uint32(r), np.uint32(s)
        for pair in range(2):
            u, v = words[2 * pair * columns :], words[(2 * pair + 1) * columns :]
            first = (4 * four + 2 * pair) * columns
            x, y = out[first : first + columns], out[first + columns : first + 2 * columns]
            for k in range(columns):
                size = radius(u[k])
                cosine, sine = direction(v[k])
                x[k], y[k] = size * cosine, size * sine


@njit(cache=True, **_EXACT)
def _filled(key, rows, columns, words, out):
    fill(key, rows, columns, words, out)


def normals(key: int, rows: int, columns: int) -> np.ndarray:
    """Independent normal numbers of variance 1.

    Args:
        key: 64 bits; another gives others.
        rows: R.
        columns: K. More rows or columns leave those that are there as they are.

    Returns:
        (R, K)
    """
    out = np.empty((-(-rows // 4) * 4, columns))
    _filled(np.uint64(key), rows, columns, np.empty(4 * columns, np.uint32), out.reshape(-1))
    return out[:rows]
