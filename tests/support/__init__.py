"""What tests of several kinds share: waiting, clients, publishers, ports, limits of time."""
