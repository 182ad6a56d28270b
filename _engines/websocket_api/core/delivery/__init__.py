"""What is sent to one connection: formats, frames, the outbox, chunks of what is large, pacing, pings."""
