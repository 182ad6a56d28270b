"""A state module as a user would write it: it reports how far it is."""


def walked(name, percents, gate=None):
    """Report each of ``percents``."""
    answers = __salt__["steps.walk"](*percents, gate=gate)  # noqa: F821 - Salt's loader gives it
    return {"name": name, "result": True, "changes": {}, "comment": str(answers)}
