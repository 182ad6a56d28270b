"""The journal: what a restart needs of the history, as bytes, and when it is written. May import events and jobs."""
