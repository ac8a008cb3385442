"""Figures on exams with known truth, each with an interval."""
