"""The lives of devices: their states, what may follow what, and the moves that change them."""
