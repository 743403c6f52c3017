"""`gridcall demo`: a walk-through of three minutes, a chapter per file.

One blocked fire lane goes all the way. It is posted twice, routed, missed, called for, answered,
solved and counted. Then the process is killed, and nothing is lost. Every step is run for real, and
every answer is checked.
"""
