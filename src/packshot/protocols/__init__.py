"""The doors: one folder per protocol, each decoding, calling one service function, and encoding."""
