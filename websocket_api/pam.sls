# Set up what PAM logins need, if the pillar's external_auth has pam. The group shadow exists on Debian and Ubuntu;
# docs/install.md says what other systems need.
{%- from "websocket_api/map.jinja" import api with context %}

include:
  - websocket_api.valid

websocket_api_pam:
  websocket_api.pam_ready:
    - settings: {{ api | json }}
    - require:
        - websocket_api: websocket_api_valid
        - websocket_api: websocket_api_unfinished
