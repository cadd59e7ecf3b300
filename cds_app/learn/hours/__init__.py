"""Risks that are asked of every hour: trained and measured on rows of PhysioNet/CinC Challenge 2019."""
