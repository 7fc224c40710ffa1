"""What computes a model's logits, one file per runtime; each is a `Scorer` (inference/scorer.py)."""
