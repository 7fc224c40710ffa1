"""From a model file to scores and answers."""
