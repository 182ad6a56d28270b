"""What clients follow: every event passes the hub, filters choose, groups share frames, snapshots show jobs and minions."""
