"""Tables of experiments: `rows` is what stands in a study's TOML file, `table` what came of it."""
