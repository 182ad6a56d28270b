"""What clients follow: every event passes the hub, filters choose, groups share frames.

Snapshots show jobs and minions.
"""
