"""When a condition is met: six strategies, one file each; `registry` is the list of them."""
