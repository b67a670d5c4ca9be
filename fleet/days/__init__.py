"""What a day comes to, for each site and each device."""
