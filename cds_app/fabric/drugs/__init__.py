"""Drugs that were ordered, given or reported, and what their dosages say."""
