"""The device ledger (设备管理台账): its nouns, and sheets into and out of it."""
