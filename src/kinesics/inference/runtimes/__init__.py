"""What computes a model's logits, one file a runtime; each is a `Scorer` (inference/scorer.py)."""
