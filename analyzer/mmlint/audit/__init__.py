"""The audit of a whole kernel tree: files that can matter, results kept between runs, one report."""
