"""Websockets: frames and transport, the base handler, and the native protocol."""
