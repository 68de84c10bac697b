"""The sans-I/O core: decides, never acts. No asyncio, no clock, no randomness, no sockets."""
