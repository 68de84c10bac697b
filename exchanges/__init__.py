"""One file a venue. Imported as `unified_ws.venues`; see ADD_A_VENUE.md."""
