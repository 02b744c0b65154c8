"""What `crash`, `rig`, `ha` and `load` break: one table of faults, and the parts that they share."""
