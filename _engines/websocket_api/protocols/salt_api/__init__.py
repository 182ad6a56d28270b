"""salt-api's clients, unmodified: what rest_cherrypy answers, asked of this engine's operations."""
