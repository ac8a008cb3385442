"""The series of a study beside the one that was predicted on: which there are, and their images."""
