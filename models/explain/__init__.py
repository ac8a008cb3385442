"""Explanation methods: where in the slices the evidence for a class lies."""
