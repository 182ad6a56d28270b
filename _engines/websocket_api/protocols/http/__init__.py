"""Requests over HTTP: the base handler that checks addresses, origins and logins, content types, and files."""
