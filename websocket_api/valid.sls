# Nothing is written before the pillar is known to be sound.
{%- from "websocket_api/map.jinja" import api with context %}

include:
  - websocket_api.states
  - websocket_api.package

websocket_api_valid:
  websocket_api.valid:
    - settings: {{ api | json }}
    - require:
        - saltutil: websocket_api_own_states
        - pip: websocket_api_packages
