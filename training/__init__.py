"""Turns exams into a bundle. Never imported by the service."""
