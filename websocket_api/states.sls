# What the other states are made of: this project's own modules and states, for the minion that runs them.
{%- from "websocket_api/map.jinja" import api with context %}

websocket_api_own_modules:
  saltutil.sync_modules:
    - saltenv: {{ api.saltenv }}
    - refresh: true
    - reload_modules: true

websocket_api_own_states:
  saltutil.sync_states:
    - saltenv: {{ api.saltenv }}
    - refresh: true
    - reload_modules: true
    - require:
        - saltutil: websocket_api_own_modules
