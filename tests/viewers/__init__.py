"""Free web viewers show our results: `make viewers`. The page docs/viewers.md says what was seen."""
