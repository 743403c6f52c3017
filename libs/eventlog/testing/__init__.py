"""What tests of a decider are written with."""
