"""Offline training and evaluation. Needs the extra `learn`; never imported when serving."""
