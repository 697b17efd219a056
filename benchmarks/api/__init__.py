"""The API's speed: a real server process, and its client in another one, on this machine."""
