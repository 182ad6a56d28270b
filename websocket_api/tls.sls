# Write the certificate. The engine reads a changed one within seconds, without a restart.
{%- from "websocket_api/map.jinja" import api with context %}

include:
  - websocket_api.valid

websocket_api_certificate:
  websocket_api.certificate:
    - settings: {{ api | json }}
    - require:
        - websocket_api: websocket_api_valid
