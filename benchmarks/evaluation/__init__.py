"""How fast figures over a long history are."""
