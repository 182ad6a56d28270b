# Remove the engine from the master. Python packages stay, because other programs may use them; batches stay too.
{%- from "websocket_api/map.jinja" import api with context %}
{%- include "websocket_api/own.jinja" %}

websocket_api_config_absent:
  file.absent:
    - name: {{ api.config_dir }}/master.d/{{ api.config_file }}

websocket_api_files_absent:
  file.absent:
    - name: {{ api.config_dir }}/websocket_api

websocket_api_bookkeeping_absent:
  file.absent:
    - name: {{ salt["config.get"]("cachedir") }}/websocket_api

websocket_api_unsynced:
  websocket_api.unsynced:
    - settings: {{ api | json }}

websocket_api_master_without:
{%- if api.service.restart %}
  cmd.run:
    - name: {{ api.service.restart | json }}
    - onchanges:
{%- else %}
  service.running:
    - name: {{ api.service.name }}
    - watch:
{%- endif %}
        - file: websocket_api_config_absent
        - websocket_api: websocket_api_unsynced
