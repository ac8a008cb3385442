"""The benchmarks of `make bench`. Each compares side by side in one run; only ratios carry over to another machine."""
