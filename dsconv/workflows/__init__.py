"""Convert and check, all targets at once, freeze, the demo: what puts the rooms together."""
