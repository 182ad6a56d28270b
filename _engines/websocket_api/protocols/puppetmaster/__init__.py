"""The puppetmaster's batch paths: HTTP, and a websocket that sends changes."""
