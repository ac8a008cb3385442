"""OHIF's ready bundle, made to work at a path of ours."""
