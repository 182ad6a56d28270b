# Check the pillar before anything is written.
{%- from "websocket_api/map.jinja" import api with context %}

include:
  - websocket_api.package

websocket_api_valid:
  websocket_api.valid:
    - settings: {{ api | json }}
    - require:
        - websocket_api: websocket_api_packages

websocket_api_unfinished:
  websocket_api.unfinished:
    - require:
        - websocket_api: websocket_api_valid
