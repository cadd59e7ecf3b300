"""How the service takes calls: gunicorn's threaded worker, and what callers have to say before a thread hears them."""
