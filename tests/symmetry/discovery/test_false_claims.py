"""A group is claimed falsely in at most 1 of 20 data sets, near misses among them."""

import discovery_cases
import pytest

from covary.symmetry.discovery.candidates import catalogue, named
from covary.symmetry.discovery.largest import largest_group


def claims(drawn, groups):
    return [(case, largest_group(case.points, groups, case.episodes).group) for case in drawn]


def test_two_near_misses():
    drawn = [c for c in discovery_cases.cases(8, 11) if c.kind in ("C4, an arm thinned",
                                                                    "C2 within D4")]  # fmt: skip
    found = claims(drawn, [named(name) for name in ("trivial", "C2", "C4", "D4", "SO2")])
    assert [(case.kind, group) for case, group in found if group != case.truth] == []


@pytest.mark.slow
def test_forty_data_sets():
    found = claims(discovery_cases.cases(40, 2024), catalogue(2))
    false = [(c.kind, group) for c, group in found if discovery_cases.claimed_falsely(group, c)]
    assert len(false) <= 2, false
    # Silence would keep the law too: of true groups with points enough most are found.
    plain = [(c, group) for c, group in found if c.kind in ("true group", "C2 within D4", "noise")]
    assert sum(group == c.truth for c, group in plain) >= len(plain) // 2
