"""The two ways to log in: with a browser on this machine, or with a code that is typed at another one."""
