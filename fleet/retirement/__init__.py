"""The retirement loop: cases that carry devices from the first doubt to the books closed, by the hands of several."""
