"""The only asyncio of the library: performs what the core has decided."""
