"""Websockets: frames, reading and writing them, the base handler, and the native protocol."""
