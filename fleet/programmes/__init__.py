"""Campaigns of retirement (淘汰任务): what they are about, how far they are, what holds them up, and their sheets."""
