"""How quantities move: the twin's dynamics fitted on many patients, and its forecasts measured."""
