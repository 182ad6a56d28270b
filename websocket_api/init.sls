# Install the engine on this host's master, configure it from pillar (pillar.example), and wait until it answers.
include:
  - websocket_api.package
  - websocket_api.valid
  - websocket_api.sync
  - websocket_api.tls
  - websocket_api.pam
  - websocket_api.config
  - websocket_api.service
