"""Training: contrastive and supervised, on one loop."""
