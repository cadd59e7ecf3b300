"""What clinical governance asks of the models: model cards."""
