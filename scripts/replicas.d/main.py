"""Which scene."""

import argparse
import sys

import bench
import trouble

arguments = argparse.ArgumentParser(prog="scripts/replicas")
arguments.add_argument("--small", action="store_true", help="less of everything")
arguments.add_argument("--bench", action="store_true", help="three replicas against one")
arguments.add_argument("--seconds", type=int, default=30, help="how long each half of the bench runs")
chosen = arguments.parse_args()
sys.exit(bench.play(chosen.seconds) if chosen.bench else trouble.play(chosen.small))
