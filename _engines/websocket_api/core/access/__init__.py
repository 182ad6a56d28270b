"""Users: their sessions, their permissions, what they may see, and their shares of the engine."""
