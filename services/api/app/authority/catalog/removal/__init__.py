"""Taking files away: into the trash, back from it, and for good. Nothing here walks the store."""
