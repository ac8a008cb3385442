"""What the routes share: keys, CORS, the request log, the reading of bodies, the descriptions of routes."""
