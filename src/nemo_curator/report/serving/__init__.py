"""The report page over a whole run, served to a browser on this machine alone.

One process. The main thread waits for decisions that the page asks for and makes them, as the command `decide` would; a
second thread accepts connections; each connection has a thread of its own, which answers from a `Standing` (the run as
it was read) and changes nothing but caches. What several threads touch says at its top which lock guards it.
"""
