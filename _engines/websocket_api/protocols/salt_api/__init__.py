"""salt-api for unmodified clients: the paths and answers of rest_cherrypy, run by this engine's operations."""
