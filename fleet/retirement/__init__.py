"""The retirement loop: what carries a device from the first doubt to the books closed."""
