"""Labels for devices: a QR code that leads to a page of the installation, and what people read beside it."""
