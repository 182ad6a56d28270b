"""Who the users are, what they may see and run, and how much of the engine each of them may use."""
