# Reload the engine, or restart the master if a change needs that; wait until the engine answers, else roll back.
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

websocket_api_reloaded:
  websocket_api.reloaded:
    - settings: {{ api | json }}
    - require: {{ reasons | json }}

websocket_api_restart:
  websocket_api.restart_due:
    - require:
        - websocket_api: websocket_api_reloaded

websocket_api_master:
{%- if api.service.restart %}
  cmd.run:
    - name: {{ api.service.restart | json }}
    - onchanges:
        - websocket_api: websocket_api_restart
    - require:
        - websocket_api: websocket_api_restart
{%- else %}
  service.running:
    - name: {{ api.service.name }}
    - enable: true
    - watch:
        - websocket_api: websocket_api_restart
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
