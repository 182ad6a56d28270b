"""Jobs, runners and wheels as the bus and the job cache describe them."""
