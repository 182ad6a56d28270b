"""The process that Salt starts: it starts the serving process, and starts it again at once when it ends.

Salt looks after its engines every 10 s only. So the engine's first process stays small and supervises another one,
which serves. This package imports the standard library only, and forks before another module of the engine is
imported: each serving process loads the code that is on disk at that time. The supervisor also keeps the listening
sockets open. Clients that connect while no process serves wait in the kernel's queue and are not refused.
"""
