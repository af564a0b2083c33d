"""Where models run: in this process, or on a cluster; nothing else knows which."""
