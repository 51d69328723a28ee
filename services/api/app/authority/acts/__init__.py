"""The kinds of governed acts, one file each. `registry` lists them."""
