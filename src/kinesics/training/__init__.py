"""From a recipe and a manifest to a run."""
