"""The REST routes under `/v1`, and the pages that describe the service. One file for each kind of route."""
