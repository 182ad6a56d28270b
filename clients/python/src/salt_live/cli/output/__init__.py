"""Output forms: how returns are written to stdout. Equal to Salt's outputters of the same name, by tests."""
