"""Learned risks: for whom they may be asked, and the probability that they tell."""
