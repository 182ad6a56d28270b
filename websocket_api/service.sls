# Restart the master once for all changes, wait until the engine answers, and roll back if it does not.
{%- from "websocket_api/map.jinja" import api with context %}

include:
  - websocket_api.package
  - websocket_api.valid
  - websocket_api.sync
  - websocket_api.pam
  - websocket_api.config

{%- set reasons = [
      {"websocket_api": "websocket_api_packages"},
      {"websocket_api": "websocket_api_unfinished"},
      {"websocket_api": "websocket_api_synced"},
      {"websocket_api": "websocket_api_pam"},
      {"websocket_api": "websocket_api_config"},
    ] %}

websocket_api_master:
{%- if api.service.restart %}
  cmd.run:
    - name: {{ api.service.restart | json }}
    - onchanges: {{ reasons | json }}
    - require: {{ reasons | json }}
{%- else %}
  service.running:
    - name: {{ api.service.name }}
    - enable: true
    - watch: {{ reasons | json }}
{%- endif %}

websocket_api_answers:
  websocket_api.answers:
    - settings: {{ api | json }}
    - require:
        - {{ "cmd" if api.service.restart else "service" }}: websocket_api_master

websocket_api_rolled_back:
  websocket_api.rolled_back:
    - settings: {{ api | json }}
    - onfail:
        - websocket_api: websocket_api_answers

websocket_api_master_again:
{%- if api.service.restart %}
  cmd.run:
    - name: {{ api.service.restart | json }}
{%- else %}
  module.run:
    - service.restart:
        - name: {{ api.service.name }}
{%- endif %}
    - onchanges:
        - websocket_api: websocket_api_rolled_back
