"""A device without hardware, as its configuration."""

SYNTHETIC = """
[device]
state_dir = "state"
[sources.syn]
kind = "synthetic"
streams = ["ppg", "acc", "pcg"]
"""
