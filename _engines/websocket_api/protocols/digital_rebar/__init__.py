"""Digital Rebar's websocket clients, unmodified."""
