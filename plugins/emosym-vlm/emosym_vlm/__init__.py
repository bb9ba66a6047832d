"""Backbones qwen-vl, llava and hf-vlm."""
