"""Subscriptions: every event passes the hub, filters select it, and groups of clients share frames.

Snapshots show jobs and minions.
"""
