"""Published weights: where they are, and how their names map to ours."""
