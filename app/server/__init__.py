"""How connections are served: gunicorn's worker, limits for slow clients, answers to what isn't HTTP."""
