"""A wheel that shows which arguments reached it."""


def two(first, second="b"):
    """Return both arguments by their names."""
    return {"first": first, "second": second}
