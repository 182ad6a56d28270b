"""Events of the bus: their tags, redaction, encoding, and the history that clients resume from."""
