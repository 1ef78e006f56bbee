"""Measure our Central System beside the documented server of the `ocpp` package.

Both run in processes of their own on one machine, and one load generator drives them in turn.
What counts is the ratio within one run. `make bench` runs it; docs/benchmark.md explains it.
"""
