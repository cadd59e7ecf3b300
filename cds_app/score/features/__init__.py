"""What risk models look at, every hour or in a whole stay: one code path for training and serving."""
