"""What the engine does without a request: read the bus, and keep sessions, minions and jobs up to date."""
