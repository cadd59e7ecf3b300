"""Boosted trees, read out of the model's file, and the exact Shapley values of what they say."""
