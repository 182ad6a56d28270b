# The engine on the master of this host: installed, configured from pillar (pillar.example), and answering.
include:
  - websocket_api.package
  - websocket_api.valid
  - websocket_api.sync
  - websocket_api.tls
  - websocket_api.pam
  - websocket_api.config
  - websocket_api.service
