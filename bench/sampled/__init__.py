"""The folder that lets other programs be sampled: `sitecustomize` in it is loaded at their start."""
