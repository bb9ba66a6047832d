"""Reinforcers: how rewards move the reasoning tokens."""
