"""A toy domain that uses every part of the kernel's protocol, and an executable model of it."""
