"""A runner that shows which arguments reached it."""


def echo(*args, **kwargs):
    """Return the arguments as they came."""
    return {"args": list(args), "kwargs": {key: value for key, value in kwargs.items() if not key.startswith("__")}}


def two(first, second="b"):
    """Return both arguments by their names."""
    return {"first": first, "second": second}


def keep(user=None, password=None, token=None):
    """Take secrets and tell nothing of them."""
    return "kept"
