# What PAM logins need, where the pillar's external_auth has pam.
{%- from "websocket_api/map.jinja" import api with context %}

include:
  - websocket_api.valid

websocket_api_pam:
  websocket_api.pam_ready:
    - settings: {{ api | json }}
    - require:
        - websocket_api: websocket_api_valid
        - websocket_api: websocket_api_unfinished
