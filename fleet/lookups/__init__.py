"""Look-ups at a site that no device of ours saw, such as those of the QR page (二维码查询量)."""
