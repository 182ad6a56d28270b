# Let the master copy the engine and the runner from its own file server. Minions get their module with the next
# highstate, or by `salt '*' saltutil.sync_modules`.
{%- from "websocket_api/map.jinja" import api with context %}

include:
  - websocket_api.valid

websocket_api_synced:
  websocket_api.synced:
    - settings: {{ api | json }}
    - require:
        - websocket_api: websocket_api_valid
        - websocket_api: websocket_api_unfinished
