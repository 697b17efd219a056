"""What the commands do: open the installation, call it, print what it says. One file a group."""
