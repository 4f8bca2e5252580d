"""The numbers behind the widgets of chapters 5 and 6: JavaScript against torch."""

import numpy as np
from node import node

# ---- pictures on a sheet


def test_every_picture_of_a_grid_has_its_own_place_on_the_sheet():
    """Row-major like numpy; an axis of length 1 has the same number everywhere; rows and columns of the sheet."""
    lengths, short = (3, 4, 2), (3, 1, 2)
    places = list(np.ndindex(*lengths))
    data = {"places": [list(place) for place in places], "lengths": lengths, "short": short}
    code = """return data.places.map((p) => {
      const at = m.flatIndex(p, data.lengths);
      return [at, m.flatIndex(p, data.short), ...m.corner(at, 5, 8, 6)]; });"""
    grid, brief = np.arange(24).reshape(lengths), np.broadcast_to(np.arange(6).reshape(short), lengths)
    for place, got in zip(places, node("frame_numbers.js", code, data), strict=True):
        row, column = divmod(int(grid[place]), 5)
        assert got == [grid[place], brief[place], 8 * column, 6 * row]


def test_numbers_stand_under_a_picture_where_they_differ_between_pictures():
    """An axis in view along which the number has more than one value."""
    cases = [[[3, 4, 1], [2, -1]], [[3, 4, 1], [1, -1]], [[3, 4, 1], [-1, -1]], [[1, 1, 2], [0, 2]]]
    code = "return data.cases.map(([lengths, shown]) => m.differs(lengths, shown));"
    assert node("frame_numbers.js", code, {"cases": cases}) == [False, True, False, True]
