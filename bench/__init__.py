"""What the house is held to beyond its tests: how fast a turn is, and what a kill costs. Nothing in bot/ imports this."""
