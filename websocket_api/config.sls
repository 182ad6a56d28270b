# Write the master's configuration file, when everything that it names is in place.
{%- from "websocket_api/map.jinja" import api with context %}

include:
  - websocket_api.valid
  - websocket_api.sync
  - websocket_api.tls
  - websocket_api.pam

websocket_api_config:
  websocket_api.configured:
    - settings: {{ api | json }}
    - require:
        - websocket_api: websocket_api_valid
        - websocket_api: websocket_api_unfinished
        - websocket_api: websocket_api_synced
        - websocket_api: websocket_api_certificate
        - websocket_api: websocket_api_pam
