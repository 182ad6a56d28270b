"""Minions: keys, connection, grains, and what they answered about their functions."""
