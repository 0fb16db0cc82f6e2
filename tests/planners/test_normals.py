"""Normal numbers are normal, know nothing of each other, and are the same in every kernel."""

import math

import numpy as np
import pytest
from numba import njit
from scipy import special, stats

from covary.planners.loop.noise import noise_law
from covary.planners.loop.normals import LOW, direction, fill, normals, philox, radius


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ((0, 0, 0, 0, 0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((2**32 - 1,) * 6, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_words_are_those_that_the_generators_authors_give(given, known):
    found = philox.py_func(*(np.uint64(word) for word in given))
    assert tuple(int(word) & 0xFFFFFFFF for word in found) == known


def test_radius_and_direction_are_what_they_are_called_up_to_the_ends():
    ends = [0, 1, 2, 2**22, 2**30 - 1, 2**30, 2**31 - 1, 2**31, 3 * 2**30, 2**32 - 2, 2**32 - 1]
    words = np.array([*ends, *np.random.default_rng(0).integers(0, 2**32, 2000)], np.uint32)
    for word in words:
        size, (x, y) = radius.py_func(word), direction.py_func(word)
        u = min((int(word) + 0.5) / 2**32, 1.0)
        assert size == pytest.approx(math.sqrt(-2.0 * math.log(u)), rel=2e-6, abs=4e-4)
        turn = 2 * math.pi * ((int(word) >> 30) + np.int32(word << np.uint32(2)) / 2**32) / 4
        assert abs(x - math.cos(turn)) < 3e-7 and abs(y - math.sin(turn)) < 3e-7
    assert radius.py_func(np.uint32(0)) == pytest.approx(6.764, abs=1e-3)


@pytest.fixture(scope="module")
def million():
    """A million of one key."""
    return normals(20, 16, 1 << 16)


def test_a_million_are_normal(million):
    """Moments within four standard errors, and no gap to the normal distribution."""
    z, n = million.ravel(), million.size
    for power, moment, fourth in ((1, 0, 1), (2, 1, 3), (3, 0, 15), (4, 3, 105), (6, 15, 10395)):
        error = math.sqrt((fourth - moment**2) / n)
        assert abs(np.mean(z**power) - moment) < 4 * error
    assert stats.kstest(z, "norm").pvalue > 0.01
    for rows in (million[::2], million[1::2], million[:, ::2]):
        assert stats.kstest(rows.ravel(), "norm").pvalue > 0.01


def test_tails_are_there():
    """Two-sided beyond 4, 4.5 and 5 standard deviations, of 8 million."""
    z = np.abs(np.concatenate([normals(key, 16, 1 << 16).ravel() for key in range(8)]))
    for beyond in (4.0, 4.5, 5.0):
        mean = z.size * special.erfc(beyond / math.sqrt(2.0))
        assert stats.poisson.cdf((z > beyond).sum(), mean) > 0.002
        assert stats.poisson.sf((z > beyond).sum() - 1, mean) > 0.002
    assert 5.0 < z.max() < 6.77


def worst(found, others=1.0):
    """The largest correlation between rows, in standard errors under independence."""
    a = np.array(found, float)
    products = np.corrcoef(a) * math.sqrt(a.shape[1])
    return np.abs(products[np.triu_indices(len(a), 1)]).max()


def bound(count):
    """What the largest of so many of them is below in 999 of 1000 cases."""
    return stats.norm.isf(0.0005 / (count * (count - 1) / 2))


def test_rows_columns_keys_and_plans_know_nothing_of_each_other(million):
    """Also their squares: no row says how large another is."""
    law = noise_law("white", 8, 2, 256)
    plans = [np.random.Philox(key=[3, k]) for k in range(64)]
    seeds = [np.random.Philox(key=[k, 3]) for k in range(64)]
    sets = {
        "rows": million,
        "columns": million.reshape(16, -1, 64).transpose(2, 0, 1).reshape(64, -1),
        "keys": [normals(key, 16, 256).ravel() for key in range(64)],
        "high keys": [normals(key << 32, 16, 256).ravel() for key in range(64)],
        "plans": [law(np.random.Generator(bits), 256).ravel() for bits in plans],
        "seeds": [law(np.random.Generator(bits), 256).ravel() for bits in seeds],
        "iterations": np.array(
            [law(np.random.Generator(plans[0]), 256).ravel() for _ in "ab" * 32]
        ),
        "neighbours": [million[:, :-1].ravel(), million[:, 1:].ravel()],
    }
    for name, found in sets.items():
        rows = np.array(found, float)
        assert worst(rows) < bound(len(rows)), name
        assert worst(rows**2) < bound(len(rows)), name


def test_a_number_hangs_on_its_key_and_place_alone():
    whole = normals(2**64 - 1, 11, 70)
    for rows, columns in ((1, 1), (4, 70), (5, 33), (11, 64)):
        np.testing.assert_array_equal(normals(2**64 - 1, rows, columns), whole[:rows, :columns])
    assert np.unique(whole).size == whole.size


def test_they_are_the_same_bits_in_either_precision_and_in_plain_python():
    """A kernel that may contract its own sums leaves these alone."""

    @njit(fastmath={"contract", "nsz", "reassoc"}, error_model="numpy")
    def summed(key, room, out):
        fill(key, 8, 64, room, out)
        return out.sum()

    whole, key, out = normals(77, 8, 64), (np.uint64(77), np.uint64(0)), np.zeros(512, np.float32)
    summed(key[0], np.zeros(4 * 64, np.uint32), out)
    np.testing.assert_array_equal(out.reshape(8, 64), whole)
    for k in range(64):
        words = philox.py_func(np.uint64(k), np.uint64(1), *[np.uint64(0)] * 2, *key)
        words = [np.uint32(word & LOW) for word in words]
        for pair in range(2):
            size = radius.py_func(words[2 * pair])
            turned = [size * part for part in direction.py_func(words[2 * pair + 1])]
            assert whole[4 + 2 * pair : 6 + 2 * pair, k].tolist() == turned
